"""How do these two runs differ? The first difference that matters, word by word, and all steps side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.bodies import MOST_READ
from trimtab.console.diffs import difference
from trimtab.console.endpoint import Query
from trimtab.console.marks import Kind, mark
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.run import no_run
from trimtab.console.pages.runs import desk_of, run_place, state_mark
from trimtab.console.parts import Parts
from trimtab.console.run_desk import Otherwise, RunDesk
from trimtab.console.run_steps import number_of
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import InvalidRequest
from trimtab.journal.alignment import Found, Pair
from trimtab.journal.asks import RunRow
from trimtab.journal.difference import Difference
from trimtab.journal.entries import Body
from trimtab.lock.word_diff import word_diff

AT_ONCE: Final = 200
"""Pairs of steps of a page."""
KINDS: Final[dict[str, Kind]] = {"same": "good", "moved": "warn", "left": "bad", "right": "ask"}
WORDS: Final = {
    "same": "the same",
    "moved": "in another order",
    "request": "asks for something else",
    "outcome": "ended otherwise",
    "answer": "answered otherwise",
    "check": "checked otherwise",
    "review": "decided otherwise",
    "state": "another state",
    "left": "only on the left",
    "right": "only on the right",
}


class RunsCompared(Struct, frozen=True):
    """Two runs side by side: `same` of `of` pairs of steps are the same; `first` is the first difference that matters.
    `pairs` are a part of those that differ (`all`: of all), from number `number` on.
    """

    left: RunRow
    right: RunRow
    same: int
    of: int
    first: Found | None
    otherwise: tuple[Otherwise, ...]
    overrides: dict[str, str]
    number: int
    pairs: tuple[Pair, ...]


async def build(asked: Asked, parts: Parts) -> Built[RunsCompared]:
    """The page."""
    desk = desk_of(parts)
    left, right = asked.query.get("left", ""), asked.query.get("right", "").strip()
    if not left or not right:
        raise InvalidRequest(detail="name two runs: ?left=RUN&right=RUN")
    found = await desk.compared(left, right)
    for row in (found.left, found.right):
        if not asked.visitor.sees(row.task):
            raise no_run(row.run)
    pairs = found.alignment.pairs
    every = asked.query.get("all") == "true"
    wanted = [pair for pair in pairs if every or pair.how != "same"]
    begin = min(number_of(asked, "from_pair"), max(0, len(wanted) - 1))
    part = tuple(wanted[begin : begin + AT_ONCE])
    first = found.alignment.first
    data = RunsCompared(
        found.left,
        found.right,
        found.alignment.same,
        found.alignment.of,
        first,
        found.otherwise,
        found.overrides,
        begin,
        part,
    )
    extra: dict[str, Any] = {
        "left_place": run_place(asked, left),
        "right_place": run_place(asked, right),
        "left_state": state_mark(found.left.state),
        "right_state": state_mark(found.right.state),
        "step_places": _step_places(asked, data),
        "words": await _words(desk, data) if first is not None else "",
        "places": first.at[:20] if first is not None else (),
        "every": every,
        "all_in": asked.here(all=None if every else "true", from_pair=None),
        "turned": asked.here(left=right, right=left, from_pair=None),
        "before": asked.here(from_pair=max(0, begin - AT_ONCE) or None) if begin else "",
        "after": asked.here(from_pair=begin + AT_ONCE) if begin + AT_ONCE < len(wanted) else "",
    }
    tables = (_pairs_table(asked, data), _facts_table(found.otherwise))
    return Built(data, tables, title="Two runs", extra=extra)


def _step_places(asked: Asked, data: RunsCompared) -> tuple[str, str]:
    pair = data.first.pair if data.first is not None else None
    left = run_place(asked, data.left.run, step=pair.left) + "#one" if pair is not None and pair.left else ""
    right = run_place(asked, data.right.run, step=pair.right) + "#one" if pair is not None and pair.right else ""
    return left, right


async def _words(desk: RunDesk, data: RunsCompared) -> Markup | str:
    """What differs at the first difference, word by word, where both sides are texts that are kept."""
    first = data.first
    pair = first.pair if first is not None else None
    if first is None or pair is None or pair.how not in ("request", "answer") or not first.at:
        return ""
    sides = []
    for run, seq in ((data.left.run, pair.left), (data.right.run, pair.right)):
        _, log = await desk.log(run)
        step = log.step(seq)
        body: Body | None = None
        if step is not None:
            output = step.result.output if step.result is not None else None
            body = step.intent.input if pair.how == "request" else output
        if body is None or body.size > MOST_READ:
            return ""
        sides.append((await desk.bodies(run, [body])).get(body.digest))
    if None in sides:
        return ""
    texts = [_text_at(side or b"", first.at[0]) for side in sides]
    return difference(word_diff(*texts)) if all(texts) else ""


def _text_at(content: bytes, at: Difference) -> str:
    """The text at a path of a document; all of a document that is none, or where the path leads to no text."""
    whole = content.decode("utf-8", "replace")
    try:
        value: Any = json.loads(whole)
        for step in _steps(at.path):
            value = value[step]
    except (ValueError, LookupError, TypeError, RecursionError):
        return whole
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _steps(path: str) -> list[str | int]:
    """A path of names and numbers taken apart; one with other keys leads nowhere."""
    found: list[str | int] = []
    for part in path.replace("[", ".[").split("."):
        if part.startswith("["):
            found.append(int(part[1:-1]))
        elif part:
            found.append(part)
    return found


def _pairs_table(asked: Asked, data: RunsCompared) -> Table[Pair]:
    def left(pair: Pair) -> str | None:
        return run_place(asked, data.left.run, step=pair.left) + "#one" if pair.left else None

    def right(pair: Pair) -> str | None:
        return run_place(asked, data.right.run, step=pair.right) + "#one" if pair.right else None

    columns: tuple[Column[Pair], ...] = (
        Column("left", "left", lambda pair: pair.left or None, numeric=True, href=left, sortable=False),
        Column("right", "right", lambda pair: pair.right or None, numeric=True, href=right, sortable=False),
        Column(
            "how",
            "how",
            lambda pair: pair.how,
            lambda pair: mark(KINDS.get(pair.how, "bad"), WORDS[pair.how]),
            sortable=False,
        ),
        Column("label", "label", lambda pair: pair.label, lambda pair: shown(short(pair.label, 60)), sortable=False),
        Column(
            "branch", "branch", lambda pair: pair.branch, lambda pair: shown(short(pair.branch, 24)), sortable=False
        ),
    )
    words = "Every step of both is the same." if data.of else "Neither has a step."
    return Table("pairs", "Steps side by side", columns, data.pairs, words, lambda pair: left(pair) or right(pair))


def _facts_table(otherwise: Sequence[Otherwise]) -> Table[Otherwise]:
    columns: tuple[Column[Otherwise], ...] = (
        Column("fact", "begun with another", lambda one: one.fact.replace("_", " ")),
        Column("left", "left", lambda one: one.left, lambda one: shown(short(one.left or written.NOTHING, 60))),
        Column("right", "right", lambda one: one.right, lambda one: shown(short(one.right or written.NOTHING, 60))),
    )
    return Table("otherwise", "What they were begun with", columns, otherwise, "They were begun alike.")


PAGE: Final = Page(
    "run_compare",
    "/runs/compare",
    "Two runs",
    "two runs side by side, and the first difference that matters",
    RunsCompared,
    build,
    query=(
        Query("left", "a run"),
        Query("right", "another run"),
        Query("all", "true shows steps that are the same too", bool),
        Query("from_pair", "how many pairs come before the first that is shown", int),
    ),
)
