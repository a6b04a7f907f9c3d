"""How well people agree who looked at sampled runs, and how often checks are wrong by their word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.labelling import agreement_text, pairs_table
from trimtab.console.parts import Parts
from trimtab.console.review_desk import SampledAgreement
from trimtab.console.tables import Column, Table
from trimtab.console.text import short
from trimtab.evals.checked import CheckErrors, ErrorRate

NONE: Final = "No check was made in runs that people looked at; docs/checks.md says how checks are declared."


async def build(asked: Asked, parts: Parts) -> Built[SampledAgreement]:
    """The agreement of one task's reviewers, or of all; who may see some tasks alone names one of them."""
    if parts.reviews is None:
        raise HTTPException(404, "no journal of runs is kept here; `trimtab up` keeps one")
    task = asked.query.get("task", "")
    if asked.tasks and task not in asked.tasks:
        raise HTTPException(404, f"say of which task with ?task=; yours are {', '.join(sorted(asked.tasks))}"[:300])
    found = await parts.reviews.agreement(task)
    extra = {"agreement": agreement_text(found.reviewers), "counted": counted_text(found), "task": task}
    return Built(found, (checks_table(found), pairs_table(found.reviewers)), extra=extra)


def counted_text(found: SampledAgreement) -> str:
    """How many runs checks are held against, and which not."""
    told = f"{written.exact(found.runs)} sampled runs were looked at"
    if found.undecided:
        told += f"; as many found {written.exact(found.undecided)} of them right as wrong"
    if found.unknown:
        told += f"; of {written.exact(found.unknown)} it is not known from which share they were drawn"
    left = found.runs - found.undecided - found.unknown
    return f"{told}. Checks are held against {written.exact(left)}."


def checks_text(found: SampledAgreement) -> Iterator[str]:
    """How often checks are wrong, a line each."""
    yield counted_text(found)
    for one in found.checks:
        alarms, misses = one.false_alarms, one.misses
        told = f"check {one.check}: {alarms.errors} false alarms in {alarms.runs} right runs{_ends(alarms)}"
        told += f", {misses.errors} of {misses.runs} wrong runs missed{_ends(misses)}"
        if one.changed:
            told += f"; in {one.changed} runs it changed what happened, and those alarms are not counted"
        yield told


def checks_table(found: SampledAgreement) -> Table[CheckErrors]:
    """How often checks are wrong."""
    columns: tuple[Column[CheckErrors], ...] = (
        Column("check", "check", lambda one: one.check, lambda one: short(one.check, 80)),
        Column("runs", "runs", lambda one: one.runs, lambda one: written.exact(one.runs), numeric=True),
        Column(
            "false_alarms",
            "false alarms",
            lambda one: _fields(one.false_alarms),
            lambda one: _told(one.false_alarms),
            says="How often it found fault with runs that people find right; 95 % interval.",
            numeric=True,
        ),
        Column(
            "misses",
            "misses",
            lambda one: _fields(one.misses),
            lambda one: _told(one.misses),
            says="How often it passed runs that people find wrong; 95 % interval.",
            numeric=True,
        ),
        Column(
            "changed",
            "changed the run",
            lambda one: one.changed,
            lambda one: written.exact(one.changed),
            says="Runs in which it had an answer mended or the like: how they ended says nothing of those alarms.",
            numeric=True,
        ),
    )
    return Table("checks", "Checks against people", columns, found.checks, NONE)


def _fields(one: ErrorRate) -> dict[str, int | float | None]:
    return {"errors": one.errors, "runs": one.runs, "share": one.share, "low": one.low, "high": one.high}


def _told(one: ErrorRate) -> str:
    return f"{one.errors} of {one.runs}{_ends(one)}"


def _ends(one: ErrorRate) -> str:
    if one.share is None:
        return ""
    return f" ({written.share(one.share)}, {written.share(one.low)} to {written.share(one.high)})"


PAGE: Final = Page(
    "review_agreement",
    "/review-agreement",
    "Reviewers and checks",
    "how well people agree who looked at sampled runs, and how often checks are wrong by their word",
    SampledAgreement,
    build,
    query=(Query("task", "a task"),),
)
