#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# ready.sh LAB hosts|dns|systems SECONDS: wait until that much of the lab works, or say what does not.
set -euo pipefail
LAB=$1 WHAT=$2 LIMIT=$3
. "$LAB/lib/common.sh"
. "$LAB/plan/lab.env"
END=$((SECONDS + LIMIT))
PROBLEM='nothing was tried yet'

rows() { awk -F'\t' -v role="$1" 'role == "" ? $6 != "vantage" : $6 ~ role { print $1 "\t" $2 }' "$LAB/plan/hosts.tsv"; }
in_lab() { "$LAB/bin/lab-exec" "$@"; }
ask() { in_lab dig +time=2 +tries=1 "$@" 2>/dev/null || true; }

hosts_ready() {
  local name octet
  while IFS=$'\t' read -r name octet; do
    # shellcheck disable=SC2016  # expanded by the inner shell
    in_lab timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/22" && read -r x <&3 && [[ $x == SSH* ]]' x "$LAB_PREFIX4.$octet" \
      2>/dev/null || { PROBLEM="host $name does not answer on its ssh port; see $LAB/log/$name.log"; return 1; }
  done < <(rows '')
}

# Every address of every zone shows the same serial, and signed zones their signatures.
dns_ready() {
  local origin signed name octet answer serial first server
  local servers=()
  while IFS=$'\t' read -r name octet; do servers+=("$LAB_PREFIX4.$octet"); done < <(rows '^(primary|secondary)$')
  while IFS=$'\t' read -r origin _ signed _; do
    first=
    for server in "${servers[@]}"; do
      answer=$(ask +norecurse +dnssec +noall +answer "@$server" "$origin" SOA)
      serial=$(awk '$4 == "SOA" { print $7 }' <<<"$answer")
      [[ -n $serial ]] || { PROBLEM="name server $server does not answer for zone $origin"; return 1; }
      [[ $signed = 0 || $answer == *RRSIG* ]] || { PROBLEM="zone $origin is not signed yet on $server"; return 1; }
      [[ $serial == "${first:=$serial}" ]] || { PROBLEM="zone $origin: $server is behind"; return 1; }
    done
  done <"$LAB/plan/zones.tsv"
  servers=(127.0.0.1)
  while IFS=$'\t' read -r name octet; do servers+=("$LAB_PREFIX4.$octet"); done < <(rows '^resolver$')
  for server in "${servers[@]}"; do
    answer=$(ask +adflag "@$server" . SOA)
    [[ $answer =~ flags:[^\;]*\ ad[\ \;] ]] || { PROBLEM="resolver $server does not validate the root"; return 1; }
  done
}

systems_ready() {
  local name octet state
  while IFS=$'\t' read -r name octet; do
    state=$("$LAB/bin/ssh" -F none -n -i "$LAB/keys/ssh" -o IdentitiesOnly=yes -o "UserKnownHostsFile=$LAB/keys/known_hosts" \
      -o LogLevel=ERROR -o ConnectTimeout=5 "root@$LAB_PREFIX4.$octet" \
      'systemctl is-system-running || systemctl list-units --failed --no-legend --plain' 2>&1) || true
    [[ $state == running ]] || { PROBLEM="host $name is $(tr '\n' ' ' <<<"$state")"; return 1; }
  done < <(rows '')
}

until "${WHAT}_ready"; do
  init_pid >/dev/null || die "The lab ended by itself: $(tail -n 5 "$LAB/log/init.log")"
  ((SECONDS < END)) || die "After $LIMIT seconds: $PROBLEM."
  sleep 0.2
done
