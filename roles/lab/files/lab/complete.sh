#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# complete.sh LAB < parameters.json: from now on status.sh calls the lab running.
set -euo pipefail
LAB=$1
. "$LAB/lib/common.sh"
init_pid >/dev/null || die "The lab ended by itself: $(tail -n 5 "$LAB/log/init.log")"
cp "$LAB/plan/inventory.yml" "$LAB/inventory.yml"
fingerprint >"$LAB/run/ready"
