"""What a lock changed, by entry and word by word, and how calls did under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, cast
from urllib.parse import quote

from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console.endpoint import Query
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.prompts import OfLock, by_lock_table, lock_place, prompt_place
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Table
from trimtab.console.versions import FEWEST_DIGITS, cells_of, chosen, minutes
from trimtab.console.window import Window
from trimtab.lock.history import OF_TASKS
from trimtab.lock.lock_history import EntryChange, KnownLock, LockChange, LockHistory
from trimtab.signals.figure import Cell
from trimtab.store.lock_figures import LockUse
from trimtab.store.telemetry import ReportQuery


class LockPage(Struct, frozen=True):
    """A lock: the commit that brought it, what differs from the one `before` by entry, and its calls.

    `hidden` entries are not shown to a key for some tasks; `known` is false for a lock that only calls name.
    """

    lock: str
    before: str
    known: KnownLock | None
    entries: tuple[EntryChange, ...]
    count: int
    hidden: int
    figures: tuple[OfLock, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What the store told of the locks of a range."""

    uses: tuple[LockUse, ...]
    cells: tuple[Cell, ...]


async def build(asked: Asked, parts: Parts) -> Built[LockPage]:
    """The page. Raises 404 for a lock that neither the project nor a call of the range has."""
    window, history = asked.window, LockHistory()
    if parts.history is not None:
        history = await parts.history.locks()
    found = await parts.asker.figures(("lock", window, asked.tasks), partial(find, window, asked.tasks))
    ids = [*(one.lock_id for one in history.locks), *(use.lock for use in found.uses if use.lock)]
    lock = lock_of(asked.path["lock"], ids)
    against = chosen(asked.query["against"], ids, "against") if asked.query.get("against") else ""
    change = await parts.history.change(lock, against) if parts.history is not None else None
    seen, hidden = entries_of(asked, change)
    at = history.before(lock)
    prior = change.before.lock_id if change is not None and change.before is not None else at.lock_id if at else ""
    cells = [cell for cell in found.cells if cell.value in (lock, against or prior) and cell.value]
    rows = tuple(OfLock(cell.task, cell.value, cell.value == lock, cell) for cell in cells)
    known = history.get(lock)
    count = change.count if change is not None and not asked.tasks else len(seen)
    data = LockPage(lock, against or prior, known, seen, count, hidden, rows, history.notes)
    extra = {
        "change": change,
        "current": lock == parts.policy().lock_id,
        "before_href": lock_place(asked, data.before),
        "prompts": {one.key: _prompt_href(asked, one) for one in seen},
        "subject": known.commit.subject if known is not None and known.commit is not None and not asked.tasks else "",
        "calls": asked.calls(lock=lock),
    }
    caption = "How tasks did under both" if data.before else "How tasks did under it"
    table = replace(by_lock_table(asked, rows), caption=caption)
    return Built(data, cast("tuple[Table[object], ...]", (table,)), title=f"Lock {lock[:12]}", extra=extra)


def lock_of(given: str, ids: Sequence[str]) -> str:
    """The lock of an id or of its beginning; raises 404."""
    found = next((one for one in ids if len(given) >= FEWEST_DIGITS and one.startswith(given)), None)
    if found is None:
        raise HTTPException(404, f"there is no lock {given[:16]} here; /prompts lists those of a range")
    return found


def find(window: Window, tasks: tuple[str, ...], stores: Stores) -> Found:
    """The locks of the range, and the figures of tasks under each."""
    uses = stores.telemetry.locks(ReportQuery(*minutes(window), tasks))
    return Found(uses, cells_of(stores.telemetry, window, tasks, "lock"))


def entries_of(asked: Asked, change: LockChange | None) -> tuple[tuple[EntryChange, ...], int]:
    """What the visitor may see of a change, and how many entries not: a key for some tasks sees what is theirs."""
    if change is None:
        return (), 0
    if not asked.tasks:
        return change.entries, 0
    seen = []
    for one in change.entries:
        section, _, name = one.key.partition("/")
        if section in OF_TASKS and name in asked.tasks:
            seen.append(one)
    return tuple(seen), len(change.entries) - len(seen)


def _prompt_href(asked: Asked, one: EntryChange) -> str:
    section, _, name = one.key.partition("/")
    if section == "prompts":
        return prompt_place(asked, name)
    return asked.to(f"/tasks/{quote(name, safe='')}") if section in OF_TASKS else ""


PAGE: Final = Page(
    "lock",
    "/prompts/locks/{lock}",
    "Lock",
    "what a lock changed against the one before, and how calls did under both",
    LockPage,
    build,
    query=(Query("against", "the lock it is held against, by its id; the one before unless given"),),
)
