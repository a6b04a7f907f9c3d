"""Captures: delays and lengths of chunks, and their bounds."""

import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.record import capture as module
from trimtab.record import varints
from trimtab.record.capture import Capture


def open_capture(redaction="full", began_s=100.0):
    return Capture(redaction, began_s, lambda piece: bytes(32))


@given(st.lists(st.integers(0, 2**70)))
def test_packed_integers_come_back(values):
    """Integers of any size survive packing."""
    packed = bytearray()
    varints.extend(packed, values)
    assert varints.unpack(bytes(packed)) == values


def test_packing_is_leb128():
    """300 is 0xAC 0x02, as in the Protocol Buffers encoding guide; a cut integer is refused."""
    packed = bytearray()
    varints.extend(packed, (0, 127, 128, 300))
    assert packed == b"\x00\x7f\x80\x01\xac\x02"
    with pytest.raises(ValueError, match="end amid one"):
        varints.unpack(b"\x05\x80")


@pytest.mark.parametrize("redaction", ["full", "preview", "digest", "none"])
def test_chunks_are_timed_whatever_is_kept_of_them(redaction):
    """Each chunk has its delay in microseconds since the one before, and its length."""
    capture = open_capture(redaction)
    capture.add(b"abc", 100.25)
    capture.add(b"", 100.25)
    capture.add(b"x" * 300, 101.75)
    assert varints.unpack(capture.delays_us) == [250_000, 0, 1_500_000]
    assert varints.unpack(capture.lengths) == [3, 0, 300]
    assert capture.size == 303
    capture.close()
    assert capture.held() == b""


def test_a_clock_that_stands_still_or_jitters_makes_no_negative_delay():
    """Delays are never below zero."""
    capture = open_capture()
    capture.add(b"a", 99.0)
    assert varints.unpack(capture.delays_us) == [0]


def test_chunks_over_the_limit_count_into_the_last(monkeypatch):
    """The number of chunks told apart is bounded; no byte and no microsecond is lost from the sums."""
    monkeypatch.setattr(module, "MAX_CHUNKS", 4)
    capture = open_capture("none", 0.0)
    for number in range(1, 11):
        capture.add(b"xx", float(number))
    assert varints.unpack(capture.lengths) == [2, 2, 2, 14]
    assert varints.unpack(capture.delays_us) == [1_000_000, 1_000_000, 1_000_000, 7_000_000]
    assert len(open_capture().delays_us) == 0


def test_an_answer_over_the_limit_keeps_its_digest_only(monkeypatch):
    """Past the limit no further piece is kept, and the answer counts as not kept."""
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 40_000)
    pieces = []
    capture = Capture("full", 0.0, lambda piece: pieces.append(piece) or bytes(32))
    for _ in range(10):
        capture.add(b"x" * 10_000, 0.0)
    digest, kept = capture.finish()
    assert kept is None
    assert len(digest) == 32
    assert sum(map(len, pieces)) <= 40_000


@pytest.mark.parametrize("redaction", ["full", "preview", "digest"])
@given(chunks=st.lists(st.tuples(st.binary(max_size=700), st.integers(0, 3_000_000)), min_size=1, max_size=60))
def test_taking_chunks_in_together_changes_nothing(redaction, chunks):
    """However many chunks wait and whenever somebody looks, sizes, times and the digest are those of the chunks."""
    capture, now_us = open_capture(redaction, 0.0), 0
    for number, (data, delay_us) in enumerate(chunks):
        now_us += delay_us
        capture.add(data, now_us / 1e6)
        if number % 7 == 3:
            assert capture.size == sum(len(data) for data, _ in chunks[: number + 1])
    assert varints.unpack(capture.lengths) == [len(data) for data, _ in chunks]
    assert varints.unpack(capture.delays_us) == pytest.approx([delay_us for _, delay_us in chunks], abs=1)
    assert capture.finish()[0] == sha256(b"".join(data for data, _ in chunks)).digest()


@pytest.mark.parametrize("redaction", ["full", "digest", "none"])
def test_an_open_stream_holds_little(redaction):
    """5,000 open streams have to fit: however small 1,000 chunks are, a capture holds less than 30 KB."""
    held = []
    for size in (1, 200, 512, 513):
        capture = open_capture(redaction, 0.0)
        for number in range(1000):
            capture.add(bytes(size), number * 0.02)
            parts = [*capture._waiting, *capture._times_s, *capture._held, capture._delays_us, capture._lengths]
            held.append(sum(map(sys.getsizeof, parts)))
    assert max(held) < 30_000


def test_a_capture_says_what_it_holds():
    """`repr` tells redaction, chunks and bytes."""
    capture = open_capture()
    capture.add(b"abc", 100.0)
    assert repr(capture) == "Capture(full, 3 bytes in 1 chunks, 3 held)"
