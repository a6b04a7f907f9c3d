"""Server-sent events are split the same way however the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.gateway.surfaces import sse
from trimtab.gateway.surfaces.sse import EventSplitter, EventTooLarge, NotAnEvent, data_of, sole_object

STREAM = b'data: {"a":1}\n\n: ping\n\ndata: x\r\ndata: y\r\n\r\nevent: end\ndata: [DONE]\n\n'
EVENTS = [b'data: {"a":1}\n\n', b": ping\n\n", b"data: x\r\ndata: y\r\n\r\n", b"event: end\ndata: [DONE]\n\n"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_splits_do_not_change_the_events(cuts: list[int]) -> None:
    """Events are the same whole and in order wherever the network cuts the bytes."""
    splitter, events, start = EventSplitter(), [], 0
    for cut in [*sorted(cuts), len(STREAM)]:
        events += splitter.feed(STREAM[start:cut])
        start = cut
    assert events == EVENTS
    assert not splitter.held


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_byte_is_lost_or_made_up(parts: list[bytes]) -> None:
    """Whatever comes in, events are a prefix of it and every event ends in a blank line."""
    splitter, out = EventSplitter(), b""
    for part in parts:
        for event in splitter.feed(part):
            assert event.endswith((b"\n\n", b"\n\r\n"))
            out += event
    assert b"".join(parts).startswith(out)


def test_event_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event longer than the bound raises instead of filling memory."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    splitter = EventSplitter()
    with pytest.raises(EventTooLarge):
        for _ in range(30):
            splitter.feed(b"data: xyz\n")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b'data: {"a":1}\n\n', b'{"a":1}'),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: x\r\ndata: y\r\n\r\n", b"x\ny"),
        (b"event: done\ndata: [DONE]\nid: 7\n\n", b"[DONE]"),
        (b": a comment\n\n", None),
        (b"event: ping\n\n", None),
        (b"\n\n", None),
    ],
)
def test_data_of_an_event(event: bytes, data: bytes | None) -> None:
    """Data lines are joined, one space after the colon is dropped, everything else has no data."""
    assert data_of(event) == data


@pytest.mark.parametrize("event", [b"database: no\n\n", b"<html>\n\n", b'{"error": 1}\n\n', b"\xff\xfe\n\n"])
def test_what_is_no_event_is_not_passed_over(event: bytes) -> None:
    """A line that no field of the standard begins means that the server speaks something else."""
    with pytest.raises(NotAnEvent):
        data_of(event)


PARTS = [b"data: ", b"data:", b"{", b"}", b'{"a":1}', b"\n", b"\r", b"\n\n", b"\r\n", b"x", b": ping", b"[DONE]"]


@given(st.lists(st.sampled_from(PARTS), max_size=8).map(b"".join))
def test_a_sole_object_is_the_data_of_the_only_event(data: bytes) -> None:
    """The short way agrees with the long one wherever it says anything."""
    found = sole_object(data)
    if found is not None:
        assert EventSplitter().feed(data) == [data]
        assert data_of(data) == found


def test_the_usual_event_is_a_sole_object() -> None:
    """The short way is taken for what servers send, and for nothing that is less or more."""
    event = b'data: {"a":1}\n\n'
    assert sole_object(event) == b'{"a":1}'
    for other in (event * 2, event[:-1], event[1:], b"data: [DONE]\n\n", b'data: {"a":\r1}\n\n', b"id: 1\n" + event):
        assert sole_object(other) is None
