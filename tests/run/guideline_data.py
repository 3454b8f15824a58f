# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes plugins/module_utils/_tls_scan/guideline_data.py from docs/data/tls-guidelines.yml.

Ansible ships nothing but Python from module_utils, so the table travels as Python. Run without arguments to write the
file; a unit test compares the two.
"""

from __future__ import annotations

import pathlib
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "data" / "tls-guidelines.yml"
MODULE = ROOT / "plugins" / "module_utils" / "_tls_scan" / "guideline_data.py"

#: Tables a server can be measured against. Authentication, key exchange, bulk encryption and MAC are part of the suite.
TABLES = (
    "protocols", "key_exchange_groups", "ffdhe_groups", "handshake_signature_hash", "certificate_key_rsa",
    "certificate_key_ec", "certificate_key_eddsa", "certificate_signature_hash", "compression",
    "insecure_renegotiation", "client_initiated_renegotiation", "zero_rtt", "extended_master_secret",
)  # fmt: skip

HEAD = '''# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS guidelines of NCSC-NL as data: which value has which level in which edition.

Made by tests/run/guideline_data.py from docs/data/tls-guidelines.yml, which also says how far each value can be
trusted; do not edit. An item is (level, source, confirmed): level None means that the edition gives none, and
confirmed False that it is a hint, never the only reason to fail a server. ``other`` grades what is not listed.

Data only. Private to the collection.
"""

from __future__ import annotations

import typing as t

'''


def _item(entry: dict[str, t.Any], level: str | None = None) -> tuple[str | None, str, bool]:
    return (level or entry["level"], entry["source"], entry.get("confirmed", True))


def _suites(table: dict[str, t.Any]) -> dict[int, tuple[str | None, str, bool]]:
    found = {}
    for entry in [*table["items"], *table.get("derived_only", [])]:
        high, low = (int(part, 16) for part in entry["code"].split(","))
        found[high << 8 | low] = _item(entry, entry.get("derived_level"))
    return dict(sorted(found.items()))


def _show(value: t.Any, depth: int = 0) -> str:
    if not isinstance(value, dict):
        return repr(value).replace("'", '"') if isinstance(value, (tuple, list)) else _quoted(value)
    pad = "    " * (depth + 1)
    rows = "".join(
        f"{pad}{f'0x{key:04X}' if isinstance(key, int) else _quoted(key)}: {_show(entry, depth + 1)},\n"
        for key, entry in value.items()
    )
    return f"{{\n{rows}{'    ' * depth}}}"


def _quoted(value: t.Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def text() -> str:
    """Return the text of the module."""
    data = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    sources = {name: entry["title"] for name, entry in data["sources"].items()}
    editions = {}
    for edition, entry in data["editions"].items():
        editions[edition] = {
            table: {
                "ref": entry[table]["ref"],
                "other": _item(entry[table]["other"]) if "other" in entry[table] else None,
                "items": {item["name"]: _item(item) for item in entry[table]["items"]},
            }
            for table in TABLES
        }
    suites = {name: _suites(entry["cipher_suites"]) for name, entry in data["editions"].items()}
    other = {name: _item(entry["cipher_suites"]["other"]) for name, entry in data["editions"].items()}
    reference = {
        name: {table: entry[table]["ref"] for table in ("cipher_suites", "cipher_order")}
        for name, entry in data["editions"].items()
    }
    order = {
        name: tuple(tuple([step] if isinstance(step, str) else step) for step in entry["cipher_order"]["rule"])
        for name, entry in data["editions"].items()
    }
    released = {name: str(entry["released"]) for name, entry in data["editions"].items()}
    schemes = {
        entry["code"]: (entry["name"], entry["auth"], entry["hash"])
        for entry in data["registries"]["signature_schemes"]
    }
    parts = (
        ("Edition -> date of its release.", "RELEASED", "t.Mapping[str, str]", released),
        ("Short name of a source -> what it is.", "SOURCES", "t.Mapping[str, str]", sources),
        ("Code point -> (name, key, hash).", "SIGNATURE_SCHEMES", "t.Mapping[int, tuple[str, str, str]]", schemes),
        ("Edition -> table -> where it stands, and its items.", "EDITIONS", "t.Mapping[str, t.Any]", editions),
        ("Edition -> code point of a suite -> item.", "SUITES", "t.Mapping[str, t.Mapping[int, Item]]", suites),
        ("Edition -> item for suites that are not listed.", "OTHER_SUITES", "t.Mapping[str, Item]", other),
        ("Edition -> table -> where it stands.", "SUITE_REFERENCES", "t.Mapping[str, t.Mapping[str, str]]", reference),
        (
            "Edition -> levels in the order a server has to prefer them; levels in one group are equal.",
            "SUITE_ORDER",
            "t.Mapping[str, tuple[tuple[str, ...], ...]]",
            order,
        ),
    )
    body = "".join(f"#: {words}\n{name}: t.Final[{kind}] = {_show(value)}\n\n" for words, name, kind, value in parts)
    return f"{HEAD}Item: t.TypeAlias = tuple[str | None, str, bool]\n\n{body.rstrip()}\n"


if __name__ == "__main__":
    MODULE.write_text(text(), encoding="utf-8")
