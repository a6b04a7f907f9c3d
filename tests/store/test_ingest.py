"""Every record of the spool reaches telemetry once, whatever fails between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.samples import NOON_NS, SECOND_NS, attempt, call, change
from tests.store.spools import SegmentWriter
from trimtab.errors import FormatError, StoreError
from trimtab.store import positions
from trimtab.store.ingest import Bounds, Ingest
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.sweep import GRACE_S
from trimtab.store.telemetry import Batch, CallFilter, Counts
from trimtab.testing import JumpingClock

ROOMY = Bounds()


class FailingTelemetry(MemoryTelemetry):
    """A store that fails when told: before it has stored a batch, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_before = self.fail_after = False
        self.tokens: list[str] = []

    def insert(self, batch: Batch, token: str) -> None:
        self.tokens.append(token)
        if self.fail_before:
            raise StoreError(store="telemetry", detail="refused")
        super().insert(batch, token)
        if self.fail_after:
            raise StoreError(store="telemetry", detail="answer lost")


class Scene:
    """A spool, a store, and an ingest that can be started again like a fresh process."""

    def __init__(self, directory: Path) -> None:
        self.spool = directory / "spool"
        self.directory = directory / "ingest"
        self.telemetry = FailingTelemetry()
        self.clock = JumpingClock()
        self.seen: list[Batch] = []
        self.kept: list[tuple[str, int]] = []
        self.fail_keeping = False
        self.ingest = self.start()

    def start(self, bounds: Bounds = ROOMY) -> Ingest:
        self.ingest = Ingest(
            self.spool,
            self.directory,
            self.telemetry,
            self.clock,
            observers=[self.seen.append],
            keepers=[self.keep],
            bounds=bounds,
        )
        return self.ingest

    def keep(self, batch: Batch, token: str) -> None:
        self.kept.append((token, len(batch)))
        if self.fail_keeping:
            raise StoreError(store="dead letters", detail="the disk is full")

    def drain(self) -> None:
        while self.ingest.step():
            pass

    def names(self) -> list[str]:
        return sorted(found.admitted.call for found in self.telemetry.tail(CallFilter(limit=1_000_000)))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_an_empty_spool_is_nothing(scene: Scene) -> None:
    """Without a spool there is nothing to store and nothing to wait for."""
    assert scene.ingest.step() is False
    assert scene.telemetry.count() == Counts()


def test_every_event_is_stored(scene: Scene) -> None:
    """Calls, attempts and changes of two workers arrive; `admitted` alone makes no row."""
    SegmentWriter(scene.spool, "g0-a").write(call("a").admitted, attempt("a"), call("a"), call("b").admitted)
    SegmentWriter(scene.spool, "g1-b").write(change("snapshot"))
    assert scene.ingest.step() is False
    assert scene.telemetry.count() == Counts(calls=1, attempts=1, changes=1, rolled_up=1)


def test_a_growing_segment_is_followed(scene: Scene) -> None:
    """What is appended later is stored later, and a record cut in half only once it is whole."""
    writer = SegmentWriter(scene.spool)
    writer.write(call("a"))
    scene.ingest.step()
    whole = SegmentWriter(scene.spool.parent / "elsewhere")
    header = whole.path.stat().st_size
    whole.write(call("b"))
    frame = whole.path.read_bytes()[header:]
    writer.append(frame[:20])
    scene.ingest.step()
    assert scene.names() == ["a"]
    writer.append(frame[20:])
    scene.ingest.step()
    assert scene.names() == ["a", "b"]


def test_positions_outlive_the_process(scene: Scene) -> None:
    """A fresh process goes on where the last one stopped, and a store without tokens would count nothing twice."""
    writer = SegmentWriter(scene.spool)
    writer.write(call("a"))
    scene.ingest.step()
    scene.start()
    writer.write(call("b"))
    scene.drain()
    assert [len(batch.calls) for batch in scene.seen] == [1, 1]
    assert scene.names() == ["a", "b"]


@pytest.mark.parametrize("again", ["same process", "fresh process"])
@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
def test_a_failed_insert_is_sent_again_exactly(scene: Scene, when: str, again: str) -> None:
    """The same records go under the same token, though more have come, and are counted once."""
    writer = SegmentWriter(scene.spool)
    writer.write(call("a"), call("b"))
    setattr(scene.telemetry, when, True)
    with pytest.raises(StoreError):
        scene.ingest.step()
    writer.write(call("c"))
    setattr(scene.telemetry, when, False)
    if again == "fresh process":
        scene.start()
    scene.drain()
    first, second, third = scene.telemetry.tokens
    assert first == second != third
    assert [len(batch.calls) for batch in scene.seen] == [2, 1]
    assert scene.telemetry.count() == Counts(calls=3, rolled_up=3)


def test_a_long_outage_loses_nothing(scene: Scene) -> None:
    """While the store refuses, the spool waits and the lag grows; afterwards everything is there."""
    writer = SegmentWriter(scene.spool)
    scene.telemetry.fail_before = True
    for number in range(50):
        writer.write(call(f"c{number:02}", scene.clock.wall_ns()))
        with pytest.raises(StoreError):
            scene.ingest.step()
        scene.clock.advance(1)
    size = writer.path.stat().st_size
    assert scene.ingest.lag.size_bytes == size
    assert scene.ingest.lag.age_s == pytest.approx(49, abs=1)
    scene.telemetry.fail_before = False
    scene.drain()
    assert scene.names() == [f"c{number:02}" for number in range(50)]
    assert (scene.ingest.lag.size_bytes, scene.ingest.lag.age_s) == (0, 0)


def test_a_disk_that_fails_loses_nothing(scene: Scene) -> None:
    """Where positions cannot be written nothing is sent; once they can, everything is stored once."""
    SegmentWriter(scene.spool).write(call("a"))
    elsewhere = scene.directory.rename(scene.directory.with_name("gone"))
    with pytest.raises(StoreError, match="positions"):
        scene.ingest.step()
    assert scene.telemetry.tokens == []
    elsewhere.rename(scene.directory)
    scene.drain()
    assert scene.telemetry.count() == Counts(calls=1, rolled_up=1)


def test_batches_are_bounded(scene: Scene) -> None:
    """No batch holds more events or bytes than its bound, workers take turns, and a cut batch says that more waits."""
    scene.start(Bounds(events=3))
    for epoch in ("g0-a", "g1-b"):
        SegmentWriter(scene.spool, epoch).write(*(call(f"{epoch}-{number}") for number in range(5)))
    assert scene.ingest.step() is True
    assert scene.ingest.step() is True
    assert scene.names() == ["g0-a-0", "g0-a-1", "g0-a-2", "g1-b-0", "g1-b-1", "g1-b-2"]
    scene.drain()
    assert all(len(batch) <= 3 for batch in scene.seen)
    assert scene.telemetry.count().calls == 10


def test_batches_are_bounded_in_bytes(scene: Scene) -> None:
    """A batch ends with the record that reaches the byte bound."""
    scene.start(Bounds(size_bytes=1000))
    SegmentWriter(scene.spool).write(*(call(f"c{number}", chunk_delays_us=b"x" * 600) for number in range(4)))
    scene.drain()
    assert [len(batch) for batch in scene.seen] == [2, 2]


def damage(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def test_a_damaged_segment_is_set_aside_and_told(scene: Scene) -> None:
    """What precedes the damage is stored, a Change names segment and byte, and the next segments go on."""
    first = SegmentWriter(scene.spool, number=0)
    good = first.write(call("a"))
    first.write(call("b"), call("c"))
    damage(first.path, good + 30)
    SegmentWriter(scene.spool, number=1).write(call("d"))
    scene.drain()
    scene.drain()
    assert scene.names() == ["a", "d"]
    (told,) = scene.telemetry.changes(0, 2**62, 10)
    assert (told.kind, told.subject) == ("segment_set_aside", "g0-0123456789ab/00000000")
    assert f"from byte {good}" in told.detail
    assert scene.ingest.lag.set_aside == 1
    assert scene.ingest.lag.size_bytes == 0


def test_a_damaged_segment_is_told_once(scene: Scene) -> None:
    """A crash between storing the Change and noting it tells it once."""
    writer = SegmentWriter(scene.spool)
    good = writer.write(call("a"))
    writer.write(call("b"), call("c"))
    damage(writer.path, good + 30)
    scene.telemetry.fail_after = True
    with pytest.raises(StoreError):
        scene.ingest.step()
    scene.telemetry.fail_after = False
    scene.start()
    scene.drain()
    assert scene.telemetry.count() == Counts(calls=1, changes=1, rolled_up=1)


def closed(scene: Scene, *events: object, number: int = 0) -> SegmentWriter:
    writer = SegmentWriter(scene.spool, number=number)
    writer.write(*events)  # type: ignore[arg-type]
    writer.seal()
    return writer


def wait_out(scene: Scene) -> None:
    scene.drain()
    scene.clock.advance(GRACE_S + 1)
    scene.drain()


def test_a_spent_segment_is_deleted_after_the_grace_time(scene: Scene) -> None:
    """A closed segment stays for the grace time after all of it is stored, then goes with its empty folder."""
    writer = closed(scene, call("a").admitted, call("a"))
    scene.drain()
    scene.clock.advance(GRACE_S - 1)
    scene.drain()
    assert writer.path.exists()
    scene.clock.advance(2)
    scene.drain()
    assert not writer.path.parent.exists()
    assert positions.read(scene.directory).done == {}


def test_a_segment_in_use_stays(scene: Scene) -> None:
    """A segment that may still be written to is never deleted."""
    writer = SegmentWriter(scene.spool)
    writer.write(call("a").admitted, call("a"))
    wait_out(scene)
    assert writer.path.exists()


def test_a_segment_with_an_open_call_stays(scene: Scene) -> None:
    """Whoever settles a dead worker's calls must find each `admitted`, so segments go in order and after its end."""
    first = closed(scene, call("open").admitted, number=0)
    second = closed(scene, call("a").admitted, call("a"), number=1)
    wait_out(scene)
    assert first.path.exists()
    assert second.path.exists()
    scene.start()
    closed(scene, call("open"), number=2)
    wait_out(scene)
    assert not first.path.parent.exists()


def test_a_damaged_segment_is_kept_under_another_name(scene: Scene) -> None:
    """Where a healthy segment would be deleted, a damaged one is only taken out of the listing."""
    writer = SegmentWriter(scene.spool)
    good = writer.write(call("a"))
    writer.write(call("b"), call("c"))
    damage(writer.path, good + 30)
    writer.seal()
    wait_out(scene)
    kept = writer.path.with_name("00000000.seg.aside")
    assert kept.exists()
    assert not writer.path.exists()
    assert scene.ingest.lag.set_aside == 1


def test_what_is_stored_is_not_deleted_while_telemetry_is_down(scene: Scene) -> None:
    """A segment whose insert has not been acknowledged stays, however long that takes."""
    writer = closed(scene, call("a").admitted, call("a"))
    scene.telemetry.fail_before = True
    for _ in range(3):
        with pytest.raises(StoreError):
            scene.ingest.step()
        scene.clock.advance(GRACE_S + 1)
    assert writer.path.exists()


def test_the_body_index_follows(tmp_path: Path) -> None:
    """Each step lets the index of bodies take up what was appended, and damage in a pack stops no records."""

    class Index:
        updates = 0

        def update(self) -> None:
            self.updates += 1
            raise FormatError(store="pack", path="pack", offset=7, detail="a checksum is wrong")

    index = Index()
    ingest = Ingest(tmp_path / "spool", tmp_path / "ingest", MemoryTelemetry(), JumpingClock(), bodies=index)
    ingest.step()
    ingest.step()
    assert index.updates == 2


@pytest.mark.parametrize("text", [b"", b"{", b'{"done": 3}', b'{"version": 2}'])
def test_positions_of_another_kind_are_refused(scene: Scene, text: bytes) -> None:
    """A broken or newer positions file stops control loudly: guessing would count records twice."""
    (scene.directory / positions.FILE).write_bytes(text)
    with pytest.raises(FormatError, match=positions.FILE):
        scene.start()


def test_lag_is_the_age_of_the_oldest_record(scene: Scene) -> None:
    """Records that nobody could store yet age with the clock."""
    scene.telemetry.fail_before = True
    now_ns = scene.clock.wall_ns()
    SegmentWriter(scene.spool).write(call("a", now_ns - 5 * SECOND_NS), call("b", now_ns))
    with pytest.raises(StoreError):
        scene.ingest.step()
    assert scene.ingest.lag.age_s == pytest.approx(5)


def damaged_spools(scene: Scene) -> Iterator[SegmentWriter]:
    for epoch in ("g0-a", "g0-b"):
        yield SegmentWriter(scene.spool, epoch)


def test_a_file_of_another_kind_stops_only_itself(scene: Scene) -> None:
    """A segment whose first bytes are not ours is set aside; its neighbours are stored."""
    foreign, ours = damaged_spools(scene)
    foreign.path.write_bytes(b"not a segment" * 100)
    ours.write(call("a", NOON_NS))
    scene.drain()
    assert scene.names() == ["a"]
    assert scene.ingest.lag.set_aside == 1


@pytest.mark.parametrize("again", ["same process", "fresh process"])
def test_a_keeper_that_fails_sees_the_same_batch_again(scene: Scene, again: str) -> None:
    """A batch is not done before every keeper has it; it comes again under its token, and no other before it."""
    SegmentWriter(scene.spool, "g0-a").write(call("a"), call("b"))
    scene.fail_keeping = True
    for _ in range(2):
        with pytest.raises(StoreError, match="dead letters"):
            scene.ingest.step()
    SegmentWriter(scene.spool, "g1-b").write(call("c"))
    scene.fail_keeping = False
    if again == "fresh process":
        scene.start()
    scene.drain()
    first, second, third, last = scene.kept
    assert first == second == third == (scene.telemetry.tokens[0], 2)
    assert last == (scene.telemetry.tokens[-1], 1)
    assert [len(batch) for batch in scene.seen] == [2, 1]
    assert scene.telemetry.count() == Counts(calls=3, rolled_up=3)


def test_bodies_that_break_what_reads_them_keep_no_record_out(scene: Scene) -> None:
    """Bodies are foreign: whatever they do to their reader, the records of their batch and of later ones are stored."""

    def enrich(batch: Batch) -> Batch:
        raise RecursionError("too deep")

    ingest = Ingest(scene.spool, scene.directory, scene.telemetry, scene.clock, enrich=enrich)
    writer = SegmentWriter(scene.spool)
    for name in ("a", "b"):
        writer.write(call(name))
        ingest.step()
    assert scene.telemetry.count().calls == 2
