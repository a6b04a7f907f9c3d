# Made from runs/answering.py by `python -m trimtab.runs.generate`; change that one, and make this again.
"""Models' answers: asked of whoever answers for them, inside a run as its steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from trimtab.declare.changed import decode, for_step
from trimtab.journal.asks import Begun
from trimtab.runs.blocking import flow
from trimtab.runs.blocking.stepping import heard, know_before, load, take, written
from trimtab.runs.declared import Request
from trimtab.runs.faults import Leaving, ModelFailed, NotData
from trimtab.runs.lines import Line
from trimtab.runs.models import Asked, Reply, reply_of
from trimtab.runs.runtime import current
from trimtab.runs.session import Act, Place, Session, here, labelled, moved_on
from trimtab.runs.stamping import line_of, step_headers


def answer(asked: Asked, name: str = "") -> Reply:
    """What a model answers; in a run a step of that name, or of the task's. Raises `ModelFailed`."""
    place = here()
    if place is None:
        body, _ = flow.asked_model(current(), asked, dict(asked.headers))
        return reply_of(asked.task, body)
    label = labelled(place, name or asked.task)
    if place.session.runtime.models.journaled:
        return _through_gateway(place, asked, label)
    request = Request.of("model", asked.task, label, {"messages": asked.messages, "inputs": asked.inputs})

    def call(begun: Begun) -> Any:
        changed = changed_for(place.session, begun, label, asked)
        body, _ = flow.asked_model(place.session.runtime, changed, {})
        return msgspec.json.decode(body)

    return reply_of(asked.task, take(place, Act("model", label, request), call))


def changed_for(session: Session, begun: Begun, label: str, asked: Asked) -> Asked:
    """What is asked, with what a fork changes of it; the step's result will tell."""
    if begun.changes is None:
        return asked
    meant = for_step(decode(load(session, begun.changes)), label, asked.task)
    whole = {one.name: "its messages came whole" for one in meant if one.kind == "prompt" and not asked.is_prompted}
    changes = {one.name: one.value for one in meant if one.name not in whole}
    session.changed[begun.seq] = (changes, whole)
    return replace(asked, changes=changes)


def _through_gateway(place: Place, asked: Asked, label: str) -> Reply:
    """The gateway journals the step; it is told where it lies, and says which it was."""
    session = place.session
    try:
        body = asked.body()
    except (TypeError, ValueError, RecursionError) as unfit:
        raise NotData(what="what is asked", label=label, detail=str(unfit)) from unfit
    line, _ = line_of(place, body)
    heard(session, line)
    headers = step_headers(session, line, label) | dict(asked.headers)
    try:
        with session.working():
            _leave_again(session, line, label)
            body, seq = flow.asked_model(session.runtime, asked, headers)
        line.last = seq or line.last
    except Leaving as leaving:
        raise session.leave(leaving.why) from leaving
    except ModelFailed as failed:
        line.last = failed.seq or (line.last if failed.facts["status"] else written(session, line))
        raise
    except BaseException as failure:
        if flow.stopped(failure) and session.left is None:
            line.last = flow.settled(written(session, line))
        raise
    finally:
        moved_on(place, line)
    return reply_of(asked.task, body)


def _leave_again(session: Session, line: Line, label: str) -> None:
    """Waits for the program to give up a call that it gave up before."""
    know_before(session)
    folded = session.folded
    seq = folded.next.get((line.name, line.last), 0)
    is_passed = session.replays or (line.name, seq) in folded.next
    if is_passed and seq in folded.given_up and folded.acts[seq].label == label:
        flow.never()
