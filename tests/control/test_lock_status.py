"""How `trimtab status` and /metrics tell of the lock in force and of what differs from it."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tests.control.asgi import ask
from tests.control.conftest import Scene
from trimtab.cli.status import status_text
from trimtab.processes.inforce import Drift, Standing
from trimtab.processes.status import Status, lock_differences

LOCK = "0123456789ab" + "c" * 52
WORDS = ('prompts/triage: the system turn changed: "a" -> "b"', "tools/refund is gone")


def stand(run: Path, standing: Standing) -> None:
    (run / "declaration.json").write_bytes(msgspec.json.encode(standing))


def drift(*, held_back: bool) -> Drift:
    return Drift(9, WORDS, 5, held_back=held_back)


async def said(scene: Scene) -> tuple[Status, str]:
    """What control answers, and what the verb shows of it."""
    status = msgspec.json.decode((await ask(scene.socket, "/api/status")).body, type=Status)
    out = io.StringIO()
    Console(file=out, width=200, highlight=False).print(status_text(status, is_live=True))
    return status, out.getvalue()


async def test_lock_in_force(scene: Scene) -> None:
    """Its id stands in the first line, and nothing is flagged."""
    stand(scene.run, Standing("d" * 64, 5, lock=LOCK))
    status, text = await said(scene)
    assert (status.lock, status.drift) == (LOCK, None)
    assert "snapshot dddddddddddd   lock 0123456789ab" in text.splitlines()[0]
    assert "!" not in text


@pytest.mark.parametrize(
    ("held_back", "first"),
    [
        (True, "! the latest edit is not locked and is held back; what was in force stays in force:"),
        (False, "! what serves is not what trimtab.lock pins, so that calls bear no lock id:"),
    ],
)
async def test_difference_from_the_lock(scene: Scene, *, held_back: bool, first: str) -> None:
    """The first differences stand there in sentences, how many more there are, and what to do."""
    stand(scene.run, Standing("d" * 64, 5, lock=LOCK if held_back else "", drift=drift(held_back=held_back)))
    status, text = await said(scene)
    assert status.drift == drift(held_back=held_back)
    lines = [line.strip() for line in text.splitlines()]
    begin = lines.index(first)
    assert lines[begin + 1 : begin + 5] == [
        *WORDS,
        "and 3 more",
        "run `trimtab lock`, review and commit it, or take the edit back",
    ]


def test_differences_are_counted_for_metrics(tmp_path: Path) -> None:
    """0 while there are none, and where nobody wrote of any or the file is of no use."""
    assert lock_differences(tmp_path) == 0
    stand(tmp_path, Standing("d", 5, lock=LOCK))
    assert lock_differences(tmp_path) == 0
    stand(tmp_path, Standing("d", 5, drift=drift(held_back=True)))
    assert lock_differences(tmp_path) == 5
    (tmp_path / "declaration.json").write_text("{")
    assert lock_differences(tmp_path) == 0
