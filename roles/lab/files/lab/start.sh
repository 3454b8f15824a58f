#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# start.sh LAB: make this lab's keys and boot its hosts; LAB/plan is ready. Whatever an interrupted start left is ended.
set -euo pipefail
LAB=$1
LAB_SCRIPTS=$(dirname "$(readlink -f "$0")")
. "$LAB_SCRIPTS/common.sh"
umask 077
mkdir -p "$LAB/run"
take_lock
bash "$LAB_SCRIPTS/stop.sh" "$LAB" processes

rm -rf "${LAB:?}"/{keys,log,cp,lib,bin,run/ready,trust-anchor.ds}
mkdir -p "$LAB"/{keys/hosts,log,cp,hosts,lib}
cp "$LAB_SCRIPTS"/*.sh "$LAB_SCRIPTS/plan.py" "$LAB/lib/"
cp -r "$LAB_SCRIPTS/bin" "$LAB/lib/bin"
ln -s lib/bin "$LAB/bin"
chmod 755 "$LAB"/lib/bin/*

ssh-keygen -q -t ed25519 -N '' -C mailsec-dane-lab -f "$LAB/keys/ssh"
secret=$(openssl rand -base64 32)
printf 'key "lab." {\n\talgorithm hmac-sha256;\n\tsecret "%s";\n};\n' "$secret" >"$LAB/keys/lab.tsig"
printf 'key:\n  - id: lab.\n    algorithm: hmac-sha256\n    secret: %s\n' "$secret" >"$LAB/keys/lab-key.conf"
. "$LAB/plan/lab.env"
zones=
while IFS=$'\t' read -r name octet ipv6 _ _ role _ names; do
  root=$LAB/plan/files/$name
  case $role in
    vantage) continue ;;
    primary) cp "$LAB/keys/lab.tsig" "$root/etc/bind/"; zones=$root/var/lib/bind ;;
    secondary) cp "$LAB/keys/lab-key.conf" "$root/etc/knot/" ;;
  esac
  mkdir -p "$root/etc/ssh"
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$root/etc/ssh/ssh_host_ed25519_key"
  key=$(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")
  echo "$LAB_PREFIX4.$octet $key"
  [[ $ipv6 = 0 ]] || echo "$LAB_PREFIX6::$octet $key"
  if [[ $names != - ]]; then
    mkdir -p "$root/etc/lab/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 825 -subj "/CN=${names%%,*}" \
      -addext "subjectAltName=DNS:${names//,/,DNS:}" -keyout "$root/etc/lab/tls/key.pem" \
      -out "$root/etc/lab/tls/cert.pem" 2>/dev/null
    cat "$root/etc/lab/tls/key.pem" "$root/etc/lab/tls/cert.pem" >"$root/etc/lab/tls/chain.pem"
    openssl x509 -in "$root/etc/lab/tls/cert.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
      sha256sum | cut -d' ' -f1 >"$LAB/keys/hosts/$name.spki-sha256"
  fi
done <"$LAB/plan/hosts.tsv" >"$LAB/keys/known_hosts"
for digest in "$LAB"/keys/hosts/*.spki-sha256; do
  [[ -e $digest ]] || continue
  name=$(basename "$digest" .spki-sha256)
  sed -i "s/{spki_sha256:$name}/$(cat "$digest")/g" "$zones"/*.zone
done
if unknown=$(grep -h '{spki_sha256:' "$zones"/*.zone); then
  die "A record asks for the key of a host without certificate_names: $unknown"
fi
# Host files are for everyone in the host to read, except what is a secret.
chmod -R u=rwX,go=rX "$LAB/plan/files"
find "$LAB/plan/files" \( -name 'ssh_host_*_key' -o -name key.pem -o -name chain.pem -o -name lab.tsig -o -name lab-key.conf \) \
  -exec chmod 600 {} +
printf 'nameserver 127.0.0.1\noptions edns0 trust-ad\n' >"$LAB/resolv.conf"
chmod 644 "$LAB/resolv.conf"

# The process writes down who it is before it becomes unshare, and holds the lock until then: if this script is killed,
# no other run meets the lab unrecorded.
# shellcheck disable=SC2016  # expanded by the inner shell
setsid bash -c '
  LAB=$1; . "$LAB/lib/common.sh"
  umask 022
  printf "%s %s %s\n" "$$" "$(start_time $$)" "$(boot_id)" >"$LAB/run/outer.new"
  mv "$LAB/run/outer.new" "$LAB/run/outer"
  exec unshare --mount --net --pid --fork --kill-child=KILL --mount-proc bash "$LAB/lib/init.sh" "$LAB" 7>&-
' lab "$LAB" </dev/null >"$LAB/log/init.log" 2>&1 &

for ((i = 0; i < 100; i++)); do
  ! init_pid >/dev/null || break
  sleep 0.05
done
init_pid >/dev/null || { cat "$LAB/log/init.log" >&2; die "The lab's namespaces could not be made."; }
