# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the collections that requirements.yml names, and those they depend on, out of the ``ansible`` package.

``unpack_collections.py [--check] DESTINATION [WHEEL]``: with ``--check`` only tells, by its exit status, whether all
of them are there. A collection that is there already is kept.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
import tempfile
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def wanted() -> list[str]:
    listed = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    return [entry["name"] for entry in listed]


def unpack(wheel: zipfile.ZipFile, name: str, base: pathlib.Path) -> None:
    inside = f"ansible_collections/{name.replace('.', '/')}/"
    members = [member for member in wheel.namelist() if member.startswith(inside)]
    if not members:
        sys.exit(f"{wheel.filename} has no collection {name}; install it by hand into {base}")
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as work:
        wheel.extractall(work, members)
        target = base / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        (pathlib.Path(work) / inside).rename(target)


def main() -> None:
    arguments = [word for word in sys.argv[1:] if word != "--check"]
    base = pathlib.Path(arguments[0])
    wheel = zipfile.ZipFile(arguments[1]) if len(arguments) > 1 else None
    names = wanted()
    for name in names:  # grows while it is walked through
        manifest = base / "ansible_collections" / name.replace(".", "/") / "MANIFEST.json"
        if not manifest.is_file():
            if wheel is None:
                sys.exit(1)
            unpack(wheel, name, base)
        dependencies = json.loads(manifest.read_text())["collection_info"]["dependencies"]
        names += [dependency for dependency in dependencies if dependency not in names]


if __name__ == "__main__":
    main()
