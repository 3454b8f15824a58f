#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Every check that only reads. All of them run, whatever the others say; what a passing check writes is not shown.
. "$(dirname "$0")/common.sh"
export PATH="$VENV/bin:$PATH"

passed=0
failed=()

check() {
  local name=$1 output
  shift
  if output=$("$@" </dev/null 2>&1); then
    passed=$((passed + 1))
    say "ok      $name"
  else
    failed+=("$name")
    say "FAILED  $name"
    say "$output"
  fi
}

files_named() {
  project_files -- "$@"
}

run_mypy() {
  mypy --cache-dir "$CACHE/mypy" "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/mailsec/dane/plugins"
}

run_shellcheck() {
  files_named '*.sh' .ci/run | xargs -0 shellcheck
}

# ansible-doc ends with success for content that it cannot find, so what it says is counted.
run_ansible_doc() {
  local kind=$1 names=() file
  while IFS= read -r -d '' file; do
    case $kind in
      role) names+=("mailsec.dane.$(basename "$(dirname "$(dirname "$file")")")") ;;
      playbook) return 0 ;;
      *) file=${file##*/}; names+=("mailsec.dane.${file%.*}") ;;
    esac
  done < <(case $kind in
    role) files_named 'roles/*/meta/argument_specs.yml' ;;
    module) files_named 'plugins/modules/*.py' ;;
    inventory) files_named 'plugins/inventory/*.py' ;;
    filter | test) files_named "plugins/$kind/*.yml" ;;
  esac)
  [ ${#names[@]} -gt 0 ] || return 0
  ansible-doc -t "$kind" --json "${names[@]}" >"$CACHE/doc-$kind.json"
  python - "$CACHE/doc-$kind.json" "${names[@]}" <<'PY'
import json
import sys

found = json.load(open(sys.argv[1]))
missing = [name for name in sys.argv[2:] if not found.get(name)]
sys.exit(f"ansible-doc says nothing about: {', '.join(missing)}" if missing else 0)
PY
}

is_root && install_packages shellcheck
if command -v shellcheck >/dev/null; then
  check shellcheck run_shellcheck
else
  say "not run shellcheck (apt-get install shellcheck)"
fi
check ruff ruff check --cache-dir "$CACHE/ruff" .
check "ruff format" ruff format --cache-dir "$CACHE/ruff" --check --quiet .
check mypy run_mypy
check yamllint yamllint --strict .
check ansible-lint ansible-lint --offline --profile production
for kind in module role filter test inventory; do
  check "ansible-doc of every $kind" run_ansible_doc $kind
done
check antsibull-docs antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
check changelog antsibull-changelog lint
check reuse reuse lint --quiet

say "$passed checks passed, ${#failed[@]} failed${failed:+: ${failed[*]}}"
[ ${#failed[@]} -eq 0 ]
