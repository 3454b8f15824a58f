#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# check.sh [LAB CACHE HOSTS]: can this machine carry a lab of that many hosts? Every obstacle is named with its remedy.
# Without words only what must be so before packages can be installed: a bare machine lacks the programs called below.
set -euo pipefail
problems=()
problem() { problems+=("- $1"); }
judge() {
  ((${#problems[@]})) || return 0
  printf '%s\n' "This machine cannot carry the lab:" "${problems[@]}" >&2
  exit 1
}

. "$(dirname "$(readlink -f "$0")")/common.sh"
need_root
. /etc/os-release
[[ ${ID:-} = debian ]] || problem "This machine is ${PRETTY_NAME:-unknown}; the lab is built with Debian's tools: use Debian 12 or 13."
judge
(($#)) || exit 0
LAB=$1 CACHE=$2 HOSTS=$3
for program in ip systemd-nspawn mmdebstrap; do
  command -v "$program" >/dev/null ||
    problem "$program is not installed, and lab_install_packages is false: apt-get install iproute2 systemd-container mmdebstrap"
done
judge
unshare --mount --net --pid --fork true 2>/dev/null ||
  problem "The kernel refuses new namespaces (unshare). In a container: run it privileged, or use a virtual machine."
mkdir -p "$CACHE"
# shellcheck disable=SC2016  # expanded by the inner shell
unshare --mount bash -c 'mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/m && mount -t overlay o -o "lowerdir=$0,upperdir=/mnt/u,workdir=/mnt/w" /mnt/m' "$CACHE" 2>/dev/null ||
  problem "An overlay over $CACHE cannot be mounted: load the module overlay, or set lab_cache_directory to an ordinary disk."
unshare --net ip link add type bridge 2>/dev/null ||
  problem "A bridge cannot be made: load the kernel module bridge."
unshare --net ip link add type veth 2>/dev/null || problem "A veth pair cannot be made: load the kernel module veth."
[[ -e /etc/resolv.conf ]] || problem "/etc/resolv.conf is missing or a dangling link; commands in the lab cover it with their own."
available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
needed=$((256 + HOSTS * 128))
((available >= needed)) || problem "$available MiB of memory are available, $HOSTS hosts need about $needed: free some, or list fewer lab_hosts."
# Every systemd takes four or five, and the limit is for all of root's: other labs that run here count, too.
instances=$(cat /proc/sys/fs/inotify/max_user_instances)
# Processes end while find looks at them, which it calls a failure.
taken=$( (find /proc/[0-9]*/fd -lname anon_inode:inotify 2>/dev/null || true) | wc -l)
wanted=$((taken + HOSTS * 5 + 10))
((instances >= wanted)) ||
  problem "fs.inotify.max_user_instances is $instances, $taken are taken and $HOSTS hosts need $((HOSTS * 5)) more: sysctl -w fs.inotify.max_user_instances=$((wanted * 2))"
free=$(df --output=avail -m "$CACHE" | tail -n 1)
((free >= 2048)) || problem "Only $free MiB are free in $CACHE, the images need about 2048: free some, or set lab_cache_directory."
((${#LAB} <= 80)) || problem "lab_directory is longer than 80 characters: ssh's control sockets would not fit."
judge
