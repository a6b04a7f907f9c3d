"""What `trimtab demo regress` has to show, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.demo_regress import GREEN, SIGNAL, Shown
from trimtab.cli.signals_text import BAD, GOOD, QUIET, number
from trimtab.demo.regression import ENTRY
from trimtab.demo.traffic import SHARES
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, milliseconds, three_digits, whole
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Cell, Figure

TOLD: Final = 400
SHORT: Final = 12


def shown_text(shown: Shown, folder: Path) -> RenderableType:
    """The alert, what changed, what stayed as it was, and calls that show it; or what was seen instead."""
    return Group(*_parts(shown, folder))


def _parts(shown: Shown, folder: Path) -> Iterator[RenderableType]:
    calls = sum(shown.sent.values())
    if shown.alert is None:
        yield Text(f"\nNo alert opened in {shown.waited_s:.0f} s, after {calls:,} calls.", BAD)
        yield Text("Send more calls a second (--rate), or wait longer (--give-up).")
    else:
        yield Text(f"\n! {shown.alert.severity}, {shown.waited_s:.0f} s after the change:", f"bold {BAD}")
        yield plain_text(f"  {shown.alert.words}", TOLD)
    yield Text("\nwhat changed", "bold")
    if shown.alert is not None:
        for cause in shown.alert.causes:
            yield plain_text(f"  {cause.text}", TOLD)
            for line in cause.words.splitlines():
                yield plain_text(f"      {line}", TOLD)
    yield Text(f"  lock {shown.lock_before[:SHORT]} -> {shown.lock_after[:SHORT]}, in {ENTRY}:", QUIET)
    yield from (Text(f"    - {line}", BAD) for line in _lines(shown.prompt_before, shown.prompt_after))
    yield from (Text(f"    + {line}", GOOD) for line in _lines(shown.prompt_after, shown.prompt_before))
    yield Text("\nwhat a serving dashboard shows meanwhile", "bold")
    yield figures_table(shown)
    if shown.others:
        yield Text("alerts beside it", "bold")
        yield from (plain_text(f"  {one.severity} {one.state}: {one.words}", TOLD) for one in shown.others)
    if shown.failing:
        yield Text("\ncalls that show it", "bold")
        yield from (plain_text(f"  trimtab calls show {call} --project {folder}", TOLD) for call in shown.failing)
    if shown.console:
        yield Text(f"\nin the console: {shown.console}")
    if shown.restored:
        yield Text("The prompt is as it was before, and locked; the alert ends once calls have gone well for a while.")
    else:
        yield Text(f"The change is left in place; `trimtab demo restore --project {folder}` takes it back.")


def figures_table(shown: Shown) -> Table:
    """What an operator looks at, before the change and since; what fell stands last of its task."""
    table = Table(box=None, pad_edge=False, header_style=QUIET, padding=(0, 3, 0, 0))
    for name in ("", "before", "since", "n"):
        table.add_column(name, justify="right" if name else "left")
    for name, told in _engine(shown):
        table.add_row(f"  engine, {name}", *told, "")
    for task in SHARES:
        for name in (*GREEN, SIGNAL):
            before, since = figure_of(shown.before, task, name), figure_of(shown.since, task, name)
            style = BAD if name == SIGNAL or (name == "error_rate" and since is not None and since.value) else ""
            if since is not None and since.n:
                words = f"  {task}, {name.replace('_', ' ')}{_level(name)}"
                cells = (Text(each, style) for each in (words, _told(before), _told(since)))
                table.add_row(*cells, whole(since.n))
    return table


def _engine(shown: Shown) -> Iterator[tuple[str, tuple[str, str]]]:
    before, since = shown.engine_before, shown.engine_since
    if before is None or since is None:
        return
    yield "mean time to first token", (_ms(before.first_token_s), _ms(since.first_token_s))
    yield "mean time per token", (_ms(before.per_token_s), _ms(since.per_token_s))
    yield "requests that wait", (three_digits(before.waiting), three_digits(since.waiting))


def _ms(seconds: float | None) -> str:
    return NONE if seconds is None else f"{milliseconds(seconds)} ms"


def figure_of(cells: Iterable[Cell], task: str, name: str) -> Figure | None:
    """A figure of a task in a window; None where there is none."""
    return next((one for cell in cells if cell.task == task for one in cell.figures if one.signal == name), None)


def _told(figure: Figure | None) -> str:
    return NONE if figure is None else number(BY_NAME[figure.signal], figure.value)


def _level(name: str) -> str:
    signal = BY_NAME[name]
    return f" p{signal.level * 100:g}" if signal.kind == "spread" else ""


def _lines(words: str, other: str) -> list[str]:
    """The lines of a prompt that the other one does not have."""
    known = set(other.splitlines())
    return [line for line in words.splitlines() if line not in known]
