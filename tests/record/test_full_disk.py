"""A full disk: refused loudly, nothing that is open lost, and recovered from without a restart."""

import contextlib
import os
import resource
import subprocess

import pytest

from tests.record.wiring import EPOCH, SmallDisk, Worker, admitted, all_events, attempt, calls_of, settled
from trimtab.errors import StorageFull
from trimtab.record import tail
from trimtab.record.disk import Disk
from trimtab.record.events import Admitted, Attempt, Settled
from trimtab.record.room import SHARE_BYTES

RESERVE = 1 << 18


def admit_until_full(worker):
    """Admits calls until one is refused; returns those that were taken."""
    taken = []
    for number in range(10_000):
        call = f"c{number:05d}"
        try:
            worker.recorder.admit(admitted(call, run="r" * 200))
        except StorageFull:
            return taken
        taken.append(call)
    raise AssertionError("the disk never got full")


def test_open_calls_end_on_a_full_disk_and_calls_come_back_with_room(tmp_path):
    """When the disk fills up calls are refused, every open one settles, and freed room is used without a restart."""
    disk = SmallDisk(400_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=RESERVE)
    taken = []
    with contextlib.suppress(StorageFull):
        while True:
            call = f"c{len(taken):05d}"
            worker.recorder.admit(admitted(call, run="r" * 200))
            taken.append(call)
            if len(taken) > 20:
                worker.recorder.settle(settled(taken[len(taken) - 21]))
    assert len(taken) > 100
    ended = set(taken[: len(taken) - 20])
    with pytest.raises(StorageFull, match="no room left") as refused:
        worker.recorder.admit(admitted("refused"))
    assert refused.value.status == 503 and refused.value.retry_after_s == 1.0
    for call in taken:
        if call not in ended:
            worker.recorder.attempt(attempt(call))
            worker.recorder.settle(settled(call))
    worker.recorder.flush()
    events = all_events(tmp_path)
    assert calls_of(events, Admitted) == taken
    assert sorted(calls_of(events, Settled)) == taken
    assert "Room(full" in repr(worker.room)
    disk.room += 1 << 20
    with pytest.raises(StorageFull):
        worker.recorder.admit(admitted("too soon"))
    worker.clock.now_s += 1.0
    worker.recorder.admit(admitted("again"))
    worker.recorder.settle(settled("again"))
    worker.recorder.close()
    assert calls_of(all_events(tmp_path), Admitted) == [*taken, "again"]
    assert worker.room.full is False


def test_calls_that_come_together_are_let_in_as_far_as_there_is_room(tmp_path):
    """Those that were written may be made, the rest is refused; none is written twice or without being let in."""
    disk = SmallDisk((1 << 20) + 20_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=1 << 20)
    together = [admitted(f"c{number:03d}", run="r" * 600) for number in range(100)]
    worker.recorder.admit(admitted("first"))
    taken = worker.recorder.admit(*together)
    assert 0 < taken < len(together)
    assert worker.recorder.open_calls == 1 + taken
    with pytest.raises(StorageFull):
        worker.recorder.admit(*together[taken:])
    let_in = ["first", *(event.call for event in together[:taken])]
    for call in let_in:
        worker.recorder.settle(settled(call))
    worker.recorder.flush()
    events = all_events(tmp_path)
    assert calls_of(events, Admitted) == let_in
    assert calls_of(events, Settled) == let_in


def test_calls_that_come_together_cost_one_write(tmp_path):
    """However many there are."""

    class CountingDisk(Disk):
        writes = 0

        def writev(self, fd, parts):
            self.writes += 1
            return os.writev(fd, parts)

    disk = CountingDisk()
    worker = Worker(tmp_path, disk=disk)
    worker.recorder.admit(admitted("first"))
    before = disk.writes
    assert worker.recorder.admit(*[admitted(f"c{number}") for number in range(50)]) == 50
    assert disk.writes == before + 1


def test_the_reserve_is_made_whole_before_calls_are_taken(tmp_path):
    """A little room is not enough: the reserve comes first."""
    disk = SmallDisk(RESERVE + 50_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=RESERVE)
    assert worker.room.give_back() and worker.room.give_back()
    reserve = tmp_path / f"reserve-{EPOCH}"
    spent = RESERVE - reserve.stat().st_size
    assert spent == 2 * SHARE_BYTES
    disk.room = disk.used + spent
    worker.clock.now_s += 1.0
    with pytest.raises(StorageFull):
        worker.recorder.admit(admitted("early"))
    disk.room += SHARE_BYTES
    worker.clock.now_s += 1.0
    worker.recorder.admit(admitted("now"))
    assert reserve.stat().st_size == RESERVE


def test_the_reserve_grows_with_the_open_calls(tmp_path):
    """There is a share for every open call, and a call for which there is none is refused."""
    disk = SmallDisk(1 << 20)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=SHARE_BYTES)
    taken = admit_until_full(worker)
    assert 20 < len(taken) <= (1 << 20) // SHARE_BYTES
    assert (tmp_path / f"reserve-{EPOCH}").stat().st_size >= len(taken) * SHARE_BYTES


def test_an_end_over_its_share_loses_its_chunk_times_only(tmp_path):
    """On a full disk a long stream still settles, without the times of its chunks."""
    disk = SmallDisk(400_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=RESERVE)
    taken = admit_until_full(worker)
    long = settled(taken[0], chunk_delays_us=bytes(30_000), chunk_lengths=bytes(30_000), response_bytes=7)
    worker.recorder.settle(long)
    worker.recorder.flush()
    (end,) = [event for event in all_events(tmp_path) if isinstance(event, Settled)]
    assert (end.chunk_delays_us, end.chunk_lengths, end.response_bytes) == (b"", b"", 7)


def test_what_finds_no_room_at_all_waits_and_is_not_lost(tmp_path):
    """If others take even the freed reserve, ends wait in memory until there is room."""
    disk = SmallDisk(400_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=SHARE_BYTES)
    taken = admit_until_full(worker)
    worker.room.give_back()
    disk.room = disk.used
    while worker.room.give_back():
        disk.room = disk.used
    for call in taken:
        worker.recorder.settle(settled(call))
    worker.recorder.flush()
    assert calls_of(all_events(tmp_path), Settled) == []
    disk.room += 1 << 20
    worker.recorder.flush()
    assert calls_of(all_events(tmp_path), Settled) == taken
    worker.recorder.close()


def test_closing_without_room_says_so(tmp_path):
    """A worker that must stop with events unwritten does not keep it to itself."""
    disk = SmallDisk(400_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=SHARE_BYTES)
    taken = admit_until_full(worker)
    while worker.room.give_back():
        disk.room = disk.used
    worker.recorder.settle(settled(taken[0]))
    with pytest.raises(StorageFull):
        worker.recorder.close()


def test_bodies_never_take_the_reserve(tmp_path):
    """A body that finds no room is counted as lost, its digest stays, and the reserve stays whole."""
    disk = SmallDisk(RESERVE + 50_000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=RESERVE)
    worker.recorder.admit(admitted("a"))
    refs = worker.bodies.request(b"x" * 100_000, None, "full")
    assert len(refs.body) == 64
    with pytest.raises(StorageFull):
        worker.recorder.admit(admitted("b", request_body=refs.body))
    assert worker.bodies.lost == 1
    assert (tmp_path / f"reserve-{EPOCH}").stat().st_size == RESERVE
    capture = worker.bodies.capture("full")
    capture.add(b"answer", 0.0)
    kept = worker.bodies.response(capture)
    worker.recorder.settle(settled("a", response_body=kept))
    worker.recorder.flush()
    assert worker.bodies.lost == 2
    assert calls_of(all_events(tmp_path), Settled) == ["a"]
    assert worker.recorder.open_calls == 0


def test_a_worker_that_starts_on_a_full_disk_refuses_until_there_is_room(tmp_path):
    """No room for the reserve at the start is no crash: calls are refused, then taken."""
    disk = SmallDisk(1000)
    worker = Worker(tmp_path, disk=disk, reserve_bytes=RESERVE)
    with pytest.raises(StorageFull):
        worker.recorder.admit(admitted("a"))
    disk.room = 1 << 20
    worker.clock.now_s += 1.0
    worker.recorder.admit(admitted("b"))
    assert calls_of(all_events(tmp_path), Admitted) == ["b"]


def test_a_spool_over_its_limit_refuses_until_it_is_ingested(tmp_path):
    """Calls are refused while the spool of all workers is over its limit, and taken once segments are deleted."""
    other = Worker(tmp_path, epoch="g1-bbbbbbbbbbbb")
    for number in range(100):
        other.recorder.admit(admitted(f"o{number}", run="r" * 200))
    other.recorder.flush()
    worker = Worker(tmp_path, spool_limit_bytes=20_000)
    with pytest.raises(StorageFull):
        worker.recorder.admit(admitted("a"))
    assert "spool over its limit" in repr(worker.room)
    for segment in tail.segments(tmp_path / "spool"):
        segment.path.unlink()
    other.recorder.close()
    with pytest.raises(StorageFull):
        worker.recorder.admit(admitted("b"))
    worker.clock.now_s += 1.0
    worker.recorder.admit(admitted("c"))


def test_a_spool_over_its_limit_is_no_deadlock(tmp_path):
    """The segment being written is finished when the limit refuses calls, at most once a second, so that it can go."""
    worker = Worker(tmp_path, spool_limit_bytes=20_000)
    for number in range(40):
        worker.recorder.admit(admitted(f"c{number}", run="r" * 600))
    worker.clock.now_s += 1.0
    for number in range(3):
        with pytest.raises(StorageFull):
            worker.recorder.admit(admitted("refused"))
        worker.recorder.settle(settled(f"c{number}"))
        worker.recorder.flush()
    found = tail.segments(tmp_path / "spool")
    assert [tail.finished(segment) for segment in found] == [True, False]
    found[0].path.unlink()
    worker.clock.now_s += 1.0
    worker.recorder.admit(admitted("again"))


def test_secrets_in_free_text_do_not_reach_the_disk(tmp_path):
    """Whoever fills in `detail`, a key in it is not written."""
    worker = Worker(tmp_path)
    worker.recorder.admit(admitted("a"))
    worker.recorder.attempt(attempt("a", detail="Incorrect API key provided: sk-proj-abcdefghijkl"))
    worker.recorder.settle(settled("a", detail="header was Bearer tt_0123456789abcdef"))
    worker.recorder.close()
    written = b"".join(segment.path.read_bytes() for segment in tail.segments(tmp_path / "spool"))
    assert b"sk-proj" not in written and b"tt_0123" not in written
    assert [e.detail for e in all_events(tmp_path) if isinstance(e, Attempt)] == [
        "Incorrect API key provided: [redacted]"
    ]


@pytest.fixture
def cramped(tmp_path):
    """A directory on a file system of one megabyte where we may mount one; else a limit on the size of files.

    Gives the directory, what makes it cramped and what ends that.
    """
    directory = tmp_path / "small"
    directory.mkdir()
    if os.geteuid() == 0 and _mounted(directory):
        filler = directory / "filler"

        def fill():
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

        yield directory, fill, filler.unlink
        subprocess.run(["umount", str(directory)], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

        def limit(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

        yield directory, lambda: limit(0), lambda: limit(soft)
        limit(soft)


def _mounted(directory):
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


def test_a_real_file_system_without_room(cramped):
    """On a real full file system calls are refused, open ones settle in the end, and calls come back."""
    directory, fill, free = cramped
    worker = Worker(directory, reserve_bytes=RESERVE)
    taken = [f"c{number}" for number in range(20)]
    for call in taken:
        worker.recorder.admit(admitted(call))
    fill()
    with pytest.raises(StorageFull):
        for number in range(1000):
            worker.recorder.admit(admitted(f"more{number}", run="r" * 200))
            taken.append(f"more{number}")
    for call in taken:
        worker.recorder.settle(settled(call))
    worker.recorder.flush()
    free()
    worker.recorder.flush()
    worker.clock.now_s += 1.0
    worker.recorder.admit(admitted("again"))
    worker.recorder.settle(settled("again"))
    worker.recorder.close()
    events = all_events(directory)
    assert calls_of(events, Admitted) == [*taken, "again"]
    assert calls_of(events, Settled) == [*taken, "again"]
