#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# purge.sh CACHE: remove images and packages, unless a lab still stands on them.
set -euo pipefail
CACHE=$1
[[ -e $CACHE/use.lock ]] || exit 0
exec 9>"$CACHE/use.lock" 8>"$CACHE/build.lock"
if ! flock -n 9 || ! flock -n 8; then
  echo "A lab is running or being built from $CACHE; take it down first." >&2
  exit 1
fi
rm -rf --one-file-system "$CACHE"/{base,repository,layer}-* "$CACHE/work" "$CACHE"/*.lock
rmdir "$CACHE" 2>/dev/null || true
echo "removed $CACHE"
