# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R09: names that only the inside knows are not lost; without a setting that keeps them, nothing is changed."""

from __future__ import annotations

import judge
import pytest
from living_site import World


@pytest.mark.long
@pytest.mark.parametrize("world", ["gateway plain"], indirect=True, scope="session")
def test_r09_without_the_setting_that_keeps_them_the_names_are_told_and_nothing_is_changed(world: World) -> None:
    before = judge.picture(world)
    with judge.Watch(world) as watch:
        run = world.play("outbound", resolver_forward_zones=[])
    watch.report.is_unharmed()
    after = judge.picture(world)
    assert judge.worse(before, after) == {}
    assert judge.differences(before.files, after.files) == []
    assert run.status == 2, run.output[-6000:]
    assert "exch.corp.lan" in run.text and "resolver_forward_zones" in run.text
