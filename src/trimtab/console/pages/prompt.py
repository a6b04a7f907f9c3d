"""How a task's prompt came to be, what changed between two of its versions, and how calls did with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from markupsafe import Markup
from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.figured import told, told_change
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.prompts import lock_place, prompt_place
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table, Value
from trimtab.console.text import short, wrapped
from trimtab.console.versions import VERSION, cells_of, chosen, commit_columns, figure_columns, minutes, named
from trimtab.console.window import Window
from trimtab.lock.git import Commit
from trimtab.lock.prompt_history import PromptHistory
from trimtab.lock.turn_diff import Said, TurnChange, turn_changes
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.comparing import compared
from trimtab.signals.figure import Cell, Figure
from trimtab.store.telemetry import ReportQuery

NO_VERSION: Final = Markup(
    "This task has no prompt here. Write <code>tasks/NAME/prompt.md</code>; "
    "<code>trimtab prompts render NAME</code> shows what becomes of it."
)
NO_FIGURES: Final = "Neither version had a call in this range; choose a longer one above."


class VersionShown(Struct, frozen=True):
    """A version: where it came from, the first lock that pinned it, and how its calls did.

    `known` is false for one that calls name and the project does not have. `fault` says why it could not be read.
    """

    task: str
    value: str
    current: bool
    known: bool
    commit: Commit | None = None
    lock: str = ""
    fault: str = ""
    cell: Cell | None = None


class Beside(Struct, frozen=True):
    """One signal with both versions; that of `b` is held against that of `a`."""

    signal: str
    a: Figure | None
    b: Figure | None


class PromptPage(Struct, frozen=True):
    """A task's prompt: its versions, newest first, and what changed from version `a` to `b` by turns and in figures.

    `a` is empty where `b` is the first one. `notes` tell what is not known.
    """

    task: str
    versions: tuple[VersionShown, ...]
    a: str
    b: str
    turns: tuple[TurnChange, ...]
    figures: tuple[Beside, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What the store told: figures by version, and when the first call of each ended."""

    cells: Mapping[str, Cell]
    first_ns: Mapping[str, int]


async def build(asked: Asked, parts: Parts) -> Built[PromptPage]:
    """The page. Raises 404 for a task without a prompt, or that may not be seen."""
    task, window, policy = asked.path["task"], asked.window, parts.policy()
    if not asked.visitor.sees(task):
        raise missing(task)
    found = await parts.asker.figures(("prompt", task, window), partial(find, window, task))
    declared = policy.tasks.get(task)
    if declared is None and not found.cells:
        raise missing(task)
    history = await parts.history.prompt(task) if parts.history is not None else PromptHistory(task, (), {})
    now = declared.prompt.digest if declared is not None and declared.prompt is not None else ""
    versions = versions_of(task, history, found, now)
    known = [one.value for one in versions if one.value]
    b = chosen(asked.query["b"], known, "b") if asked.query.get("b") else now if now in known else next(iter(known), "")
    a = chosen(asked.query["a"], known, "a") if asked.query.get("a") else before(known, b)
    texts = {one.digest: tuple(Said(turn.role, turn.template) for turn in one.turns) for one in history.versions}
    changes = turn_changes(texts.get(a, ()), texts[b]) if b in texts else ()
    beside = tuple(besides(found.cells.get(a), found.cells.get(b)))
    data = PromptPage(task, versions, a, b, changes, beside, notes_of(history))
    shown = next((one for one in versions if one.value == b), None)
    extra = {
        "now": now,
        "shown": shown,
        "texts": texts.get(b, ()),
        "has_a": a in texts,
        "options": [(one.value, _option(one)) for one in versions if one.value],
        "task_href": asked.task(task, by="prompt"),
        "lock_href": lock_place(asked, shown.lock) if shown is not None else "",
    }
    tables = (versions_table(asked, task, versions), beside_table(asked, data))
    return Built(data, cast("tuple[Table[object], ...]", tables), title=f"Prompt of {task}", extra=extra)


def missing(name: str) -> HTTPException:
    """That there is no such task."""
    return HTTPException(404, f"there is no prompt of a task {name[:80]} here; /prompts lists those you may see")


def find(window: Window, task: str, stores: Stores) -> Found:
    """The figures of each version."""
    cells = {cell.value: cell for cell in cells_of(stores.telemetry, window, (task,), "prompt") if cell.value}
    uses = stores.telemetry.prompt_uses(ReportQuery(*minutes(window), (task,)))
    return Found(cells, {one.prompt: one.first_ns for one in uses})


def versions_of(task: str, history: PromptHistory, found: Found, now: str) -> tuple[VersionShown, ...]:
    """Those that the project had, newest first, and after them those that only calls name, the latest first."""
    rows = []
    for one in history.versions:
        locked = history.locked.get(one.digest)
        lock = locked.lock if locked is not None else ""
        is_now = bool(now) and one.digest == now
        cell = found.cells.get(one.digest)
        rows.append(VersionShown(task, one.digest, is_now, True, one.commit, lock, one.fault, cell))
    known = {one.value for one in rows}
    others = {*found.cells, *([now] if now else [])} - known
    for digest in sorted(others, key=lambda one: (-found.first_ns.get(one, 0), one)):
        rows.append(VersionShown(task, digest, digest == now, False, cell=found.cells.get(digest)))
    return tuple(rows)


def before(known: Sequence[str], b: str) -> str:
    """The version before one; empty for the first."""
    older = known[known.index(b) + 1 :] if b in known else ()
    return next((one for one in older if one != b), "")


def besides(a: Cell | None, b: Cell | None) -> list[Beside]:
    """Every signal that either version has a figure of."""
    rows = []
    for name in VERSION:
        old, new = (cell.figure(name) if cell is not None else None for cell in (a, b))
        if new is not None and old is not None:
            new = compared(BY_NAME[name], new, old)
        if old is not None or new is not None:
            rows.append(Beside(name, old, new))
    return rows


def notes_of(history: PromptHistory) -> tuple[str, ...]:
    """What is not known of a prompt's past."""
    if not history.left_out:
        return history.notes
    more = f"{history.left_out} older versions are left out; `trimtab prompts log {history.task} --limit 300` has them"
    return (*history.notes, more)


def versions_table(asked: Asked, task: str, rows: Sequence[VersionShown]) -> Table[VersionShown]:
    """Every version, newest first."""

    def here(row: VersionShown) -> str | None:
        return prompt_place(asked, task, row.value) if row.value else None

    columns: tuple[Column[VersionShown], ...] = (
        Column("prompt", "version", lambda row: row.value, _name, here),
        *commit_columns(lambda row: row.commit, asked.zone, asked.now_ns),
        Column("subject", "message", _subject, lambda row: wrapped(_subject(row), 60)),
        Column(
            "lock",
            "first in lock",
            lambda row: row.lock,
            lambda row: named(row.lock, none=written.NOTHING),
            lambda row: lock_place(asked, row.lock),
        ),
        *figure_columns(asked, "prompt"),
    )
    return Table("versions", "Versions", columns, rows, NO_VERSION, here)


def beside_table(asked: Asked, data: PromptPage) -> Table[Beside]:
    """The figures of both versions."""

    def side(which: str, head: str) -> tuple[Column[Beside], ...]:
        digest = data.a if which == "a" else data.b

        def of(row: Beside) -> Figure | None:
            return row.a if which == "a" else row.b

        def value(row: Beside) -> Value:
            figure = of(row)
            if figure is None:
                return {"value": None, "low": None, "high": None}
            return {"value": figure.value, "low": figure.low, "high": figure.high}

        def calls(row: Beside) -> str | None:
            return asked.calls(task=data.task, prompt=digest) if digest and of(row) is not None else None

        return (
            Column(which, head, value, lambda row: told(of(row)), calls, numeric=True, sortable=False),
            Column(f"{which}_n", "n", lambda row: _n(of(row)), numeric=True, sortable=False),
        )

    columns: tuple[Column[Beside], ...] = (
        Column("signal", "signal", lambda row: row.signal, _titled, sortable=False),
        *side("a", written.digest(data.a) if data.a else "before"),
        *side("b", written.digest(data.b) if data.b else "version"),
        Column("change", "difference", _change, lambda row: told_change(row.b) if row.b else "", sortable=False),
    )
    return Table("beside", "Side by side", columns, data.figures, NO_FIGURES)


def _n(figure: Figure | None) -> int | None:
    return figure.n if figure is not None else None


def _change(row: Beside) -> Value:
    change = row.b.change if row.b is not None else None
    if change is None:
        return {"value": None, "low": None, "high": None, "verdict": ""}
    return {"value": change.difference, "low": change.low, "high": change.high, "verdict": change.verdict}


def _titled(row: Beside) -> Markup:
    signal = BY_NAME[row.signal]
    level = f" p{signal.level * 100:g}" if signal.kind == "spread" else ""
    return Markup('<span title="{}">{}{}</span>').format(signal.says, row.signal.replace("_", " "), level)


def _name(row: VersionShown) -> Markup:
    told_as = named(row.value, current=row.current, none="cannot be read")
    return told_as if row.known else Markup('{} <span class="hint">not in this project</span>').format(told_as)


def _subject(row: VersionShown) -> str:
    if row.fault:
        return f"it could not be used: {row.fault}"
    if row.commit is None:
        return "not committed" if row.known else ""
    return row.commit.subject


def _option(one: VersionShown) -> str:
    subject = short(_subject(one), 50)
    return f"{written.digest(one.value)}{' (in force)' if one.current else ''}{f', {subject}' if subject else ''}"


PAGE: Final = Page(
    "prompt",
    "/prompts/{task}",
    "Prompt",
    "the versions of a task's prompt, two of them side by side, and how calls did with each",
    PromptPage,
    build,
    query=(
        Query("b", "a version by its digest or the beginning of it; the one in force unless given"),
        Query("a", "the version it is held against; the one before unless given"),
    ),
)
