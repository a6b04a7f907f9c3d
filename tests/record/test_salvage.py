"""What is whole behind damage in a segment is read out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.record import fileheader, frames
from trimtab.record.events import Change
from trimtab.record.frames import SEGMENT
from trimtab.record.salvage import damage_at, salvage

EVENTS = [Change(at, "worker_started", f"g{at}", detail="x" * (at % 5 * 40)) for at in range(12)]


def written(path: Path) -> tuple[bytes, list[int]]:
    """A segment of all events, and where each begins."""
    header = fileheader.encode(SEGMENT, fileheader.FileHeader("g0-000000000001", 1, 0))
    buffer, starts = bytearray(), []
    for event in EVENTS:
        starts.append(len(header) + len(buffer))
        frames.append(buffer, event)
    data = header + bytes(buffer)
    path.write_bytes(data)
    return data, starts


def test_a_good_segment_has_no_damage(tmp_path: Path) -> None:
    """Nothing is salvaged from what can be read."""
    written(tmp_path / "1.seg")
    assert damage_at(tmp_path / "1.seg") == -1


@pytest.mark.parametrize("hit", [0, 5, 9])
def test_the_records_behind_the_damage_are_found(tmp_path: Path, hit: int) -> None:
    """One damaged record costs that record and no other."""
    data, starts = written(tmp_path / "1.seg")
    broken = bytearray(data)
    broken[starts[hit] + 12] ^= 0xFF
    (tmp_path / "1.seg").write_bytes(bytes(broken))
    damaged = damage_at(tmp_path / "1.seg")
    assert damaged == (starts[hit] if hit else 0)
    assert list(salvage(tmp_path / "1.seg", starts[hit])) == EVENTS[hit + 1 :]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 1 << 12), junk=st.binary(min_size=1, max_size=60))
def test_any_damage_gives_only_true_events_in_order(tmp_path: Path, at: int, junk: bytes) -> None:
    """Whatever is written over the file, only events that were in it come out, in their order."""
    data, starts = written(tmp_path / "1.seg")
    place = starts[0] + at % (len(data) - starts[0])
    (tmp_path / "1.seg").write_bytes(data[:place] + junk + data[place + len(junk) :])
    found = list(salvage(tmp_path / "1.seg", starts[0]))
    untouched = [
        event
        for event, start, end in zip(EVENTS, starts, [*starts[1:], len(data)], strict=True)
        if end <= place or start >= place + len(junk)
    ]
    positions = [EVENTS.index(event) for event in found]
    assert positions == sorted(positions)
    assert set(map(EVENTS.index, untouched)) <= set(positions)
