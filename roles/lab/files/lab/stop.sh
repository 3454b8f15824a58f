#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# stop.sh LAB [processes]: end the lab and remove every trace; with "processes" its directory stays.
set -euo pipefail
LAB=$1 WHAT=${2:-all}
LAB_SCRIPTS=$(dirname "$(readlink -f "$0")")
. "$LAB_SCRIPTS/common.sh"

net_of() { readlink "/proc/$1/ns/net" 2>/dev/null || true; }

# Processes that sit in a network namespace of the lab without being started by it: ssh masters, modules of a killed run.
guests() {
  local init=$1 pid space own proc net
  own=$(readlink /proc/self/ns/pid)
  declare -A nets=()
  space=$(readlink "/proc/$init/ns/pid")
  for proc in /proc/[0-9]*; do
    net=$(net_of "${proc#/proc/}")
    [[ -z $net || $(readlink "$proc/ns/pid" 2>/dev/null || true) != "$space" ]] || nets[$net]=1
  done
  net=$(net_of self)
  nets[$net]=
  for proc in /proc/[0-9]*; do
    pid=${proc#/proc/}
    net=$(net_of "$pid")
    [[ -n $net && -n ${nets[$net]:-} && $(readlink "$proc/ns/pid" 2>/dev/null || true) == "$own" ]] ||
      continue
    printf '%s %s\n' "$pid" "$(start_time "$pid" || true)"
  done
}

[[ ! -d $LAB/run ]] || take_lock
if init=$(init_pid); then
  [[ $(net_of self) != "$(net_of "$init")" ]] || die "This command runs inside the lab it shall stop; run it outside."
  outer=$(outer_pid)
  list=$(guests "$init")
  kill -TERM "$init" 2>/dev/null || true
  for ((i = 0; i < 200; i++)); do
    outer_pid >/dev/null || break
    sleep 0.05
  done
  ! outer_pid >/dev/null || kill -KILL "$outer" 2>/dev/null || true
  while read -r pid started; do
    [[ -z $started || $(start_time "$pid" || true) != "$started" ]] || kill -KILL "$pid" 2>/dev/null || true
  done <<<"$list"
elif outer=$(outer_pid); then
  kill -KILL "$outer" 2>/dev/null || true
fi
for ((i = 0; i < 200; i++)); do
  outer_pid >/dev/null || break
  sleep 0.05
done
! outer_pid >/dev/null || die "The lab's process $(outer_pid) does not end."
for socket in "$LAB"/cp/*; do
  [[ ! -S $socket ]] || ssh -F none -O exit -o "ControlPath=$socket" lab 2>/dev/null || true
done

# The kernel removes control groups' processes a moment after their last file is closed.
left() { find /sys/fs/cgroup -depth -type d -path "*/$(cgroup_prefix)-*" 2>/dev/null; }
for ((i = 0; i < 100; i++)); do
  mapfile -t groups < <(left)
  [[ ${#groups[@]} -gt 0 ]] || break
  rmdir "${groups[@]}" 2>/dev/null || sleep 0.05
done
[[ -z $(left) ]] || die "These control groups of the lab could not be removed: $(left)"

rm -f "$LAB/run/outer" "$LAB/run/ready"
if [[ $WHAT == all && -d $LAB ]]; then
  [[ -e $LAB/.mailsec-dane-lab || -z $(ls -A "$LAB") ]] || die "$LAB is not a lab; not removing it."
  ! grep -F " $LAB/" /proc/self/mountinfo || die "Something is still mounted below $LAB; not removing it."
  rm -rf --one-file-system "$LAB"
fi
