"""What happened in this call? When, what was said, what was found of it, what it cost, and the bytes themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console.bodies import MOST_READ, MOST_TAKEN, Body, Said, read_answer, read_body, read_request
from trimtab.console.endpoint import Query
from trimtab.console.marks import outcome_mark, verdict_mark
from trimtab.console.page import Action, Asked, Attachment, Built, Download, Page
from trimtab.console.pages.call_facts import belongings, context_facts, summary
from trimtab.console.pages.call_tables import tables_of
from trimtab.console.parts import Parts, Stores
from trimtab.console.said import Part, Turn, pretty, within
from trimtab.console.waterfall import PHASES, Gaps, Row, gap_bars, gaps_of, rows_of, waterfall
from trimtab.data.drawn import line_of
from trimtab.errors import InvalidRequest
from trimtab.journal.dead_letters import DeadLetter
from trimtab.policy.snapshot import UNDECLARED
from trimtab.record.events import Attempt, Score, Settled
from trimtab.store.telemetry import CallDetail

MOST_SHOWN: Final = 1_000_000
"""Characters of a conversation that a page bears; of earlier turns only the beginning is shown then."""
AT_ONCE: Final = 12
"""Turns of a request that are shown; those before them fold."""
FORM_FIELDS: Final = ("score", "label", "comment", "correct")
Side = Literal["request", "response"]


class CallPageData(Struct, frozen=True):
    """One call: its record (without the times of chunks, of which `gaps` tells), its attempts and their phases, what
    was asked and answered as far as it was kept, and what was said of it afterwards.
    """

    call: Settled
    attempts: tuple[Attempt, ...]
    phases: tuple[Row, ...]
    gaps: Gaps | None
    request: Said
    response: Said
    judgements: tuple[Score, ...]


@dataclass(frozen=True)
class Found:
    """What the stores told of a call."""

    detail: CallDetail
    scores: tuple[Score, ...]
    letter: DeadLetter | None
    request: Body
    response: Body


async def build(asked: Asked, parts: Parts) -> Built[CallPageData]:
    """The page."""
    name = asked.path["call"]
    found = await parts.asker.ask(partial(find, name, asked, previewed(parts)))
    if found is None:
        raise no_call(name)
    call, attempts = found.detail.call, found.detail.attempts
    request, response = await asyncio.to_thread(_said, found)
    rows, gaps = rows_of(call, attempts), gaps_of(call)
    bare = msgspec.structs.replace(call, chunk_delays_us=b"", chunk_lengths=b"")
    data = CallPageData(bare, attempts, rows, gaps, request, response, found.scores)
    extra: dict[str, Any] = {
        "summary": summary(asked, call),
        "belongings": belongings(asked, call),
        "context": context_facts(asked, call.admitted.context),
        "waterfall": waterfall(call, rows),
        "legend": [
            (kind, PHASES[kind]) for kind in PHASES if any(one.kind == kind for row in rows for one in row.phases)
        ],
        "gap_bars": gap_bars(gaps) if gaps is not None else "",
        "earlier": request.turns[:-AT_ONCE],
        "asked_turns": request.turns[-AT_ONCE:],
        "letter": found.letter,
        "dead": asked.to(f"/dead/{quote(found.letter.id, safe='')}") if found.letter is not None else "",
        "schema": schema_of(parts, call),
        "can_judge": parts.feedback is not None,
        "given": asked.query.get("given") == "true",
        "call_path": quote(name, safe=""),
        "outcome": outcome_mark(call.outcome),
        "verdict": verdict_mark(call.verdict),
    }
    tables = tables_of(asked, call, attempts, found.scores)
    return Built(data, tables, title=f"Call {name[-8:]}", extra=extra)


def previewed(parts: Parts) -> frozenset[str]:
    """The tasks of whose bodies no more than a preview is kept, however large they are."""
    policy = parts.policy()
    found = {name for name, task in policy.tasks.items() if task.redaction == "preview"}
    return frozenset(found | ({UNDECLARED} if policy.defaults.undeclared_redaction == "preview" else set()))


def find(name: str, asked: Asked, short_tasks: frozenset[str], stores: Stores) -> Found | None:
    """A call with all that belongs to it; None where it is not here, or is of a task that the visitor may not see."""
    detail = stores.telemetry.call(name)
    if detail is None or not asked.visitor.sees(detail.call.admitted.task):
        return None
    call = detail.call
    is_short = call.admitted.task in short_tasks
    return Found(
        detail,
        stores.telemetry.score_rows(name),
        stores.letters.get(name) if stores.letters is not None else None,
        read_body(stores, call.admitted.request_body, call.admitted.request_bytes, MOST_READ, is_short=is_short),
        read_body(stores, call.response_body, call.response_bytes, MOST_READ, is_short=is_short),
    )


def _said(found: Found) -> tuple[Said, Said]:
    """What was asked and answered; an answer that had to keep a schema is set out as JSON."""
    request, response = read_request(found.request), read_answer(found.response)
    if found.detail.call.admitted.schema:
        response = replace(response, turns=tuple(map(_set_out, response.turns)))
    return replace(request, turns=within(request.turns, MOST_SHOWN)), replace(
        response, turns=within(response.turns, MOST_SHOWN)
    )


def _set_out(turn: Turn) -> Turn:
    parts = (Part(one.kind, pretty(one.text), one.name, one.id) if one.kind == "text" else one for one in turn.parts)
    return msgspec.structs.replace(turn, parts=tuple(parts))


def schema_of(parts: Parts, call: Settled) -> str:
    """The schema that the answer had to keep, if it is still the one in force."""
    task = parts.policy().tasks.get(call.admitted.task)
    output = task.output if task is not None else None
    is_it = output is not None and output.schema.digest == call.admitted.schema
    return pretty(output.schema.text) if output is not None and is_it else ""


def no_call(name: str) -> HTTPException:
    """That there is no such call, with what to do."""
    words = f"there is no call {name[:80]} here; it may be older than what is kept, or of a task this key does not see"
    return HTTPException(404, f"{words}. Search for it under Calls.")


async def take(side: Side, asked: Asked, parts: Parts) -> Attachment:
    """The bytes of a call's request or response as they were kept."""
    name, short_tasks = asked.path["call"], previewed(parts)

    def read(stores: Stores) -> Body | None:
        detail = stores.telemetry.call(name)
        if detail is None or not asked.visitor.sees(detail.call.admitted.task):
            return None
        call = detail.call
        digest, size = call.admitted.request_body, call.admitted.request_bytes
        if side == "response":
            digest, size = call.response_body, call.response_bytes
        return read_body(stores, digest, size, MOST_TAKEN, is_short=call.admitted.task in short_tasks)

    body = await parts.asker.ask(read)
    if body is None:
        raise no_call(name)
    if body.state == "large":
        raise HTTPException(
            404, f"the {side} has {body.size:,} bytes, over {MOST_TAKEN:,}; `trimtab calls show {name[:80]}` reads it"
        )
    if body.state != "kept":
        raise HTTPException(404, f"no bytes of this {side} are kept; `redaction` of its task says what is")
    return Attachment(f"{side}-{name}.txt", body.content)


async def judge(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Takes in what somebody says of a call, as the API does."""
    name = asked.path["call"]
    detail = await parts.asker.ask(lambda stores: stores.telemetry.call(name))
    if detail is None or not asked.visitor.sees(detail.call.admitted.task):
        raise no_call(name)
    if parts.feedback is None:
        raise InvalidRequest(detail="this console takes no judgements; start it with `trimtab up`")
    said: dict[str, Any] = {key: form[key] for key in FORM_FIELDS if form.get(key, "").strip()}
    said |= {"call": name, "name": form.get("name") or "feedback"}
    if "score" in said:
        said["score"] = _number(said["score"])
    await parts.feedback(asked.visitor, msgspec.json.encode(said))
    return f"/calls/{quote(name, safe='')}?given=true#judgements"


async def take_case(asked: Asked, parts: Parts) -> Attachment:
    """The call as a case, a line of JSON: what was asked, and what was answered as `observed`."""
    name = asked.path["call"]

    def read(stores: Stores) -> str:
        detail = stores.telemetry.call(name)
        if detail is None or not asked.visitor.sees(detail.call.admitted.task):
            raise no_call(name)
        bodies = stores.bodies
        return line_of(detail.call, lambda digest: bodies.read(digest) if bodies is not None else None)

    line = await parts.asker.ask(read)
    if not line.startswith("{"):
        raise HTTPException(404, f"this call gives no case ({line}); `redaction` of its task says what is kept of it")
    return Attachment(f"case-{name}.jsonl", f"{line}\n".encode())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidRequest(detail=f"score={text[:40]} is no number; write 1 for good and 0 for bad") from None


PAGE: Final = Page(
    "call",
    "/calls/{call}",
    "Call",
    "one call: its times, what was said, what was found of it, what it cost",
    CallPageData,
    build,
    query=(Query("given", "true says that a judgement was taken in", bool),),
)
JUDGE: Final = Action("/calls/{call}/feedback", "takes in a judgement on a call", judge, least="viewer")
REQUEST: Final = Download("/calls/{call}/request", "the bytes of a call's request, as kept", partial(take, "request"))
RESPONSE: Final = Download(
    "/calls/{call}/response", "the bytes of a call's response, as kept", partial(take, "response")
)
CASE: Final = Download("/calls/{call}/case", "a call as a case, to be added to a suite's cases", take_case)
