# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Words shared by the lab's scripts. LAB is the lab's directory.

die() { printf '%s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }

need_root() {
  [[ $(id -u) = 0 ]] ||
    die "The lab makes namespaces, mounts and bridges: run as root, for instance: sudo ansible-playbook mailsec.dane.lab"
}

# Start time of a process in clock ticks since boot; with the boot id it tells a process from a later one of the same
# number. The name in parentheses may hold spaces, so count from the last parenthesis.
start_time() {
  local stat
  { read -r -d '' stat || [[ -n $stat ]]; } 2>/dev/null <"/proc/$1/stat" || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086  # the fields are wanted as words
  set -- $stat
  printf '%s' "${20}"
}

boot_id() { cat /proc/sys/kernel/random/boot_id; }

# Number of the process that holds the lab (unshare), or failure when the lab is not there.
outer_pid() {
  local pid started boot
  [[ -r $LAB/run/outer ]] || return 1
  read -r pid started boot <"$LAB/run/outer" || return 1
  [[ $boot == "$(boot_id)" && $(start_time "$pid") == "$started" ]] || return 1
  printf '%s' "$pid"
}

# Number, as the machine sees it, of the lab's first process.
init_pid() {
  local outer child
  outer=$(outer_pid) || return 1
  # This file does not end in a newline, which read calls a failure.
  read -r child _ <"/proc/$outer/task/$outer/children" || [[ -n $child ]] || return 1
  [[ -n $child ]] || return 1
  printf '%s' "$child"
}

lab_id() { printf '%s' "$LAB" | sha256sum | cut -c1-8; }
cgroup_prefix() { printf 'mailsec-lab-%s' "$(lab_id)"; }

key_of() { sha256sum | cut -c1-16; }

# Where an image lives in the cache: the name changes with everything that went into it.
base_dir() {
  printf '%s/base-%s-%s' "$LAB_CACHE" "$1" \
    "$( (printf '%s\n' "$1" "$LAB_MIRROR" "$LAB_SECURITY_MIRROR" "$(dpkg --print-architecture)"
         cat "$LAB_SCRIPTS/images.sh") | key_of)"
}
repository_dir() {
  local list="LAB_REPOSITORY_$1"
  printf '%s/repository-%s-%s' "$LAB_CACHE" "$1" "$(printf '%s\n' "$(base_dir "$1")" "${!list}" | key_of)"
}
layer_dir() {
  printf '%s/layer-%s-%s' "$LAB_CACHE" "$1" "$(printf '%s\n' "$(repository_dir "$1")" "$2" | key_of)"
}
# Lower directories of an overlay, top first, for release $1 and the comma-separated packages $2 ("-" is none).
lower_dirs() {
  [[ $2 == - ]] || printf '%s:' "$(layer_dir "$1" "$2")/root"
  printf '%s:%s' "$(repository_dir "$1")/lists" "$(base_dir "$1")"
}

# Digest of the parameters on standard input and of the text that makes hosts of them: what differs is another lab.
fingerprint() {
  local dir
  dir=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
  cat - "$dir"/{plan.py,images.sh,init.sh} | sha256sum
}

# One start or stop of a lab at a time. The lock is on descriptor 7; scripts called by its holder go without.
take_lock() {
  [[ -z ${LAB_LOCKED:-} ]] || return 0
  exec 7>"$LAB/run/lock"
  flock -w 30 7 || die "Another run is starting or stopping the lab in $LAB; try again when it has ended."
  export LAB_LOCKED=yes
}
