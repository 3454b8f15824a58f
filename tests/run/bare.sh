#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# bare.sh [WORD, WORD…]: carries out README.md's two commands on bare Debian systems, made by debootstrap for this run.
# Words, divided by commas: a release (bookworm, trixie; both, when none is named), "make TARGET", or a stage of test.sh
# such as "integration tls". Without targets and stages: make demo, then make test.
#
# A system gets the committed state of this checkout and the settings for registries that this machine has (apt sources,
# pip's configuration, CA certificates), nothing else. It runs in namespaces of its own and is removed at the end.
. "$(dirname "$0")/common.sh"

RELEASES=(bookworm trixie)
WORK=$CACHE/bare
# Names the control groups of this run.
GROUP=mailsec-bare-$$

main() {
  local words word releases=() commands=() stages=() release status=0
  is_root || die "This makes namespaces and mounts: run it as root, for instance: sudo make bare"
  IFS=, read -r -a words <<<"$*"
  for word in "${words[@]}"; do
    word=$(xargs <<<"$word")
    case $word in
      "") ;;
      bookworm | trixie) releases+=("$word") ;;
      "make "*) commands+=("sudo $word") ;;
      *) stages+=("$word") ;;
    esac
  done
  [ ${#releases[@]} -gt 0 ] || releases=("${RELEASES[@]}")
  [ ${#stages[@]} -eq 0 ] || commands+=("sudo tests/run/test.sh$(printf ' %q' "${stages[@]}")")
  [ ${#commands[@]} -gt 0 ] || commands=("sudo make demo" "sudo make test")
  install_packages debootstrap slirp4netns
  mkdir -p "$WORK"
  for release in "${releases[@]}"; do
    prove "$release" "${commands[@]}" || status=1
  done
  return $status
}

# prove RELEASE COMMAND…
prove() {
  local release=$1 logs=$WORK/logs-$1 status=0
  shift
  say "" "== Debian $release: $(printf '%s; ' "$@")"
  rm -rf "$logs"
  mkdir -p "$logs"
  root=$(mktemp -d "$WORK/$release.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  make_root "$release"
  start_inside "$@" > >(tee "$logs/console.log") 2>&1 || status=$?
  cp -r "$root/root/checkout/.cache/logs/." "$logs/" 2>/dev/null || say "Nothing was logged in .cache/logs."
  clean_up
  trap - EXIT INT TERM HUP
  name_missing "$logs"
  say "== Debian $release: exit status $status (logs: $logs)"
  return $status
}

# Debootstrap's result is kept for a day; each run unpacks a copy that nobody has used.
make_root() {
  local release=$1 archive mirror
  archive=$WORK/$release-$(date +%F).tar
  if [ ! -e "$archive" ]; then
    rm -f "$WORK/$release"-*.tar
    mirror=$(debian_sources "$release" | awk -v release="$release" '$3 == release { print $2; exit }')
    [ -n "$mirror" ] || die "apt knows no archive of Debian on this machine: run apt-get update, and look at /etc/apt."
    say "Building bare Debian $release from $mirror"
    # shellcheck disable=SC2046  # one word for each proxy
    env $(apt_proxies | sed -n 's/^Acquire::\(https\?\)::Proxy "\([^"]*\)";$/\1_proxy=\2/Ip') \
      debootstrap --variant=minbase "$release" "$root" "$mirror" >"$WORK/$release-debootstrap.log" 2>&1 ||
      { tail -n 20 "$WORK/$release-debootstrap.log" >&2; die "debootstrap could not build Debian $release."; }
    tar -C "$root" -cf "$archive.partial" .
    mv "$archive.partial" "$archive"
  else
    tar -C "$root" -xpf "$archive"
  fi
  # Apt's own user reads below it.
  chmod 755 "$root"
  debian_sources "$release" >"$root/etc/apt/sources.list"
  {
    apt-config dump | grep -E '^Acquire::(Check-|Retries|https?::)' | grep -viE 'proxy' || true
    apt_proxies
  } >"$root/etc/apt/apt.conf.d/90registries"
  cp -a /etc/apt/auth.conf* "$root/etc/apt/" 2>/dev/null || true
  copy_authorities
  copy_pip
  cat /etc/resolv.conf >"$root/etc/resolv.conf"
  echo bare >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 bare\n::1 localhost\n' >"$root/etc/hosts"
  git_here bundle create -q "$root/root/checkout.bundle" HEAD
}

# The package ca-certificates takes these up when it is installed.
copy_authorities() {
  [ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
}

# What pip heeds here, from all its files and the environment, as one file that sudo does not take away. Files named in
# it are copied, directories are listed for a read-only mount.
copy_pip() {
  : >"$root.mounts"
  python3 - "$root" <<'PY' >"$root/etc/pip.conf"
import os
import pathlib
import shutil
import subprocess
import sys

root = sys.argv[1]
for pip in ([".venv/bin/python", "-m", "pip"], [sys.executable, "-m", "pip"], ["pip"]):
    try:
        listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
        break
    except (OSError, subprocess.CalledProcessError):
        continue
else:
    sys.exit("pip is not on this machine: make deps, then again")
found = {}
for line in listed.splitlines():
    name, _, value = line.partition("=")
    section, _, option = name.rpartition(".")
    if section in ("global", "install", "download", ":env:"):
        # The environment comes before files, and commands before what is for all of them.
        found[option] = max(found.get(option, (0, "")), ({"global": 1, ":env:": 3}.get(section, 2), value.strip("'\"")))
print("[global]")
for option, (_rank, value) in sorted(found.items()):
    words = value.replace("\\n", "\n").split()
    print(f"{option} =", "\n  ".join(words))
    for word in words:
        path = pathlib.Path(word.removeprefix("file://"))
        if not path.is_absolute() or not path.exists():
            continue
        if path.is_file():
            (pathlib.Path(root + str(path)).parent).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root + str(path))
        else:
            # An index refers to files beside itself.
            with open(root + ".mounts", "a", encoding="utf-8") as mounts:
                print(path.parent if word.startswith("file://") else path, file=mounts)
if proxy := os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY"):
    print(f"proxy = {proxy}")
PY
}

# start_inside COMMAND…: runs the commands in the new system, and returns how they ended.
start_inside() {
  local network=() status=0
  # Without a tunnel device there is no network of one's own that leads out.
  [ ! -c /dev/net/tun ] || network=(--net)
  make_groups
  rm -f "$root.started"
  (
    enter_groups
    exec unshare --mount --propagation private --pid --fork --kill-child=KILL --uts --ipc --cgroup "${network[@]}" \
      bash "$PWD/tests/run/bare.sh" --inside "$root" "$GROUP" "$@"
  ) </dev/null &
  inside=$!
  if [ ${#network[@]} -gt 0 ]; then
    for ((i = 0; i < 200; i++)); do
      [ ! -e "$root.started" ] || break
      sleep 0.05
    done
    slirp4netns --configure --mtu=65520 --disable-host-loopback "$inside" tap0 >"$root.network" 2>&1 &
    network_pid=$!
    # Its address of the resolver leads to whatever resolves names on this machine.
    echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
  fi
  wait "$inside" || status=$?
  return $status
}

# The groups that this process is in, one for each hierarchy that labs use: mount point and path below it.
own_groups() {
  local hierarchy path
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
    return
  fi
  while IFS=: read -r _ hierarchy path; do
    case $hierarchy in
      memory) echo "/sys/fs/cgroup/memory${path%/}" ;;
      name=systemd) echo "/sys/fs/cgroup/systemd${path%/}" ;;
      "") echo "/sys/fs/cgroup/unified${path%/}" ;;
    esac
  done </proc/self/cgroup
}

make_groups() {
  local parent
  while read -r parent; do
    [ ! -d "$parent" ] || { mkdir -p "$parent/$GROUP"; echo "$parent/$GROUP"; }
  done < <(own_groups) >"$root.groups"
}

enter_groups() {
  local group
  while read -r group; do
    echo "$BASHPID" >"$group/cgroup.procs"
  done <"$root.groups"
}

# The kernel removes mounts and processes with the namespaces; this is the rest.
clean_up() {
  local group pid
  for pid in "${inside:-}" "${network_pid:-}"; do
    [ -z "$pid" ] || { kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; } || true
  done
  inside="" network_pid=""
  if [ -e "$root.groups" ]; then
    while read -r group; do
      for ((i = 0; i < 100; i++)); do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
        [ -d "$group" ] || break
        sleep 0.1
      done
    done <"$root.groups"
  fi
  rm -rf --one-file-system "$root" "$root".*
}

# Which programs were called and not found, from everything that was logged.
name_missing() {
  local found
  found=$(
    grep -rhoE "[a-zA-Z0-9_.+-]+: (command )?not found|FileNotFoundError: .*: '[^'/]+'|[a-zA-Z0-9_.+-]+ is not installed: .*|not run: this machine has no .*|lacks programs.*" "$1" | sort | uniq -c
  ) || true
  [ -z "$found" ] || say "Programs that were missing, and how often that was said:" "$found"
}

# inside ROOT GROUP COMMAND…: the first process of the namespaces.
inside() {
  local root=$1 group=$2 target own
  shift 2
  hostname bare
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  make_devices "$root/dev"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mount --bind "/sys/fs/cgroup/$group" "$root/sys/fs/cgroup"
  else
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    while read -r target; do
      mkdir -p "$root$target"
      own=$(grep "^$target/" "$root.groups" || true)
      mount --bind "${own:-$target}" "$root$target"
    done < <(findmnt -rno TARGET -t cgroup,cgroup2)
  fi
  while read -r target; do
    mkdir -p "$root$target"
    mount --bind "$target" "$root$target"
    mount -o remount,bind,ro "$root$target"
  done <"$root.mounts"
  touch "$root.started"
  mkdir "$root/.machine"
  cd "$root" || die "no $root"
  pivot_root . .machine
  # shellcheck disable=SC2016  # expanded inside
  exec /usr/sbin/chroot . /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM=dumb /bin/bash -c '
      set -e
      umount -l /.machine
      rmdir /.machine
      if [ ! -e /sys/class/net/tap0 ] && [ "$(ls /sys/class/net)" = lo ]; then
        for i in $(seq 100); do [ "$(wc -l </proc/net/route)" -lt 2 ] || break; sleep 0.1; done
      fi
      cd /root
      echo "== apt-get install git make sudo"
      export DEBIAN_FRONTEND=noninteractive
      apt-get -qq update
      apt-get -qq -y install git make sudo >/tmp/apt.log 2>&1 || { tail -n 20 /tmp/apt.log; exit 1; }
      unset DEBIAN_FRONTEND
      git -c advice.detachedHead=false clone -q checkout.bundle checkout
      cd checkout
      status=0
      for command; do
        echo "== $command"
        SECONDS=0
        bash -c "$command" || { status=$?; echo "== $command: exit status $status"; }
        echo "== $command: took $SECONDS s"
      done
      exit $status' bare "$@"
}

make_devices() {
  local dev=$1 name
  while read -r name major minor; do
    mknod -m 666 "$dev/$name" c "$major" "$minor"
  done <<<"null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0"
  mkdir "$dev/pts" "$dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$dev/shm"
  ln -s pts/ptmx "$dev/ptmx"
  ln -s /proc/self/fd "$dev/fd"
  ln -s /proc/self/fd/0 "$dev/stdin"
  ln -s /proc/self/fd/1 "$dev/stdout"
  ln -s /proc/self/fd/2 "$dev/stderr"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
fi
{ main "$@"; exit; }
