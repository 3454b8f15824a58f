#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the reference of modules, filters, tests and roles as web pages in .cache/docs. Needs no network.
. "$(dirname "$0")/common.sh"
export PATH="$VENV/bin:$PATH"

rm -rf "$CACHE/docs"
mkdir -p "$CACHE/docs"
antsibull-docs sphinx-init --use-current --squash-hierarchy --dest-dir "$CACHE/docs" mailsec.dane >/dev/null
# Sphinx is installed in an environment of its own, beside the one that has what tests need.
if [ ! -e "$CACHE/sphinx/.complete" ]; then
  say "Installing Sphinx"
  "$(readlink -f "$VENV/bin/python")" -m venv --clear "$CACHE/sphinx"
  "$CACHE/sphinx/bin/python" -m pip install -q -r "$CACHE/docs/requirements.txt"
  touch "$CACHE/sphinx/.complete"
fi
cd "$CACHE/docs" || die "no $CACHE/docs"
chmod og-w rst
antsibull-docs --config-file antsibull-docs.cfg collection --cleanup everything --use-current --squash-hierarchy \
  --dest-dir rst mailsec.dane >/dev/null
# Links to other projects need their inventories from the network; without them such a link is plain text.
"$CACHE/sphinx/bin/sphinx-build" -M html rst build -q -c . -D intersphinx_timeout=1 -D nitpicky=0 2>&1 |
  grep -vE 'intersphinx|failed to reach|undefined label|Max retries|certificate verify failed' || true
[ -e build/html/index.html ] || die "Sphinx made no pages."
say "$CACHE/docs/build/html/index.html"
