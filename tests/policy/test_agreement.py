"""Whether a project says what its lock pins, and in which words it does not."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lock import governed
from trimtab.declare.project import Project
from trimtab.errors import LockInvalid
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Entry, Lock
from trimtab.policy.agreement import NO_LOCK, SHOWN, Agreement, agreement, agreement_on_disk, told
from trimtab.policy.compile import compile as compile_policy


@functools.cache
def project() -> Project:
    """A project that declares something of everything that is pinned."""
    return governed.read(governed.write(Path(tempfile.mkdtemp(prefix="governed-"))))


@functools.cache
def lock() -> Lock:
    """Its lock."""
    return governed.locked(Path(project().root))


def test_the_project_of_its_lock_agrees() -> None:
    """Nothing differs, so that the lock's id may be borne."""
    found = agreement(project(), lock())
    assert found == Agreement(lock(), lock(), (), 0)
    assert found.holds
    assert agreement_on_disk(project()).words == (NO_LOCK,)


def test_without_a_lock_nothing_agrees() -> None:
    """That is one difference."""
    assert (agreement(project(), None).holds, agreement(project(), None).count) == (False, 1)


def test_differences_are_told_and_counted() -> None:
    """The first in sentences, and how many there are in all."""
    gone = [lockfile.entry("retrieval", f"corpus-{step:02}", {}) for step in range(SHOWN + 3)]
    found = agreement(project(), lockfile.lock([*lock().entries, *gone]))
    assert (found.count, found.holds) == (SHOWN + 3, False)
    assert found.words == tuple(f"retrieval/corpus-{step:02} is gone" for step in range(SHOWN))
    lines = told(found.words, found.count).splitlines()
    assert (len(lines), lines[-1]) == (SHOWN + 1, "and 3 more")
    assert told(("one",), 1) == "one"


def test_what_cannot_be_locked_does_not_agree() -> None:
    """A model by a name that moves is told as the lock would refuse it."""
    moving = msgspec.structs.replace(project().models["large"], served_name="gpt-4o-latest")
    other = msgspec.structs.replace(project(), models={**project().models, "large": moving})
    found = agreement(other, lock())
    assert any("gpt-4o-latest" in words for words in found.words)
    assert not found.holds


def test_a_lock_that_cannot_be_read_is_a_difference(tmp_path: Path) -> None:
    """It is told why."""
    (tmp_path / lockfile.FILE).write_text("<<<<<<< HEAD\n")
    found = agreement_on_disk(msgspec.structs.replace(project(), root=str(tmp_path)))
    assert (found.lock, found.count) == (None, 1)
    assert "marks of a merge conflict" in found.words[0]


SCALARS = (
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    SCALARS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def strange_locks(draw: st.DrawFn) -> Lock:
    """The project's lock with entries that pin anything: whole and valid as a file, and written by nobody we know."""
    entries = list(lock().entries)
    for place in draw(st.sets(st.integers(0, len(entries) - 1), min_size=1, max_size=4)):
        one = entries[place]
        pinned: dict[str, Any] = dict(one.pinned)
        if draw(st.booleans()):
            pinned = draw(st.dictionaries(st.text(max_size=10), JSON, max_size=4))
        else:
            pinned[draw(st.sampled_from(sorted(pinned)))] = draw(JSON)
        entries[place] = lockfile.entry(one.section, one.name, pinned)
    return lockfile.lock(entries)


@settings(max_examples=150, deadline=None)
@given(strange_locks())
def test_any_lock_is_held_against_and_compiled(strange: Lock) -> None:
    """Whatever a readable lock pins, the supervisor goes on: it is told what differs, or that nothing does."""
    try:
        readable = lockfile.decode(lockfile.encode(strange))
    except LockInvalid:
        return
    found = agreement(project(), readable)
    assert found.holds == (found.count == 0)
    assert all(found.words)
    for pins in (found.pins, readable):
        snapshot = compile_policy(project(), pins, agrees=found.holds)
        known = {model.served_name for model in project().models.values()}
        known |= {one.pinned.get("resolved") for one in readable.of("models").values() if _is_name(one)}
        assert {model.served_name for model in snapshot.models.values()} <= known


def test_an_alias_holds_while_something_else_differs() -> None:
    """What an alias stands for is known as long as it is about the same model: an edit of a prompt moves no model."""
    one = lock().get("models", "azure")
    assert one is not None
    dated = lockfile.entry("models", "azure", {**one.pinned, "resolved": "our-deployment-2"})
    known = lockfile.lock([dated if each.key == dated.key else each for each in lock().entries])
    task = msgspec.structs.replace(project().tasks["plain"], owner="sales")
    edited = msgspec.structs.replace(project(), tasks={**project().tasks, "plain": task})
    served = compile_policy(edited, agreement(edited, known).pins, agrees=False).models["azure"].served_name
    assert served == "our-deployment-2"
    model = msgspec.structs.replace(project().models["azure"], revision="2025-01-01")
    moved = msgspec.structs.replace(project(), models={**project().models, "azure": model})
    served = compile_policy(moved, agreement(moved, known).pins, agrees=False).models["azure"].served_name
    assert served == "our-deployment"


@pytest.mark.parametrize("section", ["prompts", "models", "tools", "policies"])
def test_entries_that_are_gone_or_unknown(section: str) -> None:
    """A lock that pins less or more than the project says so by name."""
    kept = [one for one in lock().entries if one.section != section]
    gone = agreement(project(), lockfile.lock(kept))
    assert all(words.startswith(f"{section}/") and "is new" in words for words in gone.words)
    more = lockfile.lock([*lock().entries, _unknown(section)])
    assert agreement(project(), more).words == (f"{section}/unknown is gone",)


def _is_name(one: Entry) -> bool:
    return isinstance(one.pinned.get("resolved"), str)


def _unknown(section: str) -> Entry:
    return lockfile.entry(section, "unknown", {"a": 1})  # type: ignore[arg-type]
