#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# plan.sh LAB PYTHON < parameters.json: make the lab's directory and write the plan into it. Ends what still runs there.
set -euo pipefail
LAB=$1 PYTHON=$2
LAB_SCRIPTS=$(dirname "$(readlink -f "$0")")
. "$LAB_SCRIPTS/common.sh"
umask 077
if [[ -d $LAB && ! -e $LAB/.mailsec-dane-lab && -n $(ls -A "$LAB") ]]; then
  die "$LAB exists and is not a lab; choose another lab_directory."
fi
mkdir -p "$LAB/run"
: >"$LAB/.mailsec-dane-lab"
take_lock
bash "$LAB_SCRIPTS/stop.sh" "$LAB" processes
rm -rf "${LAB:?}"/{plan,inventory.yml}
"$PYTHON" "$LAB_SCRIPTS/plan.py" "$LAB/plan"
