# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the scripts beside it: where things are, and an environment that does not depend on the caller's.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034  # for those who source this
VENV=$ROOT/.venv
CACHE=$ROOT/.cache
# shellcheck disable=SC2034
LOGS=$CACHE/logs
cd "$ROOT"
mkdir -p "$CACHE"

# Set by git for its hooks; they would make git look at another repository than the one a command runs in.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX
# A world-writable checkout would make Ansible ignore its configuration, a copy elsewhere would shadow the checkout.
export ANSIBLE_CONFIG=$ROOT/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH=$CACHE/collections
export LC_ALL=C.UTF-8
export PIP_DISABLE_PIP_VERSION_CHECK=1
export DEBIAN_FRONTEND=noninteractive
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$@"; }

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# A git that also works on a checkout owned by another user, as in many CI systems.
git_here() { git -c safe.directory='*' -C "$ROOT" "$@"; }

# The files of the work tree that are part of the project, committed or not yet, each ended by a NUL.
project_files() {
  local file
  while IFS= read -r -d '' file; do
    [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
  done < <(git_here ls-files -z --cached --others --exclude-standard "$@")
}

# Whether $1 runs, is a Python from version $2 to $3 (like 3.11), and can make virtual environments.
is_python() {
  "$1" - "$2" "$3" 2>/dev/null <<'PY'
import sys

try:
    import ensurepip, ssl, venv  # noqa: F401
except ImportError:
    sys.exit(1)
low, high = (tuple(int(part) for part in text.split(".")) for text in sys.argv[1:])
sys.exit(not low <= sys.version_info[:2] <= high)
PY
}

# Prints the first Python from version $1 to $2, newest version first when $3 is "newest". Fails when there is none.
find_python() {
  local minor found minors
  minors=$(seq "${1#3.}" "${2#3.}")
  [ "${3:-}" != newest ] || minors=$(seq "${2#3.}" -1 "${1#3.}")
  for minor in $minors; do
    # On some machines the name on the PATH is a stub of pyenv that fails for versions that are not active.
    for found in "python3.$minor" "/usr/bin/python3.$minor" "/usr/local/bin/python3.$minor" \
      "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python; do
      if is_python "$found" "3.$minor" "3.$minor"; then
        "$found" -c 'import sys; print(sys._base_executable)'
        return 0
      fi
    done
  done
  return 1
}

# Prints settings of apt for the proxy that it uses on this machine. A program that finds the proxy exists here only: its
# answer is written down instead.
apt_proxies() {
  local scheme found
  apt-config dump | grep -iE '^Acquire::https?::[^ ]*proxy' | grep -viE 'auto-?detect' || true
  for scheme in http https; do
    found=$(/usr/lib/apt/apt-helper auto-detect-proxy "$scheme://deb.debian.org/" | sed -n "s/^Using proxy '\([^']*\)'.*/\1/p")
    [ -z "$found" ] || printf 'Acquire::%s::Proxy "%s";\n' "$scheme" "$found"
  done
}

# Prints apt sources of Debian $1, from the archives of Debian that the apt of this machine uses.
debian_sources() {
  local release=$1 own
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016  # apt fills these in
  set -- indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages'
  apt-get "$@" | grep -q '^Debian ' || apt-get -qq update
  apt-get "$@" | awk -v own="$own" -v release="$release" \
    '$1 == "Debian" && index($3, own) == 1 { print "deb", $2, release substr($3, length(own) + 1), $4 }' | sort -u
}

# Installs the Debian packages among "$@" that are missing; none of them starts a service, now or when the machine boots.
install_packages() {
  local package unit missing=() policy=/usr/sbin/policy-rc.d
  command -v dpkg-query >/dev/null || die "This is not Debian: install by hand what corresponds to: $*"
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  is_root || die "Missing packages: ${missing[*]}. Install them, or run this as root."
  say "Installing Debian packages: ${missing[*]}"
  (
    if [ ! -e $policy ]; then
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\nexit 101\n' >$policy
      chmod 755 $policy
    fi
    export RUNLEVEL=1
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
      --no-install-recommends install "${missing[@]}" >/dev/null
    for unit in $(dpkg -L "${missing[@]}" | sed -nE 's,^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket|timer))$,\2,p'); do
      # As systemctl disable does, which is not on every machine.
      find /etc/systemd/system -path '*.wants/*' -name "$unit" -type l -delete
      [ ! -e "/etc/init.d/${unit%.service}" ] || update-rc.d "${unit%.service}" disable
    done
  ) </dev/null || die "apt-get could not install: ${missing[*]}"
}
