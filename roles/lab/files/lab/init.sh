#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# init.sh LAB: first process of the lab, in its own mount, network and process namespace. When it ends, the kernel ends
# everything it started. Everything hosts write is in RAM and vanishes with the namespace.
set -euo pipefail
LAB=$1
LAB_SCRIPTS=$LAB/lib
. "$LAB_SCRIPTS/common.sh"
. "$LAB/plan/lab.env"
PREFIX=$(cgroup_prefix)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Shared for as long as the lab lives: who wants to remove the cache asks for it alone.
exec 9>"$LAB_CACHE/use.lock"
flock -s 9

# The machine's view of the network and of other machines' locks must not leak in, nor ours out.
mount -t tmpfs -o "size=$LAB_STORAGE,mode=755" tmpfs "$LAB/hosts"
mkdir -p /run/netns /run/systemd/nspawn
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t tmpfs tmpfs /dev/shm

ip link set lo up
# The bridge has no uplink and no namespace here has a default route: no packet can leave.
ip link add br0 type bridge
ip addr add "$LAB_PREFIX4.1/24" dev br0
ip -6 addr add "$LAB_PREFIX6::1/64" dev br0 nodad
ip link set br0 up

hosts=() primary=
declare -A ROLE OCTET IPV6 RELEASE PACKAGES
while IFS=$'\t' read -r name octet ipv6 release packages role _; do
  hosts+=("$name")
  ROLE[$name]=$role OCTET[$name]=$octet IPV6[$name]=$ipv6 RELEASE[$name]=$release PACKAGES[$name]=$packages
  [[ $role != primary ]] || primary=$name
done <"$LAB/plan/hosts.tsv"

for name in "${hosts[@]}"; do
  dir=$LAB/hosts/$name
  mkdir -p "$dir"/{upper,work,root}
  mount -t overlay "lab-$name" \
    -o "lowerdir=$(lower_dirs "${RELEASE[$name]}" "${PACKAGES[$name]}"),upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
  rm -f "$dir/root/etc/resolv.conf"
  cp -r "$LAB/plan/files/$name/." "$dir/root/"
  install -d -m 700 "$dir/root/root/.ssh"
  install -m 600 "$LAB/keys/ssh.pub" "$dir/root/root/.ssh/authorized_keys"
  chroot "$dir/root" sh /etc/lab/setup
  rm "$dir/root/etc/lab/setup"
done

# Keys are made before anything runs, so every DS and the trust anchor are right from the first packet on.
ns=$LAB/hosts/$primary/root
make_key() { chroot "$ns" dnssec-keygen -q -k lab -l /etc/bind/lab-policy.conf -K "$1" "$2"; }
while IFS=$'\t' read -r origin _ signed parent ds; do
  keys=/var/lib/bind/keys
  # A DS without a signed zone stands for a broken chain: its key is thrown away.
  [[ $signed = 1 ]] || keys=/tmp
  [[ $signed = 1 || $ds = 1 ]] || continue
  key=$(make_key "$keys" "$origin")
  record=$(chroot "$ns" dnssec-dsfromkey -2 "$keys/$key.key")
  [[ $signed = 1 ]] || rm -f "$ns/tmp/$key".*
  if [[ $origin == . ]]; then
    printf '%s\n' "$record" >"$LAB/trust-anchor.ds"
  elif [[ $ds = 1 ]]; then
    printf '%s\n' "$record" >>"$ns/var/lib/bind/$parent"
  fi
done <"$LAB/plan/zones.tsv"
chroot "$ns" chown -R bind:bind /var/lib/bind
for name in "${hosts[@]}"; do cp "$LAB/trust-anchor.ds" "$LAB/hosts/$name/root/etc/lab/"; done

# Own control groups per host: with --keep-unit all hosts would share one, and two systemds would manage the same paths.
cgroup_parents() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    echo /sys/fs/cgroup
    return
  fi
  local own parent
  own=$(awk -F: '$2 == "memory" { print $3 }' /proc/self/cgroup)
  for parent in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified "/sys/fs/cgroup/memory${own%/}"; do
    [[ ! -d $parent ]] || echo "$parent"
  done
}

# Fresh at every boot: a group that still has the last boot's groups below it takes no process on cgroup v2.
enter_cgroups() {
  local parent group
  while read -r parent; do
    group=$parent/$PREFIX-$1
    [[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} +
    mkdir "$group"
    echo "$BASHPID" >"$group/cgroup.procs"
  done < <(cgroup_parents)
}

boot_host() {
  local name=$1
  enter_cgroups "$name"
  exec systemd-nspawn -q -D "$LAB/hosts/$name/root" -M "$name" --hostname="$name" --register=no --keep-unit --boot \
    --capability=CAP_NET_ADMIN --network-namespace-path="/run/netns/$name" \
    --bind-ro="$(repository_dir "${RELEASE[$name]}")/debs:/srv/debs" \
    --resolv-conf=off --timezone=off --link-journal=no --console=pipe
}

run_host() {
  local name=$1 child='' status stop=''
  exec 9>&-
  trap 'stop=1; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' TERM
  while [[ -z $stop ]]; do
    boot_host "$name" </dev/null >>"$LAB/log/$name.log" 2>&1 &
    child=$!
    status=0
    wait "$child" || status=$?
    while kill -0 "$child" 2>/dev/null; do status=0; wait "$child" || status=$?; done
    [[ $status = 133 ]] || break # 133: the host asked for a reboot
  done
  echo "host $name ended with status $status"
}

run_vantage() {
  local child='' stop=''
  exec 9>&-
  trap 'stop=1; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' TERM
  while [[ -z $stop ]]; do
    chroot "$LAB/hosts/vantage/root" unbound -d -c /etc/unbound/unbound.conf >>"$LAB/log/vantage.log" 2>&1 </dev/null &
    child=$!
    wait "$child" || true
    [[ -n $stop ]] || sleep 1
  done
}

pids=()
for name in "${hosts[@]}"; do
  if [[ ${ROLE[$name]} == vantage ]]; then
    mount --bind /dev "$LAB/hosts/$name/root/dev"
    run_vantage &
  else
    ip netns add "$name"
    ip link add "v-$name" type veth peer name eth0 netns "$name"
    ip link set "v-$name" master br0 up
    ip -n "$name" link set lo up
    ip -n "$name" addr add "$LAB_PREFIX4.${OCTET[$name]}/24" dev eth0
    [[ ${IPV6[$name]} = 0 ]] || ip -n "$name" -6 addr add "$LAB_PREFIX6::${OCTET[$name]}/64" dev eth0 nodad
    ip -n "$name" link set eth0 up
    run_host "$name" &
  fi
  pids+=("$!")
done

# The first process of a namespace ignores signals it has no handler for.
trap 'kill -TERM "${pids[@]}" 2>/dev/null || true' TERM
for pid in "${pids[@]}"; do
  while kill -0 "$pid" 2>/dev/null; do wait "$pid" || true; done
done
