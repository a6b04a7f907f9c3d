"""Reading the spool: beside the writer, over torn tails, and on bytes that are no spool."""

import contextlib
import shutil
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.wiring import EPOCH, Worker, admitted, all_events, attempt, settled
from trimtab.errors import FormatError, StoreError
from trimtab.record import fileheader, frames, tail
from trimtab.record.fileheader import FileHeader
from trimtab.record.frames import SEAL, SEGMENT

EVENTS = [admitted("a"), attempt("a"), settled("a", chunk_lengths=bytes(50)), admitted("b")]


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    """The bytes of a segment of four events that was closed in order."""
    directory = tmp_path_factory.mktemp("data")
    worker = Worker(directory)
    worker.recorder.admit(EVENTS[0])
    worker.recorder.attempt(EVENTS[1])
    worker.recorder.settle(EVENTS[2])
    worker.recorder.admit(EVENTS[3])
    worker.recorder.close()
    return (directory / "spool" / EPOCH / "00000000.seg").read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A path to write a segment's bytes to."""
    directory = tmp_path_factory.mktemp("spool") / EPOCH
    directory.mkdir()
    return directory / "00000000.seg"


def read(path, data, start=0):
    path.write_bytes(data)
    return [event for _, event in tail.read(path, start)]


def test_a_reader_follows_a_writer(tmp_path):
    """Reading on from the last offset gives each event once, while the segment is written."""
    worker = Worker(tmp_path)
    seen, offset = [], 0
    for number in range(20):
        worker.recorder.admit(admitted(f"c{number}"))
        (segment,) = tail.segments(tmp_path / "spool")
        for end, event in tail.read(segment.path, offset):
            offset = end
            seen.append(event.call)
        assert seen == [f"c{n}" for n in range(number + 1)]
        assert not tail.finished(segment)
    worker.recorder.close()
    assert tail.finished(segment) and list(tail.read(segment.path, offset)) == []


def test_any_truncation_is_a_torn_tail(segment, place):
    """Cut anywhere, a segment gives the whole events before the cut and no error."""
    ends = [64]
    place.write_bytes(segment)
    ends += [offset for offset, _ in tail.read(place, 0)]
    for size in range(len(segment)):
        whole = sum(1 for end in ends[1:] if end <= size)
        assert read(place, segment[:size]) == EVENTS[:whole]
        assert not frames.is_sealed(place)


def test_a_tail_of_zeros_is_torn(segment, place):
    """What a file system may leave after a power cut, zeros to the end, is a torn tail."""
    unsealed = segment[: -len(SEAL)]
    assert read(place, unsealed + bytes(5000)) == EVENTS
    with pytest.raises(FormatError):
        read(place, unsealed + bytes(5000) + b"x")


def test_a_torn_last_checksum_waits(segment, place):
    """A last frame of the right length with wrong bytes is a torn tail; with anything behind it, damage."""
    unsealed = bytearray(segment[: -len(SEAL)])
    unsealed[-1] ^= 1
    assert read(place, bytes(unsealed)) == EVENTS[:3]
    with pytest.raises(FormatError, match="checksum"):
        read(place, bytes(unsealed) + SEAL)


def test_damage_is_told_with_path_and_offset_and_can_be_passed_over(tmp_path):
    """A damaged segment says where; the next one can be read all the same."""
    worker = Worker(tmp_path, segment_bytes=1)
    for number in range(3):
        worker.recorder.admit(admitted(f"c{number}"))
    worker.recorder.close()
    first, second, third = tail.segments(tmp_path / "spool")
    data = bytearray(second.path.read_bytes())
    data[70] ^= 0xFF
    second.path.write_bytes(data + b"more")
    with pytest.raises(FormatError, match=f"{second.path} at byte 64"):
        list(tail.read(second.path, 0))
    others = [event.call for one in (first, third) for _, event in tail.read(one.path, 0)]
    assert others == ["c0", "c2"]


def test_half_a_frame_written_over_is_no_damage(segment, place):
    """If half a frame is cut off and written over while it is read, the reader stops and comes back for the new one."""
    whole = segment[: -len(SEAL)]
    place.write_bytes(whole[:-30])
    reading = tail.read(place, 0)
    assert [next(reading)[1] for _ in range(3)] == EVENTS[:3]
    other = admitted("z", model="large")
    buffer = bytearray()
    size = frames.append(buffer, other)
    place.write_bytes(whole[:-size] + buffer + buffer)
    assert list(reading) == []
    assert read(place, place.read_bytes()) == [*EVENTS[:3], other, other]


@pytest.mark.parametrize(
    "header, complaint",
    [
        (b"GIF89a" + bytes(58), "does not begin with"),
        (fileheader.encode(SEGMENT._replace(version=99), FileHeader(EPOCH, 0, 0)), "format version 99"),
        (fileheader.encode(SEGMENT, FileHeader(EPOCH, 0, 0))[:-1] + b"\0", "header's checksum"),
    ],
)
def test_what_is_no_segment_is_said_to_be_none(place, header, complaint):
    """A foreign file, a newer version and a damaged header are refused by name."""
    with pytest.raises(FormatError, match=complaint):
        read(place, header)


def test_a_record_of_unknown_kind_is_refused(place):
    """A frame that is whole but holds no event of this version is damage, not a guess."""
    payload = b"\x81\xa4type\xa5later"
    head = struct.pack("<II", len(payload), zlib.crc32(payload))
    with pytest.raises(FormatError, match="not an event"):
        read(place, fileheader.encode(SEGMENT, FileHeader(EPOCH, 0, 0)) + head + payload)


def test_a_missing_file_is_a_typed_error(tmp_path):
    """A segment that was deleted meanwhile raises `StoreError`."""
    with pytest.raises(StoreError):
        list(tail.read(tmp_path / "gone.seg", 0))


@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_arbitrary_bytes_give_events_or_a_typed_error(place, data, start):
    """No bytes make the reader crash or hang."""
    for raw in (data, fileheader.encode(SEGMENT, FileHeader(EPOCH, 0, 0)) + data):
        with contextlib.suppress(FormatError):
            assert read(place, raw, start) == []


@given(st.data())
def test_flipped_bits_give_a_prefix_or_a_typed_error(segment, place, data):
    """Wherever bits flip, no wrong event is read: a prefix of the right ones comes, then the end or a typed error."""
    raw = bytearray(segment)
    for position in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[position] ^= 1 << data.draw(st.integers(0, 7))
    place.write_bytes(raw)
    seen = []
    try:
        for _, event in tail.read(place, 0):
            seen.append(event)
    except FormatError:
        pass
    assert seen == EVENTS[: len(seen)]


def test_a_huge_length_asks_for_no_memory(place):
    """A length over the limit is damage, it is not tried."""
    head = struct.pack("<II", 0xFFFFFFF0, 1)
    with pytest.raises(FormatError, match="no record"):
        read(place, fileheader.encode(SEGMENT, FileHeader(EPOCH, 0, 0)) + head + bytes(100))


def test_only_segments_are_listed(tmp_path):
    """Other files and other names in the spool are left alone; the order is epoch, then number."""
    for epoch in ("g1-b", "g0-a"):
        worker = Worker(tmp_path, epoch=epoch, segment_bytes=1)
        for number in range(11):
            worker.recorder.admit(admitted(f"{epoch}{number}"))
        worker.recorder.close()
    (tmp_path / "spool" / "g0-a" / "notes.txt").write_text("x")
    (tmp_path / "spool" / "g0-a" / "later.seg").write_text("x")
    found = [(segment.epoch, segment.number) for segment in tail.segments(tmp_path / "spool")]
    assert found == [(epoch, number) for epoch in ("g0-a", "g1-b") for number in range(11)]
    shutil.rmtree(tmp_path / "spool")
    assert tail.segments(tmp_path / "spool") == []
    assert all_events(tmp_path) == []
