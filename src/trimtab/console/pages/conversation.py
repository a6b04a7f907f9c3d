"""How did this conversation go? Its calls in order, of each what was new in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.bodies import Body, Said, read_answer, read_body, read_request
from trimtab.console.endpoint import Query
from trimtab.console.filters import pager_of
from trimtab.console.marks import outcome_mark, verdict_mark
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.call import previewed
from trimtab.console.pages.call_facts import Fact
from trimtab.console.pages.calls import CallLine, call_place, line_of, table_of, when
from trimtab.console.pages.conversations import PLACE, completed_mark, cost_words, input_tokens
from trimtab.console.parts import Parts, Stores
from trimtab.console.said import Turn, within
from trimtab.console.text import short
from trimtab.console.window import LONGEST_NS, MINUTE_NS, between
from trimtab.errors import InvalidRequest
from trimtab.record.events import OK, Settled
from trimtab.store import memory_search
from trimtab.store.conversations import ConversationLine
from trimtab.store.search import MAX_LIMIT, CallPage, CallSearch

AT_ONCE: Final = 20
"""Calls on one page."""
MOST_READ: Final = 1 << 20
"""Bytes of one body that are looked at."""
MOST_ALL: Final = 24 << 20
"""Bytes of all bodies of one page that are looked at; the newest calls come first."""
MOST_SHOWN: Final = 60_000
"""Characters of one call that are shown here; its own page has the rest."""


HEADS: Final = frozenset({"system", "developer", "inputs"})
"""Roles of what stands at the head of every request of a conversation."""


class Step(Struct, frozen=True):
    """One call of a conversation: what was new in its request, and what was answered."""

    call: CallLine
    news: tuple[Turn, ...]
    known: int
    answer: tuple[Turn, ...]
    request: Said
    response: Said


class ConversationPageData(Struct, frozen=True):
    """A conversation, and a page of its calls, the oldest of them first; `after` leads to older ones. With a key for
    some tasks its figures are those of their calls alone, of the newest 1,000 at most.
    """

    line: ConversationLine
    steps: tuple[Step, ...]
    after: str


@dataclass(frozen=True)
class Shown:
    """A step with what its page draws of it."""

    step: Step
    href: str
    when: Markup
    outcome: Markup
    verdict: Markup
    facts: tuple[str, ...]


async def build(asked: Asked, parts: Parts) -> Built[ConversationPageData]:
    """The page."""
    name, after = asked.path["conversation"], asked.query.get("after", "")
    line = await parts.asker.ask(partial(find_line, name, asked.tasks))
    if line is None:
        raise HTTPException(404, f"there is no conversation {name[:80]} here; Conversations lists those there are")
    try:
        wanted = CallSearch(line.first_ns, line.last_ns + 1, asked.tasks, conversation=name, limit=AT_ONCE, after=after)
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    page, before = await parts.asker.ask(partial(find_calls, wanted))
    bodies = await read_all((*page.calls, *before), parts)
    steps = await asyncio.to_thread(steps_of, (*page.calls, *before), len(page.calls), bodies)
    data = ConversationPageData(line, steps, page.after)
    place = f"{PLACE}/{quote(name, safe='', errors='replace')}"
    extra: dict[str, Any] = {
        "facts": facts_of(asked, line),
        "shown": [shown_of(asked, step) for step in steps],
        "pager": pager_of(asked, {}, page.after, place),
        "all_calls": asked.to("/calls", **{"range": None, **_range(line), "conversation": name}),
    }
    table = table_of(asked, [step.call for step in steps], is_narrowed=True)
    return Built(data, (table,), title=f"Conversation {short(name, 30)}", extra=extra)


def _range(line: ConversationLine) -> dict[str, str]:
    """The range of an address that its calls lie in."""
    return between(line.first_ns, min(line.last_ns + 1, line.first_ns + LONGEST_NS - MINUTE_NS)).query


def find_line(name: str, tasks: tuple[str, ...], stores: Stores) -> ConversationLine | None:
    """What the conversation came to: of the calls of these tasks alone, where there are any."""
    line = stores.telemetry.conversation(name)
    if line is None or not tasks:
        return line
    wanted = CallSearch(line.first_ns, line.last_ns + 1, tasks, conversation=name, limit=MAX_LIMIT)
    calls = stores.telemetry.search(wanted).calls
    return memory_search.line(calls, ()) if calls else None


def find_calls(wanted: CallSearch, stores: Stores) -> tuple[CallPage, tuple[Settled, ...]]:
    """A page of its calls, newest first, and the one before them, by which it is told what was new."""
    page = stores.telemetry.search(wanted)
    if not page.after:
        return page, ()
    return page, stores.telemetry.search(replace(wanted, after=page.after, limit=1)).calls


async def read_all(calls: Sequence[Settled], parts: Parts) -> list[tuple[Body, Body]]:
    """Request and answer of each call, one after the other, until what may be read at once is used up."""
    short_tasks, left = previewed(parts), MOST_ALL
    found = []
    for call in calls:
        is_short = call.admitted.task in short_tasks
        most = min(MOST_READ, left)
        pair = await parts.asker.ask(partial(_read_both, call, most, is_short))
        left -= sum(len(body.content) for body in pair)
        found.append(pair)
    return found


def _read_both(call: Settled, most: int, is_short: bool, stores: Stores) -> tuple[Body, Body]:
    return (
        read_body(stores, call.admitted.request_body, call.admitted.request_bytes, most, is_short=is_short),
        read_body(stores, call.response_body, call.response_bytes, most, is_short=is_short),
    )


def steps_of(calls: Sequence[Settled], count: int, bodies: Sequence[tuple[Body, Body]]) -> tuple[Step, ...]:
    """The first `count` of calls that come newest first, as steps, the oldest first."""
    said = [(read_request(request), read_answer(response)) for request, response in bodies]
    steps = []
    for place in reversed(range(count)):
        request, response = said[place]
        earlier = said[place + 1] if place + 1 < len(said) else None
        news = request.turns if earlier is None else news_of(request.turns, earlier[0].turns, earlier[1].turns)
        steps.append(
            Step(
                line_of(calls[place]),
                within(news, MOST_SHOWN),
                len(request.turns) - len(news),
                within(response.turns, MOST_SHOWN),
                replace(request, turns=(), raw=""),
                replace(response, turns=(), raw=""),
            )
        )
    return tuple(steps)


def news_of(turns: Sequence[Turn], before: Sequence[Turn], answer: Sequence[Turn]) -> tuple[Turn, ...]:
    """What of a request's messages the one before did not have: neither those it shares with that, nor the answer to
    it. What stands at the head of all requests is news where it has changed.
    """
    head = tuple(turn for turn in turns if turn.role in HEADS and turn not in before)
    rest = [turn for turn in turns if turn.role not in HEADS]
    known = [turn for turn in before if turn.role not in HEADS]
    shared = 0
    while shared < min(len(rest), len(known)) and rest[shared] == known[shared]:
        shared += 1
    if shared == len(known) and shared < len(rest) and any(_same(rest[shared], turn) for turn in answer):
        shared += 1
    return (*head, *rest[shared:])


def _same(sent: Turn, answered: Turn) -> bool:
    """Whether a message repeats an answer: what it says and calls; what the model thought may be missing."""
    return sent.role == answered.role == "assistant" and _core(sent) == _core(answered)


def _core(turn: Turn) -> list[tuple[str, str, str]]:
    parts = [part for part in turn.parts if part.kind not in ("reasoning", "data")]
    return [(part.kind, part.name, part.text.strip()) for part in parts]


def facts_of(asked: Asked, line: ConversationLine) -> tuple[Fact, ...]:
    """What it came to."""
    facts = [
        Fact("began", when(asked, line.first_ns)),
        Fact("last call", when(asked, line.last_ns)),
        Fact("calls", written.exact(line.calls)),
        Fact("end user", short(line.end_user, 60)),
        Fact("worst", outcome_mark(line.worst)),
        Fact("failed", written.exact(line.failed)),
        Fact("invalid", written.exact(line.invalid)),
        Fact("tokens in", written.number(input_tokens(line))),
        Fact("tokens out", written.number(line.tokens.get("output", 0))),
        Fact("cost", cost_words(line)),
        Fact("completed", completed_mark(line)),
    ]
    facts += [Fact("task", task, asked.task(task)) for task in line.tasks]
    return tuple(fact for fact in facts if fact.value)


def shown_of(asked: Asked, step: Step) -> Shown:
    """A step as its page draws it."""
    call = step.call
    facts = (call.task, call.model, written.duration(call.total_s))
    plain = facts if call.cost_pusd is None else (*facts, written.money(call.cost_pusd))
    outcome = outcome_mark(call.outcome) if call.outcome != OK else Markup("")
    verdict = verdict_mark(call.verdict) if call.verdict else Markup("")
    return Shown(step, call_place(asked, call.call), when(asked, call.at_ns), outcome, verdict, plain)


PAGE: Final = Page(
    "conversation",
    f"{PLACE}/{{conversation:path}}",
    "Conversation",
    "one conversation: its calls in order, of each what was new in it",
    ConversationPageData,
    build,
    query=(
        Query("after", "where the page before ended"),
        Query("trail", "where the pages before this one began", many=True),
    ),
)
