#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection as a user would get it, looks for what does not belong in it, installs it into an empty place,
# and asks for the documentation of everything there. The file stays in .cache/package.
. "$(dirname "$0")/common.sh"
export PATH="$VENV/bin:$PATH"

work=$(mktemp -d)
# shellcheck disable=SC2064  # now, not later
trap "rm -rf '$work'" EXIT

# Of the files that git knows, so that what lies around in a checkout is not in it.
mkdir -p "$work/source" "$CACHE/package"
project_files | tar -c --null -T - | tar -x --no-same-owner -C "$work/source"
rm -f "$CACHE"/package/*.tar.gz
ansible-galaxy collection build "$work/source" --output-path "$CACHE/package" >/dev/null
file=$(echo "$CACHE"/package/mailsec-dane-*.tar.gz)
size=$(stat -c %s "$file")
[ "$size" -lt 2000000 ] || die "The collection is unexpectedly large: $size bytes"

tar -tzf "$file" | sort >"$work/members"
if grep -E '(^|/)(\.cache|\.ci|\.git|\.venv|\.ansible|__pycache__|output)(/|$)|\.py[co]$|\.tar\.gz$|(^|/)[^/]*\.(pem|key|tsig)$' "$work/members"; then
  die "These files do not belong in the collection."
fi
for name in MANIFEST.json FILES.json LICENSE README.md meta/runtime.yml plugins/modules/tlsa_info.py roles/lab/meta/argument_specs.yml; do
  grep -qx "$name" "$work/members" || die "The collection has no $name."
done

mkdir "$work/installed"
export ANSIBLE_COLLECTIONS_PATH=$work/installed
unset ANSIBLE_CONFIG
cd "$work" || die "no $work"
ansible-galaxy collection install "$file" -p "$work/installed" --offline >/dev/null
for kind in module role; do
  case $kind in
    module) expected=$(grep -cE '^plugins/modules/[^/_][^/]*\.py$' members) ;;
    role) expected=$(grep -cE '^roles/[^/]+/meta/argument_specs\.yml$' members) ;;
  esac
  found=$(ansible-doc -t $kind -l --json mailsec.dane | python -c 'import json, sys; print(len(json.load(sys.stdin)))')
  [ "$found" -eq "$expected" ] || die "ansible-doc finds $found ${kind}s in the installed collection, expected $expected."
  say "$found ${kind}s"
done
# As the quick start installs it: in any directory, to where ansible-playbook looks by itself.
mkdir "$work/home" "$work/elsewhere"
(
  cd "$work/elsewhere"
  export HOME=$work/home
  unset ANSIBLE_COLLECTIONS_PATH
  ansible-galaxy collection install "$file" --offline >/dev/null
  ansible-playbook -i localhost, mailsec.dane.audit --list-tasks >/dev/null
) || die "A playbook is not found after the collection was installed."

# What ansible-builder puts into an execution environment, found in the installed collection.
ansible-builder introspect "$work/installed" --write-pip "$work/pip" --write-bindep "$work/bindep" >"$work/introspect" 2>&1 ||
  { cat "$work/introspect"; die "ansible-builder cannot introspect the installed collection."; }
# ansible-core is in every execution environment; ansible-builder leaves it out.
sed -E '/^(#|ansible-core|$)/d; s/[^A-Za-z0-9._-].*//' "$ROOT/requirements.txt" >"$work/libraries"
while read -r library; do
  grep -qiE "^$library([^A-Za-z0-9._-]|$)" "$work/pip" || die "An execution environment would lack the Python package $library."
done <"$work/libraries"
for program in openssh-client openssh-clients openssl; do
  grep -qE "^$program( |$)" "$work/bindep" || die "An execution environment would lack the system package $program."
done
say "ansible-builder finds $(grep -c . "$work/pip") Python and $(grep -c . "$work/bindep") system packages"
say "$(basename "$file"): $size bytes, $(grep -vc '/$' members) files"
