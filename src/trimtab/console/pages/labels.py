"""Sets of answers that people label: how far each is, and how well reviewers agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.label_desk import SetShown
from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown

NONE: Final = Markup(
    "Nothing waits to be labelled. <code>trimtab label new NAME --task TASK --question WORDS</code> makes a set, and "
    "<code>trimtab label add NAME --evaluation ID</code> puts answers in."
)


class LabelsPage(Struct, frozen=True):
    """The sets, by name."""

    sets: tuple[SetShown, ...]


async def build(asked: Asked, parts: Parts) -> Built[LabelsPage]:
    """The page."""
    every = parts.labels.sets(asked.visitor.reviewer) if parts.labels is not None else ()
    found = tuple(one for one in every if asked.visitor.sees(one.labelling.task))
    return Built(LabelsPage(found), (table_of(asked, found),))


def label_place(asked: Asked, name: str, **query: str) -> str:
    """The address of a set."""
    return asked.to(f"/labels/{quote(name, safe='')}", **query)


def table_of(asked: Asked, rows: Sequence[SetShown]) -> Table[SetShown]:
    """Sets, one a line."""

    def opens(one: SetShown) -> str:
        return label_place(asked, one.labelling.name)

    columns: tuple[Column[SetShown], ...] = (
        Column("name", "set", lambda one: one.labelling.name, None, opens),
        Column(
            "task",
            "task",
            lambda one: one.labelling.task,
            lambda one: shown(one.labelling.task),
            lambda one: asked.task(one.labelling.task),
        ),
        Column(
            "question", "question", lambda one: one.labelling.question, lambda one: short(one.labelling.question, 90)
        ),
        Column("rows", "rows", lambda one: one.rows, lambda one: written.exact(one.rows), numeric=True),
        Column(
            "labelled",
            "done",
            lambda one: one.labelled,
            lambda one: written.exact(one.labelled),
            says="Rows that as many have labelled as the set asks for.",
            numeric=True,
        ),
        Column("mine", "by you", lambda one: one.mine, lambda one: written.exact(one.mine), numeric=True),
        Column(
            "disputed",
            "disputed",
            lambda one: one.disputed,
            lambda one: written.exact(one.disputed),
            says="Rows on which reviewers disagree and that nobody else has decided.",
            numeric=True,
        ),
    )
    return Table("sets", "Labels", columns, rows, NONE, opens)


PAGE: Final = Page(
    "labels",
    "/labels",
    "Labels",
    "which answers wait for people to label them, and how far that is",
    LabelsPage,
    build,
    "Labels",
    "b",
)
