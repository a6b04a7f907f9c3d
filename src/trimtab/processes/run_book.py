"""What is made of runs' logs for people: a step with its bodies, two runs compared, a run as a tree of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from trimtab.console.run_desk import Branch, Compared, Otherwise
from trimtab.data.spoken import answered
from trimtab.journal.alignment import Reading, align
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import Body
from trimtab.journal.reading import body_read, log_read, row_of, rows_of
from trimtab.journal.requests import canonical
from trimtab.journal.steps import Log, Step, blinded, change_told, changes_used

MOST_COMPARED_BYTES: Final = 4 << 20
"""A longer body is compared by its digest."""
MOST_CHILDREN: Final = 200
DEEPEST: Final = 8
FACTS: Final = ("task", "name", "lock", "snapshot", "environment", "key", "conversation", "end_user")
"""What of two starts is told where it differs; the inputs are compared with the steps."""


def compared(journal: BlockingAsking, left: str, right: str) -> Compared:
    """Two runs side by side; raises `RunUnknown`."""
    rows = row_of(journal, left), row_of(journal, right)
    logs = blinded(log_read(journal, left)), blinded(log_read(journal, right))
    overrides = logs[1].started.overrides if logs[1].started is not None else {}
    changes = {name: change_told(*what) for name, what in changes_used(logs[1]).items()}
    alignment = align(*logs, reading_of(journal, *logs))
    return Compared(*rows, tuple(_otherwise(*logs)), overrides, alignment, changes)


def reading_of(journal: BlockingAsking, left: Log, right: Log) -> Reading:
    """How the bodies of two runs' steps are read: requests in canonical form, models' answers without ids and times."""
    runs = {id(step): log.run for log in (left, right) for step in log.steps}

    def body(body: Body) -> bytes | None:
        if body.size > MOST_COMPARED_BYTES:
            return None
        return next((found for log in (left, right) if (found := body_read(journal, log.run, body)) is not None), None)

    def request(step: Step) -> bytes | None:
        given = step.intent.input
        if given is None or given.size > MOST_COMPARED_BYTES:
            return None
        found = body_read(journal, runs[id(step)], given)
        return request_form(step, found) if found is not None else None

    def answer(step: Step) -> bytes | None:
        output = output_of(step)
        if output is None:
            return b"null"
        found = body_read(journal, runs[id(step)], output) if output.size <= MOST_COMPARED_BYTES else None
        return answer_form(step, found) if found is not None else None

    return Reading(request, answer, body)


def output_of(step: Step) -> Body | None:
    """What a step answered, or what a person said that it did."""
    if step.result is not None:
        return step.result.output
    return step.reconciled.output if step.reconciled is not None else None


def request_form(step: Step, content: bytes) -> bytes:
    """A request in canonical form."""
    try:
        shown = msgspec.json.decode(canonical(step.intent.step, "", content).shown)
        return msgspec.json.encode(shown["request"])
    except (ValueError, RecursionError):
        return content


def answer_form(step: Step, content: bytes) -> bytes:
    """What an answer says: of a model its text and tool calls, so that ids, times and chunks do not count."""
    said = answered(content, MOST_COMPARED_BYTES) if step.intent.step == "model" else None
    if said is None:
        return content
    return json.dumps(_without_ids(said), ensure_ascii=False).encode("utf-8", "backslashreplace")


def _without_ids(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    calls = [{name: part for name, part in call.items() if name != "id"} for call in said.get("tool_calls", ())]
    return {**said, "tool_calls": calls}


def _otherwise(left: Log, right: Log) -> Iterator[Otherwise]:
    mine, theirs = left.started, right.started
    if mine is None or theirs is None:
        return
    for fact in FACTS:
        one, other = getattr(mine, fact), getattr(theirs, fact)
        if one != other:
            yield Otherwise(fact, one, other)


def tree_of(journal: BlockingAsking, run: str, deepest: int = DEEPEST) -> Branch:
    """A run with the runs that it began, theirs, and so on; raises `RunUnknown`."""
    return _branch(journal, row_of(journal, run), deepest)


def _branch(journal: BlockingAsking, row: RunRow, deepest: int) -> Branch:
    forks = rows_of(journal, Find(fork_of=row.run, limit=MOST_CHILDREN))
    children: Sequence[RunRow] = rows_of(journal, Find(parent=row.run, limit=MOST_CHILDREN)) if deepest else ()
    ordered = sorted(children, key=lambda one: (one.started_ns, one.run))
    return Branch(row, tuple(_branch(journal, child, deepest - 1) for child in ordered), forks)
