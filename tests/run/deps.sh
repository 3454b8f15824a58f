#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes everything that a checkout needs: .venv, the collections that roles call, and the link that makes the checkout a
# collection. Does nothing when nothing changed.
. "$(dirname "$0")/common.sh"

# ansible-core of the development environment supports these.
OLDEST=3.11
NEWEST=3.13

exec 9>"$CACHE/deps.lock"
flock 9

# Dies with what is wrong with the python3 of this machine, unless a package of Debian mends it.
complain_of_python() {
  local version minor
  version=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null) || version=""
  minor=${version#3.}
  minor=${minor%%.*}
  if [ -n "$version" ] && { [ "$minor" -lt "${OLDEST#3.}" ] || [ "$minor" -gt "${NEWEST#3.}" ]; }; then
    die "The python3 of this machine is $version, and the controller needs Python $OLDEST to $NEWEST for ansible-core 2.19." \
      "Use Debian 12 or 13, or put such a Python with its module venv on the PATH, for instance as python3.12."
  fi
  is_root || die "$([ -n "$version" ] && echo "Python $version cannot make virtual environments." || echo "This machine has no python3.")" \
    "On Debian 12 or 13, as root: apt-get install python3-venv"
}

make_venv() {
  local wanted python
  wanted=$(sha256sum requirements.txt requirements-dev.txt)
  if [ "$(cat "$VENV/.complete" 2>/dev/null)" = "$wanted" ] && "$VENV/bin/python" -c '' 2>/dev/null; then
    return
  fi
  if ! is_python "$VENV/bin/python" $OLDEST $NEWEST; then
    if ! python=$(find_python $OLDEST $NEWEST); then
      # Debian's Python comes without the modules that make virtual environments.
      complain_of_python
      install_packages python3-venv
      python=$(find_python $OLDEST $NEWEST) || die "python3-venv is installed, and python3 cannot make virtual environments."
    fi
    say "Making .venv with $python"
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
  fi
  say "Installing Python packages into .venv"
  "$VENV/bin/python" -m pip install -q -r requirements.txt -r requirements-dev.txt
  printf '%s\n' "$wanted" >"$VENV/.complete"
}

link_checkout() {
  local link=$CACHE/collections/ansible_collections/mailsec/dane
  [ "$(readlink -f "$link")" != "$ROOT" ] || return 0
  mkdir -p "$(dirname "$link")"
  rm -f "$link"
  ln -s ../../../.. "$link"
}

# The ansible package of the Python package index holds all the collections; ansible-galaxy's server is not needed then.
fetch_collections() {
  local wanted work
  wanted=$(sha256sum requirements.yml tests/run/collections.txt tests/run/unpack_collections.py)
  [ "$(cat "$CACHE/collections/.complete" 2>/dev/null)" != "$wanted" ] || return 0
  if ! "$VENV/bin/python" tests/run/unpack_collections.py --check "$CACHE/collections"; then
    say "Downloading the collections of requirements.yml"
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # now, not later
    trap "rm -rf '$work'" EXIT
    "$VENV/bin/python" -m pip download -q --no-deps --only-binary :all: -d "$work" -r tests/run/collections.txt
    "$VENV/bin/python" tests/run/unpack_collections.py "$CACHE/collections" "$work"/ansible-*.whl
  fi
  printf '%s\n' "$wanted" >"$CACHE/collections/.complete"
}

make_venv
link_checkout
fetch_collections
