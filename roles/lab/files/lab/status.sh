#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# status.sh LAB < parameters.json: one word on stdout: absent, unfinished, running, or different (other parameters).
set -euo pipefail
LAB=$1
. "$(dirname "$(readlink -f "$0")")/common.sh"
need_root
wanted=$(fingerprint)
if ! init_pid >/dev/null; then
  if [[ -e $LAB ]]; then say unfinished; else say absent; fi
elif [[ ! -e $LAB/run/ready ]]; then
  say unfinished
elif [[ $(cat "$LAB/run/ready") != "$wanted" ]]; then
  say different
else
  say running
fi
