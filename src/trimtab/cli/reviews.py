"""`trimtab reviews`: what waits for a person, and deciding it."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec
from msgspec import Struct
from rich import box
from rich.table import Table
from rich.text import Text

from trimtab.cli.fitted import Fitted
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.console.review_desk import ReviewShown
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.errors import TrimtabError
from trimtab.journal.asks import Ask, Review, Told
from trimtab.journal.client import BlockingAsking
from trimtab.journal.deciding import USUAL_ROLES, Choice, Said
from trimtab.processes.directory import DataDirectory
from trimtab.processes.review_book import ReviewBook
from trimtab.reports.foreign import plain_text

EXIT: Final = "Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood."
OWNER: Final = "owner"
MOST_SHOWN: Final = 20_000
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
BY = click.option("--by", default="", metavar="NAME", help="Who decides; whoever is signed in here unless given.")
T = TypeVar("T")


class Listed(Struct, frozen=True):
    """What `reviews list --json` tells."""

    reviews: tuple[Review, ...]


class NotRead(TrimtabError):
    """{path} cannot be read ({detail}); name a file that holds the edited arguments as JSON."""


class _Awaited:
    """A journal that blocks, as one that is awaited."""

    def __init__(self, journal: BlockingAsking) -> None:
        self._journal = journal

    async def do(self, ask: Ask) -> Told:
        """What is told."""
        return self._journal.do(ask)


@click.group(cls=Commands)
def command() -> None:
    """What waits for a person: look at it, approve of it, edit or reject it."""


@command.command("list", epilog=EXIT)
@PROJECT
@click.option("--task", default="", metavar="NAME", help="Only of this task.")
@click.option("--run", default="", metavar="RUN", help="Only of this run.")
@click.option("--all", "everything", is_flag=True, help="Those that were decided too.")
@JSON
def list_reviews(project: Path, task: str, run: str, everything: bool, as_json: bool) -> None:
    """The reviews that wait, the oldest first."""
    found = _with(project, lambda book: book.find(task, _who(""), waiting=not everything, run=run))
    if as_json:
        say_json(msgspec.json.encode(Listed(found)))
        return
    table = Table("review", "task", "action", "why", "for", "decided", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        decided = (
            f"{one.verdict} by {one.by}"
            if one.verdict is not None
            else "waits, escalated"
            if one.escalated
            else "waits"
        ) + (", asked under another lock" if one.lock_now and one.verdict is None else "")
        roles = " or ".join(one.roles or USUAL_ROLES)
        cells = (one.task, one.tool, one.reason, roles, decided)
        table.add_row(one.review, *(plain_text(cell, 60) for cell in cells))
    say(Fitted(table) if found else Text("Nothing waits for a person."))
    first = next((one for one in found if one.verdict is None), None)
    next_verb(f"trimtab reviews show {first.review}" if first is not None else "trimtab reviews list --all")


@command.command(epilog=EXIT)
@click.argument("review")
@PROJECT
@JSON
def show(review: str, project: Path, as_json: bool) -> None:
    """One review: what will happen, why, what it touches, and what became of it."""
    shown = _with(project, lambda book: book.shown(review, _who("")))
    if as_json:
        say_json(msgspec.json.encode(shown))
        return
    _say(shown)
    if shown.review.verdict is None:
        next_verb(f"trimtab reviews approve {review}")
    else:
        next_verb(f"trimtab runs show {shown.review.run}")


@command.command(epilog=EXIT)
@click.argument("review")
@click.option("--reason", default="", metavar="WORDS", help="Why; kept in the run's log.")
@BY
@PROJECT
@JSON
def approve(review: str, reason: str, by: str, project: Path, as_json: bool) -> None:
    """Let it happen, as it is proposed."""
    _decide(project, review, "approve", reason, by, as_json=as_json)


@command.command(epilog=EXIT)
@click.argument("review")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--reason", default="", metavar="WORDS", help="Why; kept in the run's log.")
@BY
@PROJECT
@JSON
def edit(review: str, file: Path, reason: str, by: str, project: Path, as_json: bool) -> None:
    """Let it happen with the arguments in FILE (JSON; - is standard input) in place of the proposed ones."""
    try:
        with click.open_file(str(file), encoding="utf-8") as source:
            arguments = source.read()
    except (OSError, UnicodeDecodeError) as failure:
        raise NotRead(path=file, detail=getattr(failure, "strerror", None) or "it is not UTF-8") from None
    _decide(project, review, "edit", reason, by, arguments, as_json=as_json)


@command.command(epilog=EXIT)
@click.argument("review")
@click.option("--reason", required=True, metavar="WORDS", help="Why; kept in the run's log.")
@BY
@PROJECT
@JSON
def reject(review: str, reason: str, by: str, project: Path, as_json: bool) -> None:
    """Do not let it happen."""
    _decide(project, review, "reject", reason, by, as_json=as_json)


@command.command(epilog=EXIT)
@click.option("--task", default="", metavar="NAME", help="Only of this task.")
@PROJECT
@JSON
def agreement(task: str, project: Path, as_json: bool) -> None:
    """How well people agree who looked at sampled runs, and how checks stand against them."""
    from trimtab.console.pages.labelling import agreement_text  # noqa: PLC0415 - brings the pages
    from trimtab.console.pages.review_agreement import checks_text  # noqa: PLC0415

    found = _with(project, lambda book: book.agreement(task))
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(Text(agreement_text(found.reviewers)))
    for line in checks_text(found):
        say(plain_text(f"  {line}", MOST_SHOWN))
    next_verb("trimtab reviews list")


def _decide(
    project: Path, review: str, choice: Choice, reason: str, by: str, arguments: str = "", *, as_json: bool
) -> None:
    async def work(book: ReviewBook) -> Review:
        binds = (await book.shown(review)).review.binds
        return await book.decide(review, Said(choice, _who(by), OWNER, binds, reason, arguments))

    decided = _with(project, work)
    if as_json:
        say_json(msgspec.json.encode(decided))
        return
    if decided.lock_now and choice != "reject":
        locks = f"lock {decided.lock[:12]}, and {decided.lock_now[:12]} is in force"
        say(plain_text(f"It was asked under {locks}: a run that goes on under that asks again."))
    say(plain_text(f"{decided.tool} is {decided.verdict}; run {decided.run} goes on when its driver takes it up."))
    next_verb("trimtab reviews list")


def _with(project: Path, work: Callable[[ReviewBook], Awaitable[T]]) -> T:
    """What is found in the journal of a project, wherever it is kept."""
    from trimtab.cli.runs_client import runs_here  # noqa: PLC0415 - brings the stores
    from trimtab.clock import SystemClock  # noqa: PLC0415
    from trimtab.declare.load import read  # noqa: PLC0415

    declared = read(project, data=False).project
    tasks = declared.tasks if declared is not None else {}

    def schemas(task: str) -> Mapping[str, str]:
        return {tool.name: tool.input_schema.text for tool in tasks[task].tools} if task in tasks else {}

    async def doing(book: ReviewBook) -> T:
        return await work(book)

    lock = _lock_in_force(project, declared)
    with runs_here(project) as journal:
        return asyncio.run(doing(ReviewBook(_Awaited(journal.writes), schemas, lambda: lock, SystemClock())))


def _lock_in_force(root: Path, declared: Project | None) -> str:
    """The id of the lock that was in force last, or of the project's; empty where neither can be read."""
    from trimtab.lock import lockfile  # noqa: PLC0415 - brings what is pinned
    from trimtab.processes.directory import DataDirectory  # noqa: PLC0415

    if declared is None:
        return ""
    run = DataDirectory(root / declared.data.directory).run
    return lockfile.id_of_first((run / lockfile.FILE, root / lockfile.FILE))


def _who(given: str) -> str:
    try:
        return given or getpass.getuser()
    except (KeyError, OSError):
        return "cli"


def _say(shown: ReviewShown) -> None:
    one, about = shown.review, shown.background
    say(Text(one.tool, style="bold"))
    facts = {
        "what": about.what,
        "why": one.reason,
        "touches": ", ".join(about.touches),
        "effect": about.effect,
        "task": one.task,
        "run": f"{one.run}, step {one.of}",
        "spent": f"{about.cost_usd:.7f} USD so far" if about.cost_usd is not None else "",
        "for": " or ".join(one.roles or USUAL_ROLES),
        "decided": f"{one.verdict} by {one.by}" if one.verdict is not None else "",
        "they said": one.said,
    }
    for name, value in facts.items():
        if value:
            say(plain_text(f"{name:>10}  {value}", MOST_SHOWN))
    if shown.changed:
        say(plain_text(shown.changed))
    for head, text in (("What will happen", shown.proposed), ("What took its place", shown.edited)):
        if text:
            say(Text(head, style="bold"))
            say(Text("\n").join(plain_text(line, MOST_SHOWN) for line in text[:MOST_SHOWN].split("\n")))
    for line in about.evidence[:20]:
        say(plain_text(f"  - {line}", 300))
    if shown.given or shown.before:
        say(Text("What led here", style="bold"))
        if shown.given:
            say(plain_text(f"  begun with  {' '.join(shown.given.split())}", 300))
        for step in shown.before:
            gave = f"  {' '.join(step.gave.split())}" if step.gave else ""
            say(plain_text(f"  {step.seq:>4} {step.kind} {step.label}  {step.state}{gave}", 300))


@command.command("revoke-links", epilog=EXIT)
@PROJECT
@JSON
def revoke_links(project: Path, as_json: bool) -> None:
    """Let no signed link that was sent so far decide anything any more; those sent from now on do."""
    from trimtab.processes.installed_key import renew_key  # noqa: PLC0415 - only this verb needs it

    renew_key(DataDirectory.of(load(project)).link_key)
    if as_json:
        say_json(msgspec.json.encode({"revoked": True}))
        return
    say(Text("No link that was sent so far decides anything any more."))
    next_verb("trimtab reviews list")
