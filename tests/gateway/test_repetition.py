"""Answers that repeat themselves: stopped on every surface with an end that says so, or only flagged."""

from __future__ import annotations

import pytest

from tests.gateway.test_contract_faults import EVERYWHERE, asked
from tests.gateway.wires import CHAT, RESPONSES, Wire, code_of
from trimtab.declare.project import Output, Schema
from trimtab.testing import Answer, Framing, Hang, Script, Send, event, sse_answer


@EVERYWHERE
def test_a_loop_is_stopped_on_every_surface(wire: Wire) -> None:
    """The client's stream ends as its API has it, the replica is cancelled, and what was used is an estimate."""
    loop = ("I am sorry. ",) * 400
    events = wire.events(loop, "stop")
    end = {"messages": 3, "responses": 4}.get(wire.name, 3)
    script = Script((Send(Framing().head()), *Framing(events_in_chunk=5).steps(events[:-end]), Hang()))
    played = asked(wire, [script], stream=True, output=None, repetition="stop")
    assert played.logged == []
    assert played.response.whole
    assert "response.incomplete" in played.response.body.decode() if wire is RESPONSES else wire.ended(played.response)
    settled = played.settled
    assert (settled.outcome, settled.repetition, settled.repetition_stopped) == ("ok", "loop", True)
    assert (settled.finish_reason, settled.cost_label) == ("repetition", "estimated")
    text = wire.text(played.response)
    assert 0 < len(text) < 12 * 400
    assert "".join(loop).startswith(text)
    assert ("incomplete" if wire is RESPONSES else "repetition") in wire.finish(played.response)


@EVERYWHERE
@pytest.mark.parametrize("on_invalid", ["repair", "reject", "pass"])
def test_a_loop_in_a_held_answer(wire: Wire, on_invalid: str) -> None:
    """A text that loops inside its JSON is truncated: refused, or passed on with its end if the task lets it."""
    output = Output(Schema('{"type":"string"}', "d"), on_invalid, hold=True)  # type: ignore[arg-type]
    events = wire.events(('"', *("I am sorry. ",) * 400), "stop")
    end = {"messages": 3, "responses": 4}.get(wire.name, 3)
    script = Script((Send(Framing().head()), *Framing(events_in_chunk=5).steps(events[:-end]), Hang()))
    played = asked(wire, [script], stream=True, output=output, repetition="stop")
    assert played.logged == []
    assert len(played.sent) == 1
    settled = played.settled
    assert (settled.verdict, settled.repetition_stopped) == ("truncated", True)
    if on_invalid == "pass":
        assert played.response.whole
        assert wire.text(played.response).startswith('"I am sorry. ')
    else:
        assert (played.response.status, code_of(played.response)) == (422, "output_invalid")


def test_a_loop_that_had_its_end_is_only_flagged() -> None:
    """When the finish reason came in the same read there is nothing to stop, and it is told as it was."""
    whole = b"".join(Answer(("I am sorry. ",) * 400).events())
    played = asked(CHAT, [sse_answer([whole])], stream=True, output=None, repetition="stop")
    assert played.response.whole
    assert CHAT.finish(played.response) == "stop"
    assert (played.settled.repetition, played.settled.repetition_stopped) == ("loop", False)
    assert (played.settled.finish_reason, played.settled.cost_label) == ("stop", "exact")


def test_other_choices_are_not_stopped_for_one_that_loops() -> None:
    """Of several choices a loop in the first is flagged: the others may be good."""
    events = []
    for at in range(300):
        events.append(
            event({"id": "c", "choices": [{"index": 0, "delta": {"content": "I am sorry. "}, "finish_reason": None}]})
        )
        events.append(
            event({"id": "c", "choices": [{"index": 1, "delta": {"content": f"{at} is new. "}, "finish_reason": None}]})
        )
    ends = [event({"id": "c", "choices": [{"index": at, "delta": {}, "finish_reason": "stop"}]}) for at in (0, 1)]
    played = asked(CHAT, [sse_answer([*events, *ends, event(b"[DONE]")])], stream=True, output=None, repetition="stop")
    assert played.response.whole
    assert CHAT.finish(played.response) == "stopstop"
    assert (played.settled.repetition, played.settled.repetition_stopped) == ("loop", False)
