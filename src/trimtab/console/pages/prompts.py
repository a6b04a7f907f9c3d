"""Which lock and which prompts are in force, what drifts from them, and how calls did under each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.history_desk import HistoryDesk, LockStanding
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.text import short
from trimtab.console.versions import cells_of, commit_columns, figure_columns, minutes, named
from trimtab.console.window import Window
from trimtab.lock.git import Commit
from trimtab.lock.lock_history import LockHistory
from trimtab.policy.snapshot import Snapshot
from trimtab.signals.figure import Cell
from trimtab.store.lock_figures import LockUse
from trimtab.store.telemetry import ReportQuery

NO_LOCK: Final = Markup(
    "No call in this range was made under a lock. <code>trimtab lock</code> writes one; commit it beside the project."
)
NO_PROMPT: Final = Markup(
    "No task has a prompt yet. Write <code>tasks/NAME/prompt.md</code>, and have it rendered with "
    "<code>trimtab.prompt</code> in the call."
)
NO_CALLS: Final = "No call ended in this range; choose a longer one above."


class Drifting(Struct, frozen=True):
    """A model or a tool that is not as it was locked."""

    kind: str
    name: str
    words: str
    since_ns: int = 0


class LockRow(Struct, frozen=True):
    """The calls of the range that were made under one lock; `lock` is empty for those under none."""

    lock: str
    calls: int
    first_ns: int
    last_ns: int
    current: bool
    commit: Commit | None = None


class PromptRow(Struct, frozen=True):
    """One version of a task's prompt, with when its first and last calls of the range ended."""

    task: str
    value: str
    current: bool
    first_ns: int
    last_ns: int
    cell: Cell | None


class OfLock(Struct, frozen=True):
    """The figures of one task under one lock."""

    task: str
    value: str
    current: bool
    cell: Cell | None


class PromptsPage(Struct, frozen=True):
    """The lock in force and what differs from it, and the versions that calls of [since, until) were made with."""

    since_ns: int
    until_ns: int
    lock: LockStanding
    commit: Commit | None
    drifting: tuple[Drifting, ...]
    locks: tuple[LockRow, ...]
    by_lock: tuple[OfLock, ...]
    prompts: tuple[PromptRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What the store told; `ends` are when the first and last call of a task's prompt ended."""

    uses: tuple[LockUse, ...]
    of_locks: tuple[Cell, ...]
    of_prompts: tuple[Cell, ...]
    ends: Mapping[tuple[str, str], tuple[int, int]]


async def build(asked: Asked, parts: Parts) -> Built[PromptsPage]:
    """The page. A key for some tasks sees only their prompts, and of locks only what their calls tell."""
    policy, window = parts.policy(), asked.window
    found, (history, standing) = await asyncio.gather(
        parts.asker.figures(("prompts", window, asked.tasks), partial(find, window, asked.tasks)),
        past_of(parts.history),
    )
    if not standing.lock:
        standing = LockStanding(policy.lock_id, *_rest(standing))
    known = history.get(standing.lock) if standing.lock else None
    is_whole = not asked.tasks
    data = PromptsPage(
        window.since_ns,
        window.until_ns,
        standing if is_whole else LockStanding(standing.lock, standing.since_ns),
        known.commit if known is not None else None,
        await drifting_of(parts) if is_whole else (),
        tuple(lock_rows(found.uses, standing.lock, history)),
        tuple(OfLock(cell.task, cell.value, cell.value == standing.lock, cell) for cell in found.of_locks),
        tuple(prompt_rows(found, policy, asked)),
        history.notes,
    )
    tables = (locks_table(asked, data.locks), by_lock_table(asked, data.by_lock), prompts_table(asked, data.prompts))
    extra = {"lock_href": lock_place(asked, standing.lock), "is_whole": is_whole}
    return Built(data, cast("tuple[Table[object], ...]", tables), extra=extra)


async def past_of(desk: HistoryDesk | None) -> tuple[LockHistory, LockStanding]:
    """The locks that are known, and how what is declared stands to the one in force."""
    return (await desk.locks(), await desk.standing()) if desk is not None else (LockHistory(), LockStanding())


def _rest(standing: LockStanding) -> tuple[int, tuple[str, ...], int, int, bool]:
    return standing.since_ns, standing.differences, standing.count, standing.seen_ns, standing.held_back


def find(window: Window, tasks: tuple[str, ...], stores: Stores) -> Found:
    """Everything that is asked of the store, in one go."""
    query = ReportQuery(*minutes(window), tasks)
    return Found(
        stores.telemetry.locks(query),
        cells_of(stores.telemetry, window, tasks, "lock"),
        cells_of(stores.telemetry, window, tasks, "prompt"),
        {(one.task, one.prompt): (one.first_ns, one.last_ns) for one in stores.telemetry.prompt_uses(query)},
    )


async def drifting_of(parts: Parts) -> tuple[Drifting, ...]:
    """Models and tools that are not as they were locked."""
    standings = await parts.replicas()
    models = [
        Drifting("model", f"{one.model} at {one.replica}", f"{one.identity}. {one.identity_detail}".strip(". "))
        for one in standings.replicas
        if one.identity in ("changed", "suspected")
    ]
    tools = [Drifting("tool", one.tool, one.words, one.since_ns) for one in parts.drifting()]
    return (*models, *tools)


def lock_rows(uses: Sequence[LockUse], current: str, history: LockHistory) -> list[LockRow]:
    """The locks of the range, the latest in use first."""
    rows = []
    for use in sorted(uses, key=lambda one: (-one.last_ns, one.lock)):
        known = history.get(use.lock) if use.lock else None
        commit = known.commit if known is not None else None
        rows.append(
            LockRow(use.lock, use.calls, use.first_ns, use.last_ns, bool(use.lock) and use.lock == current, commit)
        )
    return rows


def prompt_rows(found: Found, policy: Snapshot, asked: Asked) -> list[PromptRow]:
    """The versions by task, the latest to begin first; what is in force stands there without calls too."""
    now = {
        name: task.prompt.digest
        for name in known_tasks(policy, asked.visitor)
        if (task := policy.tasks[name]).prompt is not None
    }
    cells = {(cell.task, cell.value): cell for cell in found.of_prompts if cell.value}
    keys = {*cells, *now.items()}

    def order(key: tuple[str, str]) -> tuple[str, int, str]:
        first_ns = found.ends.get(key, (0, 0))[0]
        return key[0], -first_ns if first_ns else -(2**63), key[1]

    return [
        PromptRow(*key, now.get(key[0]) == key[1], *found.ends.get(key, (0, 0)), cells.get(key))
        for key in sorted(keys, key=order)
    ]


def lock_place(asked: Asked, lock: str) -> str:
    """The address of a lock's page; empty for no lock."""
    return asked.to(f"/prompts/locks/{quote(lock, safe='')}") if lock else ""


def prompt_place(asked: Asked, task: str, digest: str = "") -> str:
    """The address of a prompt's page, at one of its versions."""
    return asked.to(f"/prompts/{quote(task, safe='')}", b=digest)


def locks_table(asked: Asked, rows: Sequence[LockRow]) -> Table[LockRow]:
    """The locks that calls of the range were made under."""

    def when(at_ns: int) -> Markup:
        return written.when(at_ns, asked.zone, asked.now_ns)

    columns: tuple[Column[LockRow], ...] = (
        Column(
            "lock",
            "lock",
            lambda row: row.lock,
            lambda row: named(row.lock, current=row.current, none="no lock"),
            lambda row: lock_place(asked, row.lock),
        ),
        Column("calls", "calls", lambda row: row.calls, href=lambda row: _calls(asked, row), numeric=True),
        Column("first", "first call", lambda row: row.first_ns, lambda row: when(row.first_ns)),
        Column("last", "last call", lambda row: row.last_ns, lambda row: when(row.last_ns)),
        *commit_columns(lambda row: row.commit, asked.zone, asked.now_ns),
        Column("subject", "message", lambda row: _subject(asked, row), lambda row: short(_subject(asked, row), 60)),
    )
    return Table("locks", "Locks of these calls", columns, rows, NO_LOCK, lambda row: lock_place(asked, row.lock))


def _calls(asked: Asked, row: LockRow) -> str | None:
    return asked.calls(lock=row.lock) if row.lock else None


def _subject(asked: Asked, row: LockRow) -> str:
    """What the commit says; not to keys for some tasks, for it may speak of others."""
    return row.commit.subject if row.commit is not None and not asked.tasks else ""


def by_lock_table(asked: Asked, rows: Sequence[OfLock]) -> Table[OfLock]:
    """How each task did under each lock."""
    columns: tuple[Column[OfLock], ...] = (
        Column("task", "task", lambda row: row.task, href=lambda row: asked.task(row.task, by="lock")),
        Column(
            "lock",
            "lock",
            lambda row: row.value,
            lambda row: named(row.value, current=row.current and bool(row.value), none="no lock"),
            lambda row: lock_place(asked, row.value),
        ),
        *figure_columns(asked, "lock"),
    )
    return Table("by_lock", "Tasks by lock", columns, rows, NO_CALLS, lambda row: lock_place(asked, row.value))


def prompts_table(asked: Asked, rows: Sequence[PromptRow]) -> Table[PromptRow]:
    """How each version of a task's prompt did."""
    columns: tuple[Column[PromptRow], ...] = (
        Column("task", "task", lambda row: row.task, href=lambda row: prompt_place(asked, row.task)),
        Column(
            "prompt",
            "version",
            lambda row: row.value,
            lambda row: named(row.value, current=row.current),
            lambda row: prompt_place(asked, row.task, row.value),
        ),
        Column(
            "first",
            "first call",
            lambda row: row.first_ns,
            lambda row: written.when(row.first_ns, asked.zone, asked.now_ns),
        ),
        *figure_columns(asked, "prompt"),
    )
    return Table("prompts", "Prompts", columns, rows, NO_PROMPT, lambda row: prompt_place(asked, row.task, row.value))


PAGE: Final = Page(
    "prompts",
    "/prompts",
    "Prompts and lock",
    "the lock and the prompts in force, what differs from them, and how calls did under each version",
    PromptsPage,
    build,
    "Prompts and lock",
    "l",
)
