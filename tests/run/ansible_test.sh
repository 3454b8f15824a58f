#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible_test.sh sanity|units [newest]: runs ansible-test without containers on the files of this work tree, with the
# ansible-core of the development environment, or with the newest one and the newest Python of this machine.
# Exit status 3: not run, because no such Python is here.
. "$(dirname "$0")/common.sh"

# ansible-test ends with success when it finds nothing to test; fewer than these is a failure.
LEAST_SANITY=20
LEAST_UNITS=200

command=${1:?sanity or units}
environment=$VENV
python=$(readlink -f "$VENV/bin/python")
if [ "${2:-}" = newest ]; then
  own=$("$VENV/bin/python" -c 'import sys; print(sys.version_info[1] + 1)')
  python=$(find_python "3.$own" 3.15 newest) || { say "not run: no Python newer than 3.$((own - 1)) on this machine"; exit 3; }
  environment=$CACHE/core/$(basename "$(dirname "$(dirname "$python")")")-$("$python" -c 'import platform; print(platform.python_version())')
  if [ ! -e "$environment/.complete" ]; then
    rm -rf "$environment"
    mkdir -p "$(dirname "$environment")"
    "$python" -m venv "$environment"
    "$environment/bin/python" -m pip install -q ansible-core 2>&1 | { grep -v '^WARNING: Location' || true; }
    touch "$environment/.complete"
  fi
fi
core=$("$environment/bin/python" -c 'from ansible.release import __version__; print(__version__)')
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
say "ansible-core $core, Python $version"

# A directory that is a collection by its name, with a git repository of its own, so that ansible-test sees its files.
work=$CACHE/ansible-test/$core-$version
copy=$work/collections/ansible_collections/mailsec/dane
mkdir -p "$copy" "$work/home/.ansible/test/cache"
[ -d "$copy/.git" ] || git -C "$copy" -c init.defaultBranch=main init -q
find "$copy" -mindepth 1 -maxdepth 1 ! -name .git ! -name tests -exec rm -rf {} +
[ ! -d "$copy/tests" ] || find "$copy/tests" -mindepth 1 -maxdepth 1 ! -name output -exec rm -rf {} +
project_files | tar -c --null -T - | tar -x --no-same-owner -C "$copy"

# It keeps what it makes in a home of its own. As it hands no settings of pip on, they go into that home, too.
export REAL_HOME=$HOME
export HOME=$work/home
for release in 24_2 25_2 26_0; do
  cp tests/run/get_pip.py "$HOME/.ansible/test/cache/get_pip_$release.py"
done
mkdir -p "$HOME/.config" "$HOME/.pip"
[ ! -d "$REAL_HOME/.config/pip" ] || ln -sfn "$REAL_HOME/.config/pip" "$HOME/.config/pip"
"$python" - >"$HOME/.pip/pip.conf" <<'PY'
import os

print("[global]")
for name, value in sorted(os.environ.items()):
    if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
        print(f"{name[4:].lower().replace('_', '-')} = {value}")
proxy = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")
if proxy and "PIP_PROXY" not in os.environ:
    print(f"proxy = {proxy}")
PY
PATH="$environment/bin:$(dirname "$python"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH PYTHONPATH
cd "$copy" || die "no $copy"
rm -rf tests/output/junit

# What pip says is of interest when something fails; the log has it.
pip_chatter='^(Looking in|Collecting|  Downloading|Processing|Installing|Successfully|Requirement already|Using cached|WARNING: Location| +━|  Attempting|    )'
log=$work/$command.log
options=(--venv --python "$version" --color no)
case $command in
  sanity)
    ansible-test sanity "${options[@]}" </dev/null 2>&1 | tee "$log" | grep --line-buffered -vE "$pip_chatter"
    count=$(grep -c '^Running sanity test' "$log") || true
    [ "$count" -ge $LEAST_SANITY ] || die "Only $count sanity tests ran, expected at least $LEAST_SANITY."
    say "$count sanity tests passed"
    ;;
  units)
    ansible-test units "${options[@]}" --requirements </dev/null 2>&1 | tee "$log" | grep --line-buffered -vE "$pip_chatter"
    "$environment/bin/python" "$ROOT/tests/run/count.py" --least $LEAST_UNITS tests/output/junit
    ;;
  *) die "$command: neither sanity nor units" ;;
esac
