"""Answers that are kept for a moment and shared, and the words of changes."""

from __future__ import annotations

import asyncio

import pytest

from tests.console.conftest import Scene
from tests.store.samples import NOON_NS, SECOND_NS
from trimtab.console.changes import marks_of, words_of
from trimtab.console.parts import KEPT_S, MOST_KEPT, Asker
from trimtab.errors import StoreError
from trimtab.record.events import Change


class Slow:
    """A desk that answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may = asyncio.Event()

    async def ask(self, question: object) -> int:
        self.asked += 1
        await self.may.wait()
        return self.asked


async def test_an_answer_is_kept_for_a_moment(scene: Scene) -> None:
    """Within fifteen seconds the same question is not asked again; another key is another question."""
    asker = Asker(scene.desk, scene.clock)
    for key in ("a", "a", "b"):
        await asker.figures(key, lambda stores: 1)
    assert scene.desk.asked == 2
    scene.clock.advance(KEPT_S)
    await asker.figures("a", lambda stores: 1)
    assert scene.desk.asked == 3


async def test_an_answer_under_way_is_shared(scene: Scene) -> None:
    """Two pages that ask the same at once are one question, and one that goes away does not take it from the other."""
    desk = Slow()
    asker = Asker(desk, scene.clock)  # type: ignore[arg-type]
    first, second = (asyncio.ensure_future(asker.figures("a", lambda stores: 1)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    desk.may.set()
    assert (await second, desk.asked) == (1, 1)


async def test_a_failure_is_not_kept(scene: Scene) -> None:
    """What failed is asked again by the next."""
    asker = Asker(scene.desk, scene.clock)
    scene.desk.down = True
    with pytest.raises(StoreError):
        await asker.figures("a", lambda stores: 1)
    scene.desk.down = False
    assert await asker.figures("a", lambda stores: 1) == 1


async def test_what_is_kept_is_bounded(scene: Scene) -> None:
    """The answer asked for longest ago makes room."""
    asker = Asker(scene.desk, scene.clock)
    for number in range(MOST_KEPT + 1):
        await asker.figures(number, lambda stores: 1)
    before = scene.desk.asked
    await asker.figures(MOST_KEPT, lambda stores: 1)
    assert scene.desk.asked == before
    await asker.figures(0, lambda stores: 1)
    assert scene.desk.asked == before + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            Change(1, "lock", "test", "a" * 64, "3f2a" * 16, "ana", "prompt extract\n changed"),
            "lock 3f2a3f2a in force: prompt extract changed (ana)",
        ),
        (Change(1, "snapshot", "test", "", "c" * 64, "start"), "policy cccccccc in force"),
        (Change(1, "worker_died", "gateway 1", by="supervisor"), "worker gateway 1 died"),
        (Change(1, "something_new", "it", by="gateway", detail="d"), "something new it: d"),
        (Change(1, "enforcement", "small http://a", "", "broken", "gateway"), "small http://a broken"),
    ],
)
def test_changes_in_words(change: Change, words: str) -> None:
    """A change is told in a line: what it is, of what, and who made it if a person did."""
    assert words_of(change) == words


def test_changes_for_somebody_who_may_not_see_all() -> None:
    """What may name other tasks or models is left out."""
    change = Change(1, "lock", "test", "a" * 64, "3f2a" * 16, "ana", "prompt extract changed")
    assert words_of(change, whole=False) == "lock 3f2a3f2a in force (ana)"
    assert "small" not in words_of(Change(1, "enforcement", "small http://a", "", "broken"), whole=False)


def test_a_switch_that_a_lock_explains_is_left_out() -> None:
    """The policy that came with a lock is no change of its own; one at another time is."""
    switches = [Change(NOON_NS + at * SECOND_NS, "snapshot", "test", "", "c" * 64) for at in (1, 60)]
    lock = Change(NOON_NS, "lock", "test", "", "d" * 64)
    marks = marks_of([*switches, lock])
    assert [(mark.at_ns - NOON_NS) // SECOND_NS for mark in marks] == [0, 60]
