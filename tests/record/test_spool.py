"""Segments: framing, rolling, half-written frames and syncing beside writing."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.wiring import (
    EPOCH,
    BrokenDisk,
    HandClock,
    Worker,
    admitted,
    all_events,
    attempt,
    calls_of,
    open_descriptors,
    settled,
)
from trimtab.errors import StoreError
from trimtab.record import frames, tail
from trimtab.record.disk import Disk
from trimtab.record.events import Admitted, Attempt, Change, LogprobSummary, Settled, Usage
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog

EVENTS = [
    admitted("a1", retrieval_ids=("doc-1", "doc-2"), cost_bound_pusd=10**15, end_user="Zoë"),
    attempt("a1", usage=Usage(input=3, modalities={"input_audio": 1}), cost_pusd=7, cost_label="exact"),
    settled(
        "a1",
        logprobs=LogprobSummary(3, -0.5, -2.0),
        chunk_delays_us=b"\x80\x01\x00",
        chunk_lengths=b"\x05\x06",
        detail="fine",
    ),
    Change(1, "snapshot", "gateway 0", before="x", after="y", by="SIGHUP"),
]


def rolling(directory, disk=None, clock=None, **limits):
    limits = {"max_bytes": 1 << 20, "max_age_s": 3600.0} | limits
    return RollingLog(directory / EPOCH, SEGMENT, clock or HandClock(), disk or Disk(), **limits)


def frame(event):
    buffer = bytearray()
    frames.append(buffer, event)
    return buffer


def test_events_come_back_as_they_went_in(tmp_path):
    """Every kind of event survives the way to disk and back, in order."""
    log = rolling(tmp_path)
    for event in EVENTS:
        buffer = frame(event)
        assert log.append([buffer], lambda limit, buffer=buffer: frames.boundary(buffer, limit)) == len(buffer)
    log.close()
    (segment,) = tail.segments(tmp_path)
    assert (segment.epoch, segment.number, segment.path.name) == (EPOCH, 0, "00000000.seg")
    assert [event for _, event in tail.read(segment.path, 0)] == EVENTS


def test_reading_goes_on_from_an_offset(tmp_path):
    """The offset after a record is where the next reading begins."""
    log = rolling(tmp_path)
    for event in EVENTS:
        log.append([frame(event)], lambda _: 0)
    log.close()
    path = tail.segments(tmp_path)[0].path
    offsets = [offset for offset, _ in tail.read(path, 0)]
    assert [event for _, event in tail.read(path, offsets[1])] == EVENTS[2:]
    assert list(tail.read(path, offsets[-1])) == []
    assert list(tail.read(path, offsets[-1] + 1000)) == []


def test_segments_roll_by_size_and_by_age(tmp_path):
    """A segment that reached its size or its age is followed by the next number."""
    clock = HandClock()
    worker = Worker(tmp_path, clock=clock, segment_bytes=600, age_s=60.0)
    worker.recorder.admit(admitted("a"))
    assert len(tail.segments(tmp_path / "spool")) == 1
    worker.recorder.admit(admitted("b", prompt="p" * 300))
    worker.recorder.admit(admitted("c"))
    assert len(tail.segments(tmp_path / "spool")) == 2
    clock.now_s = 59.9
    worker.recorder.admit(admitted("d"))
    assert len(tail.segments(tmp_path / "spool")) == 2
    clock.now_s = 60.0
    worker.recorder.admit(admitted("e"))
    found = tail.segments(tmp_path / "spool")
    assert [segment.number for segment in found] == [0, 1, 2]
    assert [tail.finished(segment) for segment in found] == [True, True, False]
    assert [event.call for event in all_events(tmp_path)] == ["a", "b", "c", "d", "e"]
    clock.now_s = 120.0
    worker.recorder.flush()
    assert tail.finished(found[2]) and len(tail.segments(tmp_path / "spool")) == 3
    worker.recorder.close()


class ShortWrites(Disk):
    """A disk that takes as few bytes at a time as its list says."""

    def __init__(self, counts):
        self.counts = iter(counts)

    def writev(self, fd, parts):
        data = b"".join(parts)
        return os.write(fd, data[: next(self.counts, len(data))])


@given(st.lists(st.integers(1, 400), max_size=30))
def test_short_writes_lose_and_double_nothing(tmp_path_factory, counts):
    """However the system splits a write, the file holds every byte once."""
    directory = tmp_path_factory.mktemp("spool")
    log = rolling(directory, ShortWrites([64, *counts]))
    parts = [bytes(frame(event)) for event in EVENTS]
    assert log.append(parts, lambda _: 0) == sum(map(len, parts))
    log.close()
    assert [event for _, event in tail.read(tail.segments(directory)[0].path, 0)] == EVENTS


class FailingDisk(Disk):
    """A disk that writes `bytes_taken` more and fails then with `number`."""

    def __init__(self, bytes_taken, number):
        self.left = bytes_taken
        self.number = number

    def writev(self, fd, parts):
        data = b"".join(parts)[: self.left]
        if not data:
            raise OSError(self.number, os.strerror(self.number))
        self.left -= len(data)
        return os.write(fd, data)


@given(st.integers(0, 3000))
def test_a_full_disk_leaves_whole_frames_only(tmp_path_factory, room):
    """Wherever in a write the disk gets full, what is left in the file is whole and the rest is told apart."""
    directory = tmp_path_factory.mktemp("spool")
    log = rolling(directory, FailingDisk(64 + room, 28))
    buffer = bytearray()
    sizes = [frames.append(buffer, event) for event in EVENTS]
    kept = log.append([buffer], lambda limit: frames.boundary(buffer, limit))
    fitting = next(n for n in range(len(sizes), -1, -1) if sum(sizes[:n]) <= room)
    assert kept == sum(sizes[:fitting])
    path = tail.segments(directory)[0].path
    assert path.stat().st_size == 64 + kept
    assert [event for _, event in tail.read(path, 0)] == EVENTS[:fitting]


def test_a_failing_disk_is_a_typed_error_and_leaves_no_half_frame(tmp_path):
    """An I/O error is raised as `StoreError`, with the file cut back to whole frames."""
    log = rolling(tmp_path, FailingDisk(64 + 10, 5))
    buffer = frame(EVENTS[0])
    with pytest.raises(StoreError, match="Input/output error"):
        log.append([buffer], lambda limit: frames.boundary(buffer, limit))
    assert tail.segments(tmp_path)[0].path.stat().st_size == 64


def test_no_room_for_a_header_leaves_no_file(tmp_path):
    """A segment that cannot even begin is not there."""
    log = rolling(tmp_path, FailingDisk(40, 28))
    assert log.append([frame(EVENTS[0])], lambda _: 0) == 0
    assert tail.segments(tmp_path) == []


def test_syncing_in_a_thread_never_meets_a_closed_file(tmp_path):
    """Syncs beside a writer that rolls with every append raise nothing, lose nothing and leak no descriptor."""
    worker = Worker(tmp_path, segment_bytes=1, age_s=3600.0)
    before = open_descriptors()
    done = threading.Event()

    def syncing():
        while not done.is_set():
            worker.recorder.sync()

    with ThreadPoolExecutor(1) as pool:
        syncs = pool.submit(syncing)
        for number in range(300):
            worker.recorder.admit(admitted(f"c{number}"))
        done.set()
        assert syncs.result(timeout=60) is None
    worker.recorder.close()
    assert len(tail.segments(tmp_path / "spool")) == 300
    assert [event.call for event in all_events(tmp_path)] == [f"c{number}" for number in range(300)]
    assert open_descriptors() < before


def test_files_that_nobody_syncs_stay_bounded(tmp_path):
    """Without any sync at most eight rolled segments stay open."""
    worker = Worker(tmp_path, segment_bytes=1)
    worker.recorder.admit(admitted("first"))
    before = open_descriptors()
    for number in range(40):
        worker.recorder.admit(admitted(f"c{number}"))
    assert open_descriptors() <= before + 8
    worker.recorder.close()


def test_a_sync_is_due_until_it_was_made(tmp_path):
    """Writing makes a sync due, syncing makes it undue."""
    worker = Worker(tmp_path)
    assert not worker.recorder.sync_due()
    worker.recorder.admit(admitted("a"))
    assert worker.recorder.sync_due()
    worker.recorder.sync()
    assert not worker.recorder.sync_due()
    worker.request(b"{}", None)
    assert worker.recorder.sync_due()
    worker.recorder.close()


def test_an_event_over_the_limit_is_refused(tmp_path):
    """What no reader would take is not written."""
    with pytest.raises(StoreError, match="over 16777216"):
        frames.append(bytearray(), settled("a", detail="x" * (17 << 20)))


class CountingDisk(Disk):
    """A disk that counts its writes."""

    def __init__(self):
        self.writes = 0

    def writev(self, fd, parts):
        self.writes += 1
        return os.writev(fd, parts)


def test_a_call_takes_two_writes_at_most(tmp_path):
    """With bodies as digests a call writes once when it is admitted and once when its end is flushed."""
    disk = CountingDisk()
    worker = Worker(tmp_path, disk=disk)
    worker.recorder.admit(admitted("first"))
    for number in range(10):
        before = disk.writes
        call = f"c{number}"
        refs = worker.bodies.request(b"{}", None, "digest")
        worker.recorder.admit(admitted(call, request_body=refs.body))
        capture = worker.bodies.capture("digest")
        capture.add(b"answer", 0.0)
        worker.recorder.attempt(attempt(call))
        worker.recorder.settle(settled(call, response_body=worker.bodies.response(capture)))
        worker.recorder.flush()
        assert disk.writes == before + 2


def test_state_is_told(tmp_path):
    """`repr` says what is open, written and waiting."""
    worker = Worker(tmp_path)
    worker.recorder.admit(admitted("a"))
    worker.recorder.attempt(attempt("a"))
    size = worker.segments.size
    waiting = frames.append(bytearray(), attempt("a"))
    assert f"Spool(RollingLog({tmp_path}/spool/{EPOCH}/00000000.seg, {size} bytes), {waiting} bytes waiting)" in repr(
        worker.recorder
    )
    assert "Recorder(1 calls open" in repr(worker.recorder)
    assert "Room(open, 262144 of 262144 bytes in reserve)" in repr(worker.recorder)


@pytest.mark.parametrize("takes", [0, 10, 10_000])
def test_a_write_that_fails_amid_frames_leaves_none_of_them(tmp_path, takes):
    """What was half written when the disk broke is written again once it works, and is there once."""
    disk = BrokenDisk()
    worker = Worker(tmp_path, disk=disk)
    worker.recorder.admit(admitted("a"))
    for number in range(50):
        worker.recorder.attempt(attempt("a", number=number, detail="x" * 300))
    disk.broken, disk.takes = True, takes
    with pytest.raises(StoreError, match="Input/output error"):
        worker.recorder.flush()
    disk.broken = False
    worker.recorder.settle(settled("a"))
    worker.recorder.close()
    events = all_events(tmp_path)
    assert [event.number for event in events if isinstance(event, Attempt)] == list(range(50))
    assert (calls_of(events, Admitted), calls_of(events, Settled)) == (["a"], ["a"])


def test_a_call_that_could_not_be_written_down_was_never_let_in(tmp_path):
    """It is refused with the disk's fault and leaves no event, neither then nor later; the next one is let in."""
    disk = BrokenDisk()
    worker = Worker(tmp_path, disk=disk)
    worker.recorder.admit(admitted("a"))
    disk.broken = True
    with pytest.raises(StoreError):
        worker.recorder.admit(admitted("refused"))
    disk.broken = False
    worker.recorder.admit(admitted("b"))
    assert worker.recorder.open_calls == 2
    assert calls_of(all_events(tmp_path), Admitted) == ["a", "b"]


def test_a_file_that_could_not_be_begun_does_not_stay(tmp_path):
    """A disk that fails at a file's first bytes leaves neither the file nor its descriptor, so the next try works."""
    disk = BrokenDisk()
    log = rolling(tmp_path, disk)
    disk.broken = True
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(StoreError, match="opening"):
            log.append((frame(EVENTS[0]),), lambda limit: 0)
    assert open_descriptors() == before
    disk.broken = False
    assert log.append((frame(EVENTS[0]),), lambda limit: 0) == len(frame(EVENTS[0]))
    assert [path.name for path in (tmp_path / EPOCH).iterdir()] == ["00000000.seg"]
