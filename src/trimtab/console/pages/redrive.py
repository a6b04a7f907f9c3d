"""Letters that are re-driven or dropped by a form, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console.letter_desk import MOST_AT_ONCE, Outcome, Redrives, Run
from trimtab.console.marks import mark
from trimtab.console.page import Action, Asked, Built, Page
from trimtab.console.pages.alerts import sees
from trimtab.console.pages.calls import call_place
from trimtab.console.pages.dead import CHOSEN, id_word, letter_place
from trimtab.console.pages.letter import seen
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.console.text import shown, wrapped
from trimtab.errors import InvalidRequest
from trimtab.journal.dead_letters import DeadLetter

SURE: Final = "yes"
PATIENCE_S: Final = 2.0
"""How long a form waits for its run, so that one that is quick is shown with what became of it."""


class RedrivePage(Struct, frozen=True):
    """A run: the letters that are dealt with, and those that wait for their turn."""

    run: Run


async def build(asked: Asked, parts: Parts) -> Built[RedrivePage]:
    """The page."""
    redrives = _redrives(parts)
    run = redrives.get(asked.path["run"])
    if run is None or (asked.tasks and not redrives.is_of(run.id, asked.visitor.key)):
        raise HTTPException(404, "this run is not remembered any more; the page of dead letters shows what is left")
    run = Run(run.id, run.by, run.began_ns, run.waiting, _seen_of(asked, run.done), run.ended_ns)
    return Built(RedrivePage(run), (table_of(asked, run.done),))


def _seen_of(asked: Asked, done: Sequence[Outcome]) -> tuple[Outcome, ...]:
    return tuple(one for one in done if sees(asked.visitor, one.task))


def table_of(asked: Asked, done: Sequence[Outcome]) -> Table[Outcome]:
    """What became of each, in the order in which they were sent."""

    def behind(one: Outcome) -> str | None:
        return call_place(asked, one.call) if one.call else None

    def still(one: Outcome) -> str | None:
        return None if one.ok else letter_place(asked, one.letter)

    columns: tuple[Column[Outcome], ...] = (
        Column("letter", "letter", lambda one: one.letter, lambda one: shown(id_word(one.letter)), still),
        Column("task", "task", lambda one: one.task),
        Column("ok", "outcome", lambda one: one.ok, outcome),
        Column("call", "sent as", lambda one: one.call, lambda one: shown(id_word(one.call)), behind),
        Column("detail", "what happened", lambda one: one.detail or read(one), _detail),
    )
    return Table("outcomes", "What became of them", columns, done, "The first is on its way.")


def outcome(one: Outcome) -> Markup:
    """Whether a letter is dealt with."""
    return mark("good", "dealt with") if one.ok else mark("bad", "still here")


def read(one: Outcome) -> str:
    """Of records, how many were read."""
    return f"{one.events} records were read" if one.events else ""


def _detail(one: Outcome) -> Markup:
    return wrapped(one.detail or read(one), 300)


async def chosen_of(asked: Asked, parts: Parts, form: Mapping[str, str]) -> list[DeadLetter]:
    """The letters that a form names; raises `InvalidRequest` for none or too many, a 404 for one that is not there."""
    ids = [name.removeprefix(CHOSEN) for name in form if name.startswith(CHOSEN)]
    if not ids:
        raise InvalidRequest(detail="no letter was chosen; tick those that are meant")
    if len(ids) > MOST_AT_ONCE:
        raise InvalidRequest(detail=f"{len(ids)} letters are too many for one go; choose {MOST_AT_ONCE} at most")
    return [(await seen(asked, parts, letter))[1].letter for letter in ids]


async def redrive(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Begins to re-drive the letters that were chosen, and leads to what becomes of them."""
    letters = await chosen_of(asked, parts, form)
    redrives = _redrives(parts)
    run = redrives.begin(letters, asked.visitor.name, asked.visitor.key)
    await redrives.settled(run.id, PATIENCE_S)
    return f"/dead/redrive/{quote(run.id, safe='')}"


async def drop(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Takes the letters that were chosen out, if whoever chose them is sure."""
    letters = await chosen_of(asked, parts, form)
    if form.get("sure") != SURE:
        raise InvalidRequest(
            detail="a letter that is dropped cannot be sent again; tick that you are sure, and drop it"
        )
    desk, _ = await seen(asked, parts, letters[0].id)
    await desk.drop(tuple(one.id for one in letters))
    return "/dead"


def _redrives(parts: Parts) -> Redrives:
    if parts.redrives is None:
        raise HTTPException(404, "there are no dead letters here")
    return parts.redrives


PAGE: Final = Page(
    "redrive",
    "/dead/redrive/{run}",
    "Re-driven letters",
    "what became of letters that somebody re-drove",
    RedrivePage,
    build,
)
ACTIONS: Final = (
    Action("/dead/redrive", "re-drives dead letters, one after another", redrive),
    Action("/dead/drop", "takes dead letters out", drop),
)
