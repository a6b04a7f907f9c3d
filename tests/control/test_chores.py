"""What control does so that nothing grows for ever: dead letters go with the bodies of their age."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.store.samples import SECOND_NS, call
from trimtab.database.migrate import open_state
from trimtab.journal.dead_letters import Damaged, DeadLetters, Letters
from trimtab.processes.chores import chores
from trimtab.store.memory import MemoryTelemetry
from trimtab.testing import JumpingClock

DAY_S = 86_400.0


def test_letters_are_kept_as_long_as_records(tmp_path: Path) -> None:
    """Older ones go, those of records with their damaged segment; the rest stays."""
    clock, discarded = JumpingClock(), list[str]()
    now_ns = clock.wall_ns()
    with closing(open_state(tmp_path / "state.db")) as connection:
        letters = DeadLetters(connection, most=10)
        old_ns, young_ns = now_ns - int(31 * DAY_S) * SECOND_NS, now_ns - int(29 * DAY_S) * SECOND_NS
        calls = [call(name, at_ns, outcome="internal") for name, at_ns in (("old", old_ns), ("young", young_ns))]
        segments = [Damaged("g0-a/00000000", "d", 1, old_ns), Damaged("g0-a/00000001", "d", 1, young_ns)]
        letters.take("t", calls, (), segments)
        done = chores(MemoryTelemetry(), tmp_path / "bodies", 30 * DAY_S, clock, letters, discarded.append)
        next(chore for chore in done if chore.name == "retain_dead_letters").do()
        assert {letter.id for letter in letters.list(Letters())} == {"young", "g0-a/00000001"}
    assert discarded == ["g0-a/00000000"]
