# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip script that ansible-test would download: the pip of this Python fetches the wanted one."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own, because it makes pip forget the settings of this machine.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
options = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *options]))
