"""What failed for good and waits for somebody: calls, damaged records, alerts that could not be delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.letter_desk import MOST_AT_ONCE
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.pages.alerts import sees
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import InvalidRequest
from trimtab.journal.dead_letters import DeadLetter, Letters, Tally

SHOWN: Final = 100
"""Letters on a page: a form has a field for each of them."""
LOOKED_AT: Final = 10_000
KINDS: Final[Mapping[str, str]] = {"call": "call", "records": "records", "alert": "undelivered alert"}
QUERY: Final = (
    Query("task", "a task"),
    Query("model", "a model"),
    Query("cause", "an error's code"),
    Query("kind", "call, records or alert"),
)
NONE: Final = Markup(
    "Nothing waits here: no call failed for good, no records are damaged, every alert was delivered. "
    "<code>trimtab dead list</code> shows the same."
)
CHOSEN: Final = "letter:"
"""How the field of a letter that is chosen begins; its id follows."""


class LetterLine(Struct, frozen=True):
    """A letter in a line, without the names it was called under."""

    id: str
    kind: str
    task: str
    model: str
    cause: str
    detail: str
    attempts: int
    redrives: int
    first_ns: int
    last_ns: int
    size_bytes: int
    kept: bool


class DeadPage(Struct, frozen=True):
    """How many letters wait, by kind, task and cause; and the newest of those asked for."""

    tally: tuple[Tally, ...]
    letters: tuple[LetterLine, ...]
    more: bool


async def build(asked: Asked, parts: Parts) -> Built[DeadPage]:
    """The page."""
    chosen = chosen_of(asked)
    tally = tuple(one for one in parts.dead() if sees(asked.visitor, one.task))
    found = await letters_of(asked, parts, chosen)
    lines = tuple(map(line_of, found[:SHOWN]))
    data = DeadPage(tally, lines, len(found) > SHOWN)
    may_act = asked.visitor.may("operator") and parts.letters is not None
    none = NONE if not chosen else "No letter is like that. Take a filter out."
    tables = (counts_of(asked, tally), table_of(asked, lines, none, may_act=may_act, more=data.more))
    tasks = sorted({*known_tasks(parts.policy(), asked.visitor), *(one.task for one in tally if one.task)})
    choices = {
        "kind": tuple(KINDS),
        "task": tasks,
        "model": sorted({*parts.policy().models, *(one.model for one in lines if one.model)}),
        "cause": sorted({one.cause for one in tally}),
    }
    extra = {"chosen": chosen, "choices": choices, "kinds": KINDS, "may_act": may_act, "most": MOST_AT_ONCE}
    return Built(data, tables, extra=extra)


def chosen_of(asked: Asked) -> dict[str, str]:
    """The filters of the address. Raises `InvalidRequest` and `Forbidden`."""
    chosen = {name: value for name in ("task", "model", "cause", "kind") if (value := asked.query.get(name, ""))}
    if chosen.get("kind", "call") not in KINDS:
        raise InvalidRequest(detail=f"?kind={chosen['kind'][:40]} is none of {', '.join(KINDS)}")
    asked.visitor.within((chosen["task"],) if "task" in chosen else ())
    return chosen


async def letters_of(asked: Asked, parts: Parts, chosen: Mapping[str, str]) -> list[DeadLetter]:
    """The letters that the filters leave, newest first: one more than are shown, if there are more."""
    if parts.letters is None:
        return []
    tasks = asked.visitor.within((chosen["task"],) if "task" in chosen else ()) or ("",)
    kind = chosen.get("kind", "")
    limit = LOOKED_AT if kind else SHOWN + 1
    wanted = [Letters(task, chosen.get("model", ""), chosen.get("cause", ""), limit=limit) for task in tasks]
    found = [letter for one in wanted for letter in await parts.letters.list(one) if kind in ("", letter.kind)]
    return sorted(found, key=lambda letter: (letter.first_ns, letter.id), reverse=True)


def line_of(letter: DeadLetter) -> LetterLine:
    """A letter in a line."""
    return LetterLine(*(getattr(letter, name) for name in LetterLine.__struct_fields__))


def letter_place(asked: Asked, letter: str) -> str:
    """The address of a letter's page."""
    return asked.to(f"/dead/{quote(letter, safe='/', errors='replace')}")


def counts_of(asked: Asked, tally: Sequence[Tally]) -> Table[Tally]:
    """How many wait of each cause."""

    def these(one: Tally) -> str:
        return asked.to("/dead", kind=one.kind, task=one.task, cause=one.cause)

    columns: tuple[Column[Tally], ...] = (
        Column("cause", "cause", lambda one: one.cause, href=these),
        Column("kind", "kind", lambda one: KINDS.get(one.kind, one.kind)),
        Column("task", "task", lambda one: one.task),
        Column("letters", "letters", lambda one: one.letters, lambda one: written.exact(one.letters), numeric=True),
    )
    return Table("causes", "By cause", columns, tally, NONE, these, sort="-letters")


def table_of(
    asked: Asked, lines: Sequence[LetterLine], none: str | Markup, *, may_act: bool, more: bool
) -> Table[LetterLine]:
    """The letters; who may act chooses among them."""

    def opens(one: LetterLine) -> str:
        return letter_place(asked, one.id)

    def at(at_ns: int) -> Markup:
        return written.when(at_ns, asked.zone, asked.now_ns)

    def name(one: LetterLine) -> Markup:
        link = Markup('<a href="{}">{}</a>').format(opens(one), shown(id_word(one.id)))
        return Markup("{} {}").format(box(one.id), link) if may_act else link

    columns: tuple[Column[LetterLine], ...] = (
        Column("id", "letter", lambda one: one.id, name),
        Column("first", "since", lambda one: written.stamp(one.first_ns), lambda one: at(one.first_ns)),
        Column("kind", "kind", lambda one: one.kind, lambda one: KINDS.get(one.kind, one.kind)),
        Column(
            "task",
            "task",
            lambda one: one.task,
            href=lambda one: asked.task(one.task) if one.task and not one.task.startswith("(") else None,
        ),
        Column("model", "model", lambda one: one.model),
        Column("cause", "cause", lambda one: one.cause),
        Column("detail", "what failed", lambda one: one.detail, lambda one: shown(short(one.detail, 70))),
        Column("attempts", "tries", lambda one: one.attempts, numeric=True),
        Column("redrives", "re-driven", lambda one: one.redrives, numeric=True),
        Column(
            "size", "size", lambda one: one.size_bytes, lambda one: written.size(one.size_bytes or None), numeric=True
        ),
        Column("kept", "can be sent", lambda one: one.kept, lambda one: "yes" if one.kept else "no"),
    )
    rest = f"The {SHOWN} newest; a task, a cause or a kind leads to the others." if more else ""
    return Table("letters", "Letters", columns, lines, none, opens, more=rest)


def box(letter: str) -> Markup:
    """What a letter is chosen by."""
    return Markup('<input type="checkbox" form="chosen" name="{}{}" value="yes" aria-label="choose {}">').format(
        CHOSEN, letter, id_word(letter)
    )


def id_word(letter: str) -> str:
    """A letter's id as it stands in lists: the end of a call's, whole of a segment's."""
    return letter if len(letter) <= 12 or "/" in letter else f"\u2026{letter[-8:]}"


PAGE: Final = Page(
    "dead",
    "/dead",
    "Dead letters",
    "what failed for good and waits for somebody",
    DeadPage,
    build,
    "Dead letters",
    "d",
    QUERY,
)
