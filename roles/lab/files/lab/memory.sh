#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# memory.sh LAB: MiB that the lab's processes share out among themselves, plus what its hosts wrote.
set -euo pipefail
LAB=$1
. "$(dirname "$(readlink -f "$0")")/common.sh"
need_root
init=$(init_pid) || die "There is no lab in $LAB."
# shellcheck disable=SC2016  # expanded by the inner shell
nsenter -t "$init" -m -p bash -c '
  set -eu
  processes=$(cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk "/^Pss:/ { kib += \$2 } END { print kib + 0 }")
  written=$(df --output=used -k "$1/hosts" | tail -n 1)
  echo $(((processes + written) / 1024))' memory "$LAB"
