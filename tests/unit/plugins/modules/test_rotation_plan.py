# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module rotation_plan as a playbook calls it: plain data in, plain data out (B01, B02)."""

from __future__ import annotations

import copy
import datetime
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from oracle import pki

from ansible_collections.mailsec.dane.plugins.module_utils._rotation import serial
from ansible_collections.mailsec.dane.plugins.modules import rotation_plan

OWNER, NAME = "_25._tcp.mx.example.nl", "mx.example.nl"
ROOT = pki.Spec("root", "root", "root", "root")
LEAF = pki.Spec(NAME, "root", "leaf", "root", ca=False, san=(NAME,))


def _pem(*specs: pki.Spec) -> str:
    found = [x509.load_der_x509_certificate(pki.make(spec)) for spec in specs]
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in found)


CHAIN: t.Final = {"certificates": [_pem(LEAF, ROOT)]}
NOW: t.Final = {"wall": pki.NOW.timestamp(), "monotonic": 100.0, "boot": "b"}


def _params(*records: str, **more: t.Any) -> dict[str, t.Any]:
    settings: dict[str, t.Any] = {
        "journal": None,
        "first_rollout": True,
        "observation": {
            "authorities": [
                {"owner": OWNER, "address": address, "records": list(records), "ttl": 3600, "primary": primary}
                for address, primary in (("192.0.2.1", True), ("192.0.2.2", False))
            ],
            "endpoints": [{"endpoint": "192.0.2.25:25", "chains": [CHAIN], "repeats": 5}],
        },
        "target": {
            "owners": [OWNER],
            "endpoints": ["192.0.2.25:25"],
            "chains": [CHAIN],
            "scheme": ["current", "issuer"],
            "policy": {"worker": 0, "effect": 0},
        },
        "names": [NAME],
        "issuer_depths": [1],
        "now": NOW,
    }
    return copy.deepcopy({**settings, **more})


def test_a_first_rollout_in_three_calls() -> None:
    first = rotation_plan.decide(_params())
    assert first["step"]["action"] == "publish"
    records = first["step"]["records"]
    assert [text[:5] for text in records] == ["2 1 1", "3 1 1"]
    second = rotation_plan.decide(_params(*records, journal=first["journal"], now={**NOW, "wall": NOW["wall"] + 9}))
    assert second["step"]["action"] == "done"
    assert {event["event"] for event in second["events"]} == {"rrset", "step"}
    third = rotation_plan.decide(_params(*records, journal=second["journal"], now={**NOW, "wall": NOW["wall"] + 99}))
    assert third["step"]["action"] == "done" and not third["events"], "nothing to do leaves no trace"


def test_a_lost_journal_waits_and_says_why() -> None:
    found = rotation_plan.decide(_params("3 1 1 " + "ab" * 32, first_rollout=False))
    assert found["step"]["action"] in ("deploy", "wait", "publish")
    other = pki.Spec(NAME, "root", "other leaf", "root", ca=False, san=(NAME,))
    params = _params(first_rollout=False)
    params["target"]["chains"] = [{"certificates": [_pem(other, ROOT)]}]
    served = rotation_plan.decide(_params())["step"]["records"]
    for view in params["observation"]["authorities"]:
        view["records"] = served
    step = rotation_plan.decide(params)["step"]
    assert step["action"] == "publish" and len(step["added"]) == 1
    for view in params["observation"]["authorities"]:
        view["records"] = step["records"]
    step = rotation_plan.decide(params)["step"]
    assert step["action"] == "wait"
    assert any("nobody remembers" in obstacle["sentence"] for obstacle in step["obstacles"])
    # A day for a TTL that nobody knows, and what application caches and clocks may add.
    end = pki.NOW + datetime.timedelta(days=1, minutes=6)
    assert step["summary"].startswith(f"Wait until {end:%Y-%m-%dT%H:%M:%SZ}:")


OTHER: t.Final = "3 1 1 " + "ab" * 32


def _with_other(**more: t.Any) -> dict[str, t.Any]:
    """Everything in order, and one more record, which the planner published itself."""
    params = _params()
    records = [*rotation_plan.decide(params)["step"]["records"], OTHER]
    journal = {**rotation_plan.decide(_params(*records))["journal"], "owned": records}
    params = _params(*records, journal=journal)
    params["target"]["policy"] = {"soak": 0, "worker": 0}
    for part, values in more.items():
        params[part].update(values)
    return params


def test_records_that_other_hosts_need_stay() -> None:
    step = rotation_plan.decide(_with_other())["step"]
    assert step["action"] == "retire" and step["removed"] == [OTHER]
    assert rotation_plan.decide(_with_other(target={"kept": [OTHER]}))["step"]["action"] == "done"


def test_nothing_is_removed_while_a_host_is_unaccounted_for() -> None:
    step = rotation_plan.decide(_with_other(observation={"unaccounted": ["mx2"]}))["step"]
    assert step["action"] == "wait" and step["obstacles"][0]["subject"] == "mx2"


def test_the_record_of_a_known_chain_that_is_served_is_put_back() -> None:
    other = {"certificates": [_pem(pki.Spec(NAME, "root", "other leaf", "root", ca=False, san=(NAME,)), ROOT)]}
    shown = {"endpoint": "192.0.2.25:25", "chains": [other], "repeats": 5}
    params = _with_other(observation={"endpoints": [shown]}, target={"known": [other], "scheme": ["current"]})
    for view in params["observation"]["authorities"]:
        view["records"] = [one for one in view["records"] if one.startswith("3")]
    step = rotation_plan.decide(params)["step"]
    assert step["action"] == "publish" and len(step["added"]) == 1
    params["target"]["known"] = []
    step = rotation_plan.decide(params)["step"]
    assert step["action"] == "deploy", "nobody planned it, so that the planned chain comes back"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": []}, "names is empty"),
        ({"journal": {"clock": 1}}, "journal.clock is '1'"),
        ({"now": {"wall": "x"}}, "now.wall is 'x'"),
    ],
)
def test_wrong_options_are_named(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        rotation_plan.decide(_params(**change))
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""])
def test_what_is_no_certificate_is_named(text: str) -> None:
    params = _params()
    params["target"]["chains"] = [{"certificates": [text]}]
    with pytest.raises(ValueError, match=r"target.chains\[0\].certificates"):
        rotation_plan.decide(params)


def test_a_private_key_is_refused_and_never_shown() -> None:
    params = _params()
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    params["target"]["chains"] = [{"certificates": [secret]}]
    with pytest.raises(serial.DataError) as error:
        rotation_plan.decide(params)
    assert "private key" in str(error.value) and "c2VjcmV0" not in str(error.value)


def test_the_module_itself_takes_arguments_and_exits(tmp_path: pathlib.Path) -> None:
    params = {name: value for name, value in _params().items() if value is not None}
    params["target"] |= {"policy": {"worker": 0}, "kept": [OTHER], "known": [CHAIN]}
    params["observation"]["unaccounted"] = ["mx2"]
    arguments = tmp_path / "args.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**params, "_ansible_check_mode": True}}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.mailsec.dane.plugins.modules.rotation_plan", str(arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["changed"] is False and found["step"]["action"] == "publish" and OTHER in found["step"]["records"]
