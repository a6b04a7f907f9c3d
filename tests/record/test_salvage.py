"""What is whole behind damage in a segment is read out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.samples import filled
from trimtab.record import fileheader, frames
from trimtab.record.events import Change, Settled
from trimtab.record.frames import SEAL, SEGMENT
from trimtab.record.salvage import damage_at, readable, salvage

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
    found = list(salvage(tmp_path / "1.seg", damaged))
    assert found == list(zip([*starts[hit + 2 :], len(data)], EVENTS[hit + 1 :], strict=True))
    assert list(salvage(tmp_path / "1.seg", found[0][0])) == found[1:]
    assert [event for _, event in readable(tmp_path / "1.seg", 0)] == EVENTS[:hit] + EVENTS[hit + 1 :]


def test_a_length_that_points_past_the_end_is_damage(tmp_path: Path) -> None:
    """It looks like a record that is still being written, which a segment that is done with has not."""
    data, starts = written(tmp_path / "1.seg")
    broken = bytearray(data)
    broken[starts[4] + 2] = 0x7F
    (tmp_path / "1.seg").write_bytes(bytes(broken))
    assert damage_at(tmp_path / "1.seg") == starts[4]
    assert [event for _, event in salvage(tmp_path / "1.seg", starts[4])] == EVENTS[5:]


@pytest.mark.parametrize("seal", [b"", SEAL])
def test_a_torn_last_record_is_damage_only_where_the_segment_was_sealed_behind_it(tmp_path: Path, seal: bytes) -> None:
    """A crash tears the last record; nobody seals behind a torn one."""
    data, starts = written(tmp_path / "1.seg")
    (tmp_path / "1.seg").write_bytes(data[: starts[11] + 20] + seal)
    assert damage_at(tmp_path / "1.seg") == (starts[11] if seal else -1)


def test_records_of_any_number_of_fields_are_found(tmp_path: Path) -> None:
    """A map of over 15 fields begins in another way than a small one (MessagePack's fixmap and map 16)."""
    big: Settled = filled(Settled)
    written(tmp_path / "1.seg")
    buffer = bytearray(b"junk")
    frames.append(buffer, big)
    with (tmp_path / "1.seg").open("ab") as file:
        file.write(buffer)
    assert [event for _, event in readable(tmp_path / "1.seg", 0)] == [*EVENTS, big]


@pytest.mark.parametrize("text", [b"\x82\xa4type" * 20_000, b"\0" * 2_000_000, b"\xde\xde\xde\x83\xa4type" * 20_000])
def test_what_only_looks_like_records_is_passed_over(tmp_path: Path, text: bytes) -> None:
    """Beginnings without a checksum that fits, and nothing at all."""
    _, starts = written(tmp_path / "1.seg")
    last = (tmp_path / "1.seg").read_bytes()[starts[11] :]
    (tmp_path / "1.seg").write_bytes((tmp_path / "1.seg").read_bytes()[: starts[1]] + text + last)
    assert [event for _, event in readable(tmp_path / "1.seg", 0)] == [EVENTS[0], EVENTS[11]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 1 << 12), junk=st.binary(min_size=1, max_size=60))
def test_any_damage_gives_only_true_events_in_order(tmp_path: Path, at: int, junk: bytes) -> None:
    """Whatever is written over the file, what comes out was in it, in its order, and nothing untouched is missing."""
    data, starts = written(tmp_path / "1.seg")
    place = at % len(data)
    (tmp_path / "1.seg").write_bytes(data[:place] + junk + data[place + len(junk) :])
    found = [event for _, event in salvage(tmp_path / "1.seg", 0)]
    untouched = [
        event
        for event, start, end in zip(EVENTS, starts, [*starts[1:], len(data)], strict=True)
        if end <= place or start >= place + len(junk)
    ]
    positions = [EVENTS.index(event) for event in found if isinstance(event, Change)]
    assert len(positions) == len(found)
    assert positions == sorted(positions)
    assert set(map(EVENTS.index, untouched)) <= set(positions)
