"""`trimtab runs list --background`: calls that were submitted, with what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.fitted import Fitted
from trimtab.cli.runs_client import RunsHere
from trimtab.cli.screen import next_verb, say, say_json
from trimtab.journal.asks import RunRow
from trimtab.journal.background import OVER, BackgroundCall, Poll, Polled
from trimtab.journal.refusals import BackgroundUnknown
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, whole

FORGOTTEN: Final = "forgotten"
"""The status of a call whose answer is not kept any more."""
STYLES: Final = {"completed": "green", "failed": "red", "incomplete": "yellow"}
UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Shown(Struct, frozen=True):
    """A run of a background call; `call` is None where its answer is not kept any more."""

    run: RunRow
    call: BackgroundCall | None


class Listed(Struct, frozen=True):
    """What `runs list --background --json` tells."""

    calls: tuple[Shown, ...]


def calls_listed(here: RunsHere, rows: Sequence[RunRow], now_ns: int, *, as_json: bool) -> None:
    """Says what there is of background calls."""
    found = tuple(Shown(row, _call(here, row.run)) for row in rows)
    if as_json:
        say_json(msgspec.json.encode(Listed(found)))
        return
    say(calls_text(found, now_ns))
    dead = next((one.run.run for one in found if one.call is not None and one.call.status == "failed"), "")
    next_verb(f"trimtab runs redrive {dead}" if dead else "trimtab runs list")


def _call(here: RunsHere, run: str) -> BackgroundCall | None:
    try:
        told = here.reads.do(Poll(run, anybody=True))
    except BackgroundUnknown:
        return None
    return told.call if isinstance(told, Polled) else None


def calls_text(found: Sequence[Shown], now_ns: int) -> RenderableType:
    """Background calls, one a line. The age is the time since submission, of those that are over the time it took."""
    if not found:
        return Text("No such call.")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name, right in (("call", False), ("status", False), ("age", True), ("tries", True), ("task", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for name in ("key", "what for"):
        table.add_column(name, no_wrap=True)
    for one in found:
        row, call = one.run, one.call
        status = call.status if call is not None else FORGOTTEN
        until_ns = (row.ended_ns or now_ns) if call is None else call.over_ns if call.status in OVER else now_ns
        table.add_row(
            plain_text(row.run),
            Text(status, STYLES.get(status, "")),
            Text(age((until_ns or now_ns) - row.started_ns)),
            Text(f"{whole(call.tries)}/{whole(call.most_tries)}" if call is not None else NONE),
            plain_text(row.task or NONE, 30),
            plain_text((call.key if call is not None else "") or NONE, 30),
            plain_text(_why(row, call) or NONE, 60),
        )
    return Fitted(table)


def _why(row: RunRow, call: BackgroundCall | None) -> str:
    """What it waits for, or why it failed."""
    if row.state == "paused":
        return "paused"
    return (call.error if call is not None else row.error) or row.waits_for


def age(ns: int) -> str:
    """A time in its largest unit: `90s` is `1m`."""
    seconds = max(0, ns) // 1_000_000_000
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    return f"{seconds // size}{unit}"
