"""A sample of `python -m bench kills`: drivers and keeper of real processes are killed, and runs taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.durable_agents import SHAPES
from bench.killed_runs import Found, Scene, play, undisturbed
from bench.suites.kills import spread

KILLS = 2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_survives_its_driver_and_keeper(shape: str, tmp_path: Path) -> None:
    """Wherever driver or keeper is killed, or a driver stands still past its lease: no result that was told is lost,
    stores are whole, a write happens once, keyed effects under one key, and the run gives what it gives undisturbed.
    """
    given, driver, keeper = undisturbed(tmp_path / "undisturbed", shape)
    points = [
        *spread([(shape, "driver", at) for at in range(driver)], KILLS),
        *spread([(shape, "keeper", at) for at in range(keeper)], KILLS),
        *spread([(shape, "stopped driver", at) for at in range(1, driver)], 1),
    ]
    found = [play(tmp_path / f"{number}", *point, given) for number, point in enumerate(points)]
    assert [(one.victim, one.at, one.faults) for one in found if one.faults] == []
    assert sum(one.killed for one in found) >= 2 * KILLS


def test_what_is_amiss_is_found(tmp_path: Path) -> None:
    """The look from outside sees a result that was promised and is not there, and a write that happened twice."""
    scene = Scene(tmp_path / "scene", "tool", "nobody", -1)
    scene.play()
    scene.world.act("write", "n1")
    scene.world.acknowledge("run-1", 3, "f" * 64)
    found: Found = scene.look(None)
    assert [fault.split(":")[0] for fault in found.faults] == ["n1 happened 2 times", "lost"]
