"""What a dead worker leaves is put in order: every admitted call has an end, every file is whole."""

import pytest

from tests.record.wiring import EPOCH, HandClock, SmallDisk, Worker, admitted, all_events, attempt, calls_of, settled
from trimtab.errors import FormatError, StorageFull
from trimtab.record import frames, packs, tail
from trimtab.record.events import Admitted, Settled
from trimtab.record.orphans import epochs, settle_orphans


def dead_worker(directory, **limits):
    """A worker that ended two of its four calls and then was gone."""
    worker = Worker(directory, **limits)
    for call in ("a", "b", "c", "d"):
        worker.request(b'{"n":"' + call.encode() + b'"}', None)
        worker.recorder.admit(admitted(call))
    worker.recorder.attempt(attempt("b", 1))
    worker.recorder.attempt(attempt("b", 2))
    worker.recorder.settle(settled("a"))
    worker.recorder.settle(settled("c"))
    worker.recorder.flush()
    return worker


@pytest.mark.parametrize("segment_bytes", [1 << 20, 1])
def test_open_calls_are_settled_as_abandoned_once(tmp_path, segment_bytes):
    """Every call without an end gets one, with its attempts; doing it again changes nothing."""
    dead_worker(tmp_path, segment_bytes=segment_bytes)
    clock = HandClock()
    clock.now_s = 60.0
    assert epochs(tmp_path) == [EPOCH]
    assert settle_orphans(tmp_path, EPOCH, clock) == 2
    ends = {event.admitted.call: event for event in all_events(tmp_path) if isinstance(event, Settled)}
    assert sorted(ends) == ["a", "b", "c", "d"]
    assert [ends[call].outcome for call in "abcd"] == ["ok", "abandoned", "ok", "abandoned"]
    assert (ends["b"].attempts, ends["d"].attempts) == (2, 0)
    assert ends["d"].admitted == admitted("d")
    assert ends["d"].at_ns == clock.wall_ns()
    assert (ends["d"].cost_pusd, ends["d"].cost_label) == (None, "unknown")
    segments = tail.segments(tmp_path / "spool")
    assert all(frames.is_sealed(segment.path) for segment in segments)
    before = [segment.path.read_bytes() for segment in segments]
    assert settle_orphans(tmp_path, EPOCH, clock) == 0
    assert [segment.path.read_bytes() for segment in tail.segments(tmp_path / "spool")] == before


def test_torn_tails_are_cut_off_and_files_sealed(tmp_path):
    """Half a frame at the end of a segment or a pack goes, everything before it stays."""
    dead_worker(tmp_path)
    segment = tmp_path / "spool" / EPOCH / "00000000.seg"
    pack = tmp_path / "bodies" / EPOCH / "00000000.pack"
    events, bodies = all_events(tmp_path), list(packs.scan(pack, 0))
    with segment.open("ab") as file:
        file.write(b"\x50\0\0\0half")
    with pack.open("ab") as file:
        file.write(packs.head(packs.Kind.BLOB, bytes(32), 1000) + b"half")
    assert settle_orphans(tmp_path, EPOCH, HandClock()) == 2
    assert all_events(tmp_path)[: len(events)] == events
    assert packs.is_sealed(pack)
    assert list(packs.scan(pack, 0))[:-1] == bodies


def test_the_reserve_of_the_dead_is_freed(tmp_path):
    """The room kept for a worker's open calls is given back when they are settled."""
    dead_worker(tmp_path)
    assert (tmp_path / f"reserve-{EPOCH}").exists()
    settle_orphans(tmp_path, EPOCH, HandClock())
    assert list(tmp_path.glob("reserve-*")) == []


def test_files_that_never_began_are_removed(tmp_path):
    """A worker killed before its header was written leaves nothing that stops a reader."""
    dead_worker(tmp_path)
    (tmp_path / "spool" / EPOCH / "00000001.seg").write_bytes(b"TTSG")
    (tmp_path / "bodies" / EPOCH / "00000001.pack").write_bytes(b"")
    assert settle_orphans(tmp_path, EPOCH, HandClock()) == 2
    assert len(calls_of(all_events(tmp_path), Settled)) == 4


def test_other_epochs_are_left_alone(tmp_path):
    """Only the dead worker's own files are touched."""
    dead_worker(tmp_path)
    other = Worker(tmp_path, epoch="g1-bbbbbbbbbbbb")
    other.recorder.admit(admitted("alive"))
    settle_orphans(tmp_path, EPOCH, HandClock())
    other.recorder.settle(settled("alive"))
    other.recorder.close()
    events = [event for event in all_events(tmp_path) if isinstance(event, Settled)]
    assert [event.outcome for event in events if event.admitted.call == "alive"] == ["ok"]
    assert settle_orphans(tmp_path, "g9-none", HandClock()) == 0


def test_damage_is_told_after_everything_else_is_done(tmp_path):
    """A damaged segment does not keep the calls of the others from being settled."""
    worker = dead_worker(tmp_path, segment_bytes=1)
    second = tail.segments(tmp_path / "spool")[1].path
    data = bytearray(second.read_bytes())
    data[80] ^= 0xFF
    second.write_bytes(data + b"xx")
    with pytest.raises(FormatError, match=r"00000001\.seg at byte 64"):
        settle_orphans(tmp_path, EPOCH, HandClock())
    last = tail.segments(tmp_path / "spool")[-1]
    assert last.number == worker.segments.number + 1
    abandoned = [event for _, event in tail.read(last.path, 0) if event.outcome == "abandoned"]
    assert [event.admitted.call for event in abandoned] == ["d"]


def test_what_can_be_read_behind_damage_is_not_settled_again(tmp_path):
    """A call whose end lies whole behind the damage has ended; one whose end is destroyed, or never came, has not."""
    worker = Worker(tmp_path)
    for call in "abc":
        worker.recorder.admit(admitted(call))
    worker.recorder.settle(settled("a"))
    worker.recorder.settle(settled("b"))
    worker.recorder.flush()
    [segment] = tail.segments(tmp_path / "spool")
    ends = [end for end, _ in tail.read(segment.path, 0)]
    data = bytearray(segment.path.read_bytes())
    data[ends[2] + 2] = 0x7F  # the length of the end of `a`
    segment.path.write_bytes(data)
    with pytest.raises(FormatError, match=rf"at byte {ends[2]} .*length is wrong"):
        settle_orphans(tmp_path, EPOCH, HandClock())
    assert segment.path.read_bytes() == data
    last = tail.segments(tmp_path / "spool")[-1]
    assert [event.admitted.call for _, event in tail.read(last.path, 0)] == ["a", "c"]


def test_without_room_it_says_so_and_can_be_done_again(tmp_path, monkeypatch):
    """On a full disk `StorageFull` is raised; once there is room the rest is settled, each call once."""
    worker = Worker(tmp_path)
    for number in range(50):
        worker.recorder.admit(admitted(f"c{number:02d}"))
    monkeypatch.setattr("trimtab.record.orphans.Disk", lambda: SmallDisk(3000))
    with pytest.raises(StorageFull):
        settle_orphans(tmp_path, EPOCH, HandClock())
    monkeypatch.undo()
    some = calls_of(all_events(tmp_path), Settled)
    assert 0 < len(some) < 50
    assert settle_orphans(tmp_path, EPOCH, HandClock()) == 50 - len(some)
    events = all_events(tmp_path)
    assert sorted(calls_of(events, Settled)) == calls_of(events, Admitted)
