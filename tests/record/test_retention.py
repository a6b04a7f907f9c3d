"""What may be deleted, and nothing else."""

import os

from tests.record.wiring import EPOCH, START_NS, HandClock, Worker, admitted, all_events, calls_of, settled
from trimtab.record import retention, tail
from trimtab.record.events import Settled
from trimtab.record.orphans import settle_orphans

LATER_NS = START_NS * 2


def numbers(segments):
    return [segment.number for segment in segments]


def every(directory):
    return {(segment.epoch, segment.number) for segment in tail.segments(directory / "spool")}


def test_segments_go_when_they_are_ingested_finished_and_old(tmp_path):
    """Each of the three alone keeps a segment."""
    worker = Worker(tmp_path, segment_bytes=1)
    for number in range(4):
        worker.recorder.admit(admitted(f"c{number}"))
        worker.recorder.settle(settled(f"c{number}"))
        worker.recorder.flush()
    spool = tmp_path / "spool"
    assert numbers(retention.spent_segments(spool, every(tmp_path), LATER_NS)) == [0, 1, 2, 3, 4, 5, 6]
    assert numbers(retention.spent_segments(spool, {(EPOCH, 0), (EPOCH, 1)}, LATER_NS)) == [0, 1]
    assert numbers(retention.spent_segments(spool, {(EPOCH, 1)}, LATER_NS)) == []
    for segment in tail.segments(spool)[:3]:
        os.utime(segment.path, ns=(1000, 1000))
    assert numbers(retention.spent_segments(spool, every(tmp_path), 2000)) == [0, 1, 2]
    worker.recorder.close()
    spent = retention.spent_segments(spool, every(tmp_path), LATER_NS)
    assert numbers(spent) == list(range(8))
    retention.delete_segments(spent)
    assert tail.segments(spool) == [] and not (spool / EPOCH).exists()


def test_a_segment_with_an_open_call_stays_until_the_call_has_an_end(tmp_path):
    """What the supervisor would settle a call from is not deleted under it."""
    worker = Worker(tmp_path, segment_bytes=1)
    for call in ("a", "long", "b", "c"):
        worker.recorder.admit(admitted(call))
    for call in ("a", "b", "c"):
        worker.recorder.settle(settled(call))
        worker.recorder.flush()
    spool = tmp_path / "spool"
    spent = retention.spent_segments(spool, every(tmp_path), LATER_NS)
    assert numbers(spent) == [0]
    retention.delete_segments(spent)
    assert settle_orphans(tmp_path, EPOCH, HandClock()) == 1
    spent = retention.spent_segments(spool, every(tmp_path), LATER_NS)
    retention.delete_segments(spent)
    assert all_events(tmp_path) == []


def test_epochs_are_judged_each_for_itself(tmp_path):
    """An open call of one worker does not keep the segments of another."""
    for epoch, ends in (("g0-aaaaaaaaaaaa", False), ("g1-bbbbbbbbbbbb", True)):
        worker = Worker(tmp_path, epoch=epoch)
        worker.recorder.admit(admitted(epoch))
        if ends:
            worker.recorder.settle(settled(epoch))
        worker.recorder.close()
    spent = retention.spent_segments(tmp_path / "spool", every(tmp_path), LATER_NS)
    assert [segment.epoch for segment in spent] == ["g1-bbbbbbbbbbbb"]
    retention.delete_segments(spent)
    assert calls_of(all_events(tmp_path), Settled) == []


def test_packs_go_when_no_call_within_the_retention_can_refer_to_them(tmp_path):
    """A pack goes an hour after its last body left the retention, with its index; a live pack never goes."""
    worker = Worker(tmp_path, pack_bytes=1)
    for number in range(3):
        worker.request(b"%d" % number * 100, None)
    paths = sorted((tmp_path / "bodies" / EPOCH).glob("*.pack"))
    hour_ns = 3600 * 10**9
    for path in paths:
        os.utime(path, ns=(hour_ns, hour_ns))
        path.with_suffix(".idx").write_bytes(b"")
    assert retention.delete_packs(tmp_path / "bodies", 2 * hour_ns) == 0
    assert retention.delete_packs(tmp_path / "bodies", 2 * hour_ns + 1) == 2
    assert sorted(path.name for path in (tmp_path / "bodies" / EPOCH).iterdir()) == ["00000002.idx", "00000002.pack"]
    worker.recorder.close()
    os.utime(paths[2], ns=(hour_ns, hour_ns))
    assert retention.delete_packs(tmp_path / "bodies", 3 * hour_ns) == 1
    assert not (tmp_path / "bodies" / EPOCH).exists()
