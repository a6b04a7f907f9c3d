"""Damaged segments: what is whole in them is stored once, in passing or by salvage, and nothing waits for the rest."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.samples import call
from tests.store.spools import SegmentWriter
from tests.store.test_ingest import Scene, closed, damage, scene, wait_out
from trimtab.errors import StoreError
from trimtab.record.frames import SEAL
from trimtab.store import positions
from trimtab.store.ingest import Bounds
from trimtab.store.telemetry import Counts

__all__ = ["scene"]

NAME = "g0-0123456789ab/00000000"


def damaged_segment(scene: Scene, *, seal: bool = True) -> SegmentWriter:
    """A segment of the calls a to f; the record of b cannot be read."""
    writer = SegmentWriter(scene.spool)
    good = writer.write(call("a"))
    writer.write(*map(call, "bcdef"))
    damage(writer.path, good + 30)
    if seal:
        writer.seal()
    return writer


@pytest.mark.parametrize("put_away", [False, True])
def test_salvage_stores_what_is_whole_once(scene: Scene, put_away: bool) -> None:
    """What lies behind the damage is stored, seen and kept like any other record, and the file goes in the end."""
    writer = damaged_segment(scene)
    scene.drain()
    if put_away:
        wait_out(scene)
        assert not writer.path.exists()
    assert scene.ingest.salvage(NAME) == ("done", 4)
    assert scene.ingest.salvage(NAME) == ("gone", 0)
    wait_out(scene)
    scene.start()
    wait_out(scene)
    assert scene.names() == ["a", "c", "d", "e", "f"]
    assert [len(batch.calls) for batch in scene.seen] == [1, 4]
    assert not writer.path.parent.exists()
    assert positions.read(scene.directory) == positions.Positions()
    assert scene.ingest.lag.set_aside == 0


@pytest.mark.parametrize("again", ["same process", "fresh process"])
def test_salvage_that_fails_midway_goes_on_where_it_was(scene: Scene, again: str) -> None:
    """Whatever fails and whoever goes on, each record is stored once, in batches of the usual size."""
    damaged_segment(scene)
    scene.start(Bounds(events=3))
    scene.drain()
    scene.telemetry.fail_after = True
    with pytest.raises(StoreError):
        scene.ingest.salvage(NAME)
    scene.telemetry.fail_after = False
    if again == "fresh process":
        scene.start(Bounds(events=3))
    assert scene.ingest.salvage(NAME) == ("done", 1)
    assert scene.telemetry.count() == Counts(calls=5, changes=1, rolled_up=5)


def test_a_segment_that_is_written_to_is_not_salvaged(scene: Scene) -> None:
    """What is added later would be lost; once the worker has gone on, all of it is found."""
    writer = damaged_segment(scene, seal=False)
    scene.drain()
    assert scene.ingest.salvage(NAME) == ("in_use", 0)
    assert scene.ingest.discard(NAME) == "in_use"
    writer.write(call("late"))
    writer.seal()
    assert scene.ingest.salvage(NAME) == ("done", 5)
    assert "late" in scene.names()


@pytest.mark.parametrize("put_away", [False, True])
def test_a_damaged_segment_can_be_let_go(scene: Scene, put_away: bool) -> None:
    """Nothing more of it is stored, and its file goes."""
    writer = damaged_segment(scene)
    scene.drain()
    if put_away:
        wait_out(scene)
    assert scene.ingest.discard(NAME) == "done"
    wait_out(scene)
    assert scene.names() == ["a"]
    assert not writer.path.parent.exists()
    assert scene.ingest.discard(NAME) == "gone"


def test_a_whole_segment_is_not_let_go(scene: Scene) -> None:
    """Only what was set aside can be salvaged or discarded."""
    closed(scene, call("a").admitted, call("a"))
    assert scene.ingest.discard(NAME) == "gone"
    scene.drain()
    assert scene.names() == ["a"]


@pytest.mark.parametrize("sealed", [True, False])
def test_a_wrong_length_costs_one_record(scene: Scene, sealed: bool) -> None:
    """A length that points past the end of a segment nobody writes to is damage, not a record that is still coming."""
    writer = SegmentWriter(scene.spool)
    good = writer.write(call("a"))
    writer.write(call("b"), call("c"))
    data = bytearray(writer.path.read_bytes())
    data[good + 2] = 0x7F
    writer.path.write_bytes(data)
    scene.drain()
    assert scene.ingest.lag.set_aside == 0
    if sealed:
        writer.seal()
    else:
        SegmentWriter(scene.spool, number=1).write(call("d"))
        scene.start()
    scene.drain()
    assert scene.ingest.lag.set_aside == 1
    assert scene.ingest.salvage(NAME) == ("done", 1)
    assert scene.names() == (["a", "c"] if sealed else ["a", "c", "d"])


def test_ends_behind_damage_hold_up_no_other_segment(scene: Scene) -> None:
    """A call that ended behind the damage has ended, so that the segment it was admitted in can go."""
    first = closed(scene, call("b").admitted, call("c").admitted, number=0)
    second = SegmentWriter(scene.spool, number=1)
    good = second.write(call("a"))
    second.write(call("x"), call("b"), call("c"))
    damage(second.path, good + 30)
    second.seal()
    wait_out(scene)
    assert not first.path.exists()
    assert second.path.with_name("00000001.seg.aside").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(at=st.integers(0, 1 << 14), junk=st.binary(min_size=1, max_size=40))
def test_any_damage_costs_only_what_it_hits(tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes) -> None:
    """Exactly the records that can still be read are stored, once: by reading on, or by salvage."""
    scene = Scene(tmp_path_factory.mktemp("any"))
    writer = SegmentWriter(scene.spool)
    starts = [writer.path.stat().st_size]
    names = [f"c{number}" for number in range(8)]
    starts += [writer.write(call(name, detail="x" * number * 30)) for number, name in enumerate(names)]
    writer.seal()
    before = writer.path.read_bytes()
    place = at % (len(before) - len(SEAL))
    after = (before[:place] + junk + before[place + len(junk) :])[: len(before) - len(SEAL)] + SEAL
    writer.path.write_bytes(after)
    wait_out(scene)
    for told in scene.telemetry.changes(0, 2**62, 10):
        assert scene.ingest.salvage(told.subject)[0] == "done"
    frames = [slice(start, end) for start, end in itertools.pairwise(starts)]
    whole = [name for name, frame in zip(names, frames, strict=True) if before[frame] == after[frame]]
    assert scene.names() == whole
    assert scene.telemetry.count().calls == len(whole)
