"""Streams across wires, both ways: in any pieces, and whatever a server sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway_translate import sdk
from tests.gateway_translate.golden import answer, chunks, forwarded, names
from tests.gateway_translate.streams import (
    BEGIN,
    COUNTED,
    DONE,
    END,
    READERS,
    ROLE,
    STOPPABLE,
    THOUGHT_AND_CALLED,
    call,
    chat_asked,
    chunk,
    message_asked,
    start,
    to_chat,
    to_messages,
)
from trimtab.gateway.surfaces.surface import Facts, Keep


@pytest.mark.parametrize(
    ("name", "ended"), [("chat_length_stream", "max_tokens"), ("messages_length_stream", "length")]
)
def test_recorded_answers_that_ran_into_their_limit(name: str, ended: str) -> None:
    """The limit is told as one."""
    if name.startswith("chat"):
        assert (
            sdk.streamed_message(forwarded(to_messages.reader(message_asked), chunks(answer(name))))["stop_reason"]
            == ended
        )
    else:
        data = forwarded(to_chat.reader(chat_asked(usage=True)), chunks(answer(name)))
        assert sdk.streamed_chat(data)["choices"][0]["finish_reason"] == ended


@pytest.mark.parametrize("name", [*names("chat_", ".answer.sse"), *names("messages_", ".answer.sse")])
@pytest.mark.parametrize("keep", [Keep(), Keep(added=True, replies=True, end=True)])
@given(data=st.data())
def test_recorded_streams_may_come_in_any_pieces(name: str, keep: Keep, data: st.DataObject) -> None:
    """However the bytes are cut, what is written and what is told of them is the same."""
    make = READERS[name.split("_", maxsplit=1)[0] + "_"]
    stream = answer(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut, at_once = make(keep), make(keep)
    assert forwarded(cut, pieces) + cut.ending == forwarded(at_once, [stream]) + at_once.ending
    assert cut.facts == at_once.facts
    assert cut.finish()


def test_a_stream_that_cannot_be_written_is_never_done() -> None:
    """Even where its terminal marker came in the same read."""
    for reader, bad in (
        (to_messages.reader(message_asked), chunk({"audio": {"id": "a"}}) + DONE),
        (to_chat.reader(chat_asked(usage=True)), BEGIN + start(0, type="server_tool_use", id="s", input={}) + END),
    ):
        reader.feed(bad)
        assert reader.failure
        assert (reader.done, reader.finish()) == (False, False)


CHAT_EVENTS = [
    ROLE,
    *STOPPABLE,
    call(None, "{}"),
    chunk({"content": "x"}, "stop"),
    chunk({"reasoning": "r"}),
    COUNTED,
    DONE,
]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([*CHAT_EVENTS, *THOUGHT_AND_CALLED]), max_size=10))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    """Whatever a server sends, a failed stream never ends well, and what is open can be closed."""
    for make in READERS.values():
        for keep in (Keep(), Keep(added=True, replies=True, end=True)):
            reader = make(keep)
            forwarded(reader, pieces)
            assert isinstance(reader.facts, Facts)
            assert not (reader.failure and reader.finish())
            reader.stop("length")
