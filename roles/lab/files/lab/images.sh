#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# images.sh base|repository|layers PLAN CACHE: build what the plan needs and the cache lacks, releases side by side.
# Runs in a mount and process namespace of its own, so that a kill leaves no mount behind. This file's text is part of
# the cache key.
set -euo pipefail
LAB_SCRIPTS=$(dirname "$(readlink -f "$0")")
. "$LAB_SCRIPTS/common.sh"

if [[ ${LAB_IMAGES_INSIDE:-} != yes ]]; then
  LAB_IMAGES_INSIDE=yes exec unshare --mount --pid --fork --kill-child=KILL --mount-proc bash "$0" "$@"
fi
STEP=$1 PLAN=$2
. "$PLAN/lab.env"
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
mkdir -p "$LAB_CACHE"
exec 8>"$LAB_CACHE/build.lock"
flock 8
WORK=$LAB_CACHE/work
mkdir -p "$WORK"
mount -t tmpfs -o size=4g tmpfs "$WORK"

# What this machine's apt knows about proxies, for the apt of the images while they are built. A program that finds the
# proxy exists on this machine only: its answer is written down instead.
apt_proxies() {
  local found
  apt-config dump | grep -iE '^Acquire::https?::[^ ]*proxy' | grep -viE 'auto-?detect' || true
  found=$(/usr/lib/apt/apt-helper auto-detect-proxy "$LAB_MIRROR/" | sed -n "s/^Using proxy '\([^']*\)'.*/\1/p")
  [[ -z $found ]] || printf 'Acquire::http::Proxy "%s";\n' "$found"
}

sources() {
  printf 'deb %s %s main\n' "$LAB_MIRROR" "$1"
  printf 'deb %s %s-security main\n' "$LAB_SECURITY_MIRROR" "$1"
}

base() {
  local release=$1 final root
  final=$(base_dir "$release")
  [[ -d $final ]] && return
  root=$final.partial
  rm -rf --one-file-system "$root"
  apt_proxies >"$WORK/proxies-$release"
  local include=systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,iproute2,ca-certificates,procps,sudo,less
  sources "$release" | mmdebstrap --mode=root --format=directory --variant=minbase --include="$include" \
    --aptopt="$WORK/proxies-$release" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' "$release" "$root" - >"$WORK/base-$release.log" 2>&1 ||
    { tail -n 30 "$WORK/base-$release.log" >&2; die "mmdebstrap could not build Debian $release from $LAB_MIRROR"; }
  rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/hostname "$root"/etc/ssh/ssh_host_*
  : >"$root/etc/machine-id"
  local unit
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
    e2scrub_reap.service man-db.timer systemd-networkd.service systemd-networkd.socket \
    systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service systemd-pstore.service \
    systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
    systemd-firstboot.service networking.service getty.target console-getty.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/ssh/sshd_config.d" "$root/srv/debs"
  printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' >"$root/etc/systemd/journald.conf.d/lab.conf"
  printf 'PermitRootLogin prohibit-password\nUseDNS no\n' >"$root/etc/ssh/sshd_config.d/lab.conf"
  printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n' >"$root/etc/apt/apt.conf.d/90lab"
  rm -f "$root"/etc/apt/sources.list.d/*
  echo 'deb [trusted=yes] file:/srv/debs ./' >"$root/etc/apt/sources.list"
  sync -f "$root"
  mv "$root" "$final"
}

# overlay NAME LOWER UPPER: mount at $WORK/NAME/m with /proc, /sys and /dev
overlay() {
  mkdir -p "$WORK/$1/m" "$WORK/$1/w" "$3"
  mount -t overlay "build-$1" -o "lowerdir=$2,upperdir=$3,workdir=${4:-$WORK/$1/w}" "$WORK/$1/m"
  mount -t proc proc "$WORK/$1/m/proc"
  mount --rbind /dev "$WORK/$1/m/dev"
}

repository() {
  local release=$1 final partial m list package
  final=$(repository_dir "$release")
  [[ -d $final ]] && return
  partial=$final.partial
  rm -rf --one-file-system "$partial"
  mkdir -p "$partial/debs" "$partial/lists" "$partial/overlay-work"
  overlay "repository-$release" "$(base_dir "$release")" "$WORK/repository-$release/u"
  m=$WORK/repository-$release/m
  sources "$release" >"$m/etc/apt/sources.list"
  apt_proxies >"$m/etc/apt/apt.conf.d/99proxies"
  rm -f "$m/etc/resolv.conf"
  cat /etc/resolv.conf >"$m/etc/resolv.conf"
  chroot "$m" apt-get -qq update
  list=LAB_REPOSITORY_$release
  # One call per package: mail servers conflict with each other and could not be named together.
  for package in ${!list}; do
    chroot "$m" apt-get -qq -y --no-install-recommends --download-only install "$package" >/dev/null ||
      die "Debian $release has no package $package (lab_repository_packages)"
  done
  find "$m/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec mv -t "$partial/debs" {} +
  (cd "$partial/debs" && dpkg-scanpackages -m . 2>/dev/null >Packages && gzip -kf Packages)
  # The package lists as a thin layer, so that hosts find packages without an update first.
  overlay "lists-$release" "$(base_dir "$release")" "$partial/lists" "$partial/overlay-work"
  m=$WORK/lists-$release/m
  mount --bind "$partial/debs" "$m/srv/debs"
  chroot "$m" apt-get -qq update
  umount -R "$m"
  rm -rf "$partial/overlay-work"
  sync -f "$partial"
  mv "$partial" "$final"
}

layer() {
  local release=$1 packages=$2 final partial name m
  final=$(layer_dir "$release" "$packages")
  [[ -d $final ]] && return
  partial=$final.partial
  rm -rf --one-file-system "$partial"
  mkdir -p "$partial/root" "$partial/work"
  name=$(basename "$final")
  overlay "$name" "$(lower_dirs "$release" -)" "$partial/root" "$partial/work"
  m=$WORK/$name/m
  mount --bind "$(repository_dir "$release")/debs" "$m/srv/debs"
  printf '#!/bin/sh\nexit 101\n' >"$m/usr/sbin/policy-rc.d"
  chmod 755 "$m/usr/sbin/policy-rc.d"
  # shellcheck disable=SC2086  # a list of package names, checked by plan.py
  chroot "$m" apt-get -qq -y -o Dpkg::Use-Pty=0 install ${packages//,/ } >"$WORK/$name.log" 2>&1 ||
    { tail -n 30 "$WORK/$name.log" >&2; die "cannot install ${packages//,/ } on Debian $release"; }
  rm -f "$m/usr/sbin/policy-rc.d"
  umount -R "$m"
  rm -rf "$partial/work"
  sync -f "$partial"
  mv "$partial" "$final"
}

layers() {
  local release=$1 packages
  while read -r packages; do
    layer "$release" "$packages"
  done < <(awk -F'\t' -v r="$release" '$4 == r && $5 != "-" { print $5 }' "$PLAN/hosts.tsv" | sort -u)
}

jobs=() made=
for release in $LAB_RELEASES; do
  case $STEP in
    base) made+=$([[ -d $(base_dir "$release") ]] || echo " $release") ;;
    repository) made+=$([[ -d $(repository_dir "$release") ]] || echo " $release") ;;
    layers)
      while IFS=$'\t' read -r host _ _ of packages _; do
        [[ $of != "$release" || $packages == - || -d $(layer_dir "$release" "$packages") ]] || made+=" $host"
      done <"$PLAN/hosts.tsv" ;;
    *) die "unknown step $STEP" ;;
  esac
  "$STEP" "$release" & jobs+=("$!")
done
failed=
for job in "${jobs[@]}"; do wait "$job" || failed=yes; done
[[ -z $failed ]] || exit 1
say "${made:+made:$made}"
