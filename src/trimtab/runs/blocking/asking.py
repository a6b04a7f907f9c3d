# Made from runs/asking.py by `python -m trimtab.runs.generate`; change that one, and make this again.
"""Models' calls as steps of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from trimtab.journal.asks import Begun
from trimtab.runs.blocking import flow
from trimtab.runs.blocking.stepping import take
from trimtab.runs.declared import Request
from trimtab.runs.faults import Leaving, NotData
from trimtab.runs.models import Asked, Message, Reply, messages_of, reply_of
from trimtab.runs.runtime import current
from trimtab.runs.session import Act, Place, here, labelled, moved_on
from trimtab.runs.stamping import line_of, step_headers


def model(task: str, messages: Sequence[Message] | str = (), /, **inputs: Any) -> Reply:
    """What the task's model answers to its prompt with these inputs, and to messages behind it; a text is a user's.

    Raises `ModelFailed`.
    """
    asked = Asked(task, messages_of(messages), inputs)
    place = here()
    if place is None:
        body, _ = flow.asked_model(current(), asked, {})
        return reply_of(task, body)
    if place.session.runtime.models.journaled:
        return _through_gateway(place, asked)
    label = labelled(place, task)
    request = Request.of("model", task, label, {"messages": asked.messages, "inputs": asked.inputs})

    def call(begun: Begun) -> Any:
        body, _ = flow.asked_model(place.session.runtime, asked, {})
        return msgspec.json.decode(body)

    return reply_of(task, take(place, Act("model", label, request), call))


def _through_gateway(place: Place, asked: Asked) -> Reply:
    """The gateway journals the step; it is told where it lies, and says which it was."""
    session = place.session
    label = labelled(place, asked.task)
    try:
        body = asked.body()
    except (TypeError, ValueError, RecursionError) as unfit:
        raise NotData(what="what is asked", label=label, detail=str(unfit)) from unfit
    line = line_of(place, body)
    headers = step_headers(session, line, label)
    try:
        with session.working():
            body, seq = flow.asked_model(session.runtime, asked, headers)
        line.last = seq or line.last
    except Leaving as leaving:
        raise session.leave(leaving.why) from leaving
    finally:
        moved_on(place, line)
    return reply_of(asked.task, body)
