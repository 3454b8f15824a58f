#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# test.sh [STAGE…]: runs all tests, or the stages whose names begin with one of the words. Every stage runs, whatever the
# others say. A stage that this machine cannot run is named as such and counts neither as passed nor as failed.
. "$(dirname "$0")/common.sh"

mapfile -t PACKAGES < <(sed -nE 's/^([a-z0-9.+-]+) .*/\1/p' tests/run/packages.txt)

results=()
passed=0
failed=0
number=0
stages=()
selected=("$@")
running=""
beside=""
MAILSEC_DANE_TEST_RUN=${MAILSEC_DANE_TEST_RUN:-$$-$(date +%s)}
export MAILSEC_DANE_TEST_RUN

# begins_with_one_of NAME WORD…
begins_with_one_of() {
  local name=$1 word
  shift
  for word; do
    [[ $name != "$word"* ]] || return 0
  done
  return 1
}

stage_is_selected() {
  [ -z "$beside" ] || ! begins_with_one_of "$1" "${BESIDE[@]}" || return 1
  [ ${#selected[@]} -eq 0 ] || begins_with_one_of "$1" "${selected[@]}"
}

# add_stage NAME SECONDS COMMAND…
add_stage() {
  ! stage_is_selected "$1" || stages+=("$(printf '%q ' "$@")")
}

clock() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }

run_stage() {
  local name=$1 limit=$2 log=$LOGS/${1//[^a-z0-9.]/-}.log start=$SECONDS status=0 out tee_pid
  shift 2
  number=$((number + 1))
  say "" "== $number/${#stages[@]} $name (at $(clock))"
  exec {out}> >(exec tee -i "$log")
  tee_pid=$!
  # In a process group of its own, so that an interruption reaches all of it and none of it is left.
  set -m
  timeout --signal=INT --kill-after=120 "$limit" "$@" </dev/null >&"$out" 2>&1 &
  running=$!
  set +m
  exec {out}>&-
  wait "$running" || status=$?
  running=""
  for ((i = 0; i < 50; i++)); do
    kill -0 $tee_pid 2>/dev/null || break
    sleep 0.1
  done
  case $status in
    0)
      passed=$((passed + 1))
      results+=("passed   $name")
      say "-- passed: $name ($((SECONDS - start)) s)"
      ;;
    3)
      results+=("not run  $name: $(tail -n 2 "$log" | tr '\n' ' ')")
      say "-- not run: $name"
      ;;
    *)
      failed=$((failed + 1))
      [ $status -ne 124 ] || say "Ended after $limit seconds."
      results+=("FAILED   $name: see $log")
      say "-- FAILED: $name (exit status $status after $((SECONDS - start)) s), log: $log"
      ;;
  esac
}

# Labs that this run has started, known by their environment, and nobody else's.
take_labs_down() {
  local outer pid
  for outer in /var/lib/*/run/outer; do
    [ -r "$outer" ] || continue
    read -r pid _ <"$outer"
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "MAILSEC_DANE_TEST_RUN=$MAILSEC_DANE_TEST_RUN"; then
      say "Taking down the lab in ${outer%/run/outer}"
      "$VENV/bin/ansible-playbook" mailsec.dane.lab -e lab_directory="${outer%/run/outer}" -e lab_state=absent \
        </dev/null >/dev/null 2>&1 || say "That did not succeed: it may still be there."
    fi
  done
}

at_exit() {
  local status=$?
  trap '' INT TERM
  if [ -n "$beside" ]; then
    kill -TERM "$beside" 2>/dev/null || true
    wait "$beside" 2>/dev/null || true
  fi
  if [ -n "$running" ]; then
    kill -INT -- "-$running" 2>/dev/null || true
    for ((i = 0; i < 600; i++)); do
      kill -0 -- "-$running" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$running" 2>/dev/null || true
  fi
  take_labs_down
  exit $status
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

run_pytest() {
  local least=$1 name=$2 status=0
  shift 2
  "$VENV/bin/python" -m pytest "$@" --junitxml="$LOGS/$name.xml" || status=$?
  [ $status -le 1 ] || return $status
  "$VENV/bin/python" tests/run/count.py --least "$least" "$LOGS/$name.xml"
}

run_demo() {
  is_root || { say "the demo needs root"; return 3; }
  # In a directory of its own, so that a demo somebody looks around in stays as it is.
  "$VENV/bin/ansible-playbook" mailsec.dane.demo -e demo_directory=/var/lib/mailsec-dane-demo-test
}

# The stages run as processes of their own; functions among them are called through this script.
if [ "${1:-}" = --call ]; then
  trap - EXIT
  shift
  "$@"
  exit
fi

# Without words, these stages run beside the others, which mostly wait; what they say is shown at the end. Two labs at
# once stay within the inotify instances that Linux grants a user.
BESIDE=(lint unit zoo package sanity "integration rotation" "integration tls" "integration vantage")
if [ -z "${MAILSEC_DANE_TEST_BESIDE:-}" ]; then
  mkdir -p "$LOGS"
  rm -f "$LOGS"/*
  say "== Setting up (logs are kept in $LOGS)"
  bash tests/run/deps.sh
  ! is_root || install_packages "${PACKAGES[@]}"
  if [ ${#selected[@]} -eq 0 ]; then
    say "== Beside the rest: ${BESIDE[*]} (in $LOGS/beside.log)"
    # A run of its own: what it takes down at its end are not the labs of this one.
    MAILSEC_DANE_TEST_BESIDE=yes MAILSEC_DANE_TEST_RUN="" bash "$0" "${BESIDE[@]}" </dev/null >"$LOGS/beside.log" 2>&1 &
    beside=$!
  fi
fi

self=(bash "$0" --call)
add_stage lint 1200 bash tests/run/lint.sh
add_stage unit 1200 "${self[@]}" run_pytest 200 unit -n auto tests/unit
add_stage zoo 1800 "${self[@]}" run_pytest 300 zoo tests/zoo
add_stage package 600 bash tests/run/package.sh
add_stage sanity 1800 bash tests/run/ansible_test.sh sanity
add_stage units 1800 bash tests/run/ansible_test.sh units
add_stage "sanity newest" 1800 bash tests/run/ansible_test.sh sanity newest
add_stage "units newest" 1800 bash tests/run/ansible_test.sh units newest
# Suite lab has two labs at a time, and is over before those beside it start theirs.
for suite in lab $(find tests/integration -mindepth 1 -maxdepth 1 -type d ! -name lab -printf '%f\n' | sort); do
  if compgen -G "tests/integration/$suite/test_*.py" >/dev/null; then
    add_stage "integration $suite" 1800 "${self[@]}" run_pytest 1 "integration-$suite" -m "not long" "tests/integration/$suite"
  fi
done
add_stage demo 1800 "${self[@]}" run_demo
[ ${#stages[@]} -gt 0 ] || die "No stage begins with: $*"

for stage in "${stages[@]}"; do
  eval "run_stage $stage"
done

if [ -n "$beside" ]; then
  say "" "== Waiting for what runs beside (at $(clock))"
  wait "$beside" || true
  beside=""
  cat "$LOGS/beside.log"
  # Its last line counts its stages; one that ended before that line counts as failed.
  if [[ $(tail -n 1 "$LOGS/beside.log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
  mapfile -t -O ${#results[@]} results < <(grep -E '^(passed   |not run  |FAILED   )' "$LOGS/beside.log")
fi

say "" "== Summary (after $(clock))"
printf '%s\n' "${results[@]}"
say "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
