# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how many tests the JUnit files name, and fails when fewer than ``--least`` of them were really run.

``count.py --least N FILE|DIRECTORY…``; exit status 3 when every test was skipped.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from xml.etree import ElementTree


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--least", type=int, default=1)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    files = [found for path in options.paths for found in ([path] if path.is_file() else sorted(path.glob("*.xml")))]
    cases = [case for file in files for case in ElementTree.parse(file).getroot().iter("testcase")]
    skipped = [case for case in cases if case.find("skipped") is not None]
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    passed = len(cases) - len(skipped) - len(failed)
    for reason in sorted({str(found.get("message")) for case in skipped for found in case.iter("skipped")}):
        print(f"skipped: {reason}")
    print(f"{passed} tests passed, {len(failed)} failed, {len(skipped)} skipped")
    if failed:
        return 1
    if cases and len(skipped) == len(cases):
        return 3
    if passed < options.least:
        print(f"Expected at least {options.least} tests.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
