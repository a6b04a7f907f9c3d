"""`trimtab eval history`: for each lock, what a task scored before it shipped beside what it does live."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.eval_list import reports_of
from trimtab.cli.signals_client import Wish, told_signals
from trimtab.cli.signals_text import number
from trimtab.console.beside import LIVE, OfLock, joined
from trimtab.declare.load import load
from trimtab.errors import UnknownTask
from trimtab.evals.history import Scored, scored
from trimtab.evals.kept import Evaluations
from trimtab.evals.words import amount_text, plain, share_text
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Figure

NONE: Final = "-"
SHOWN_DIGEST: Final = 12


class History(Struct, frozen=True):
    """The locks of a task, those first whose calls or evaluation came last; live figures are since `since_ns`."""

    task: str
    since_ns: int
    locks: tuple[OfLock, ...]


def history(root: Path, task: str, since: str) -> History:
    """The history of a task. Raises `UnknownTask`, and what `told_signals` raises."""
    project = load(root)
    if task not in project.tasks:
        raise UnknownTask(task=task)
    offline = scored(reports_of(Evaluations(Path(project.data.directory))), task)
    figures = told_signals(root, Wish((task,), LIVE, "lock", since=since)).figures
    return History(task, figures.since_ns, joined(offline, figures.cells))


def history_text(found: History) -> RenderableType:
    """The same as a table."""
    if not found.locks:
        return Text("No lock of this task was evaluated or served calls here.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = "lock", "evaluated", "score (95 %)", "calls", *(name.replace("_", " ") for name in LIVE)
    for head in heads:
        table.add_column(head, justify="left" if head in {"lock", "evaluated"} else "right", overflow="fold")
    for one in found.locks:
        figures = {figure.signal: figure for figure in one.live if not figure.field}
        table.add_row(
            one.lock[:SHOWN_DIGEST],
            NONE if one.score is None else plain(f"{one.score.scorer} in {one.score.id[:8]}"),
            NONE if one.score is None else score_text(one.score),
            f"{one.calls:,}",
            *(live_text(name, figures.get(name)) for name in LIVE),
        )
    return table


def score_text(one: Scored) -> str:
    """A score with its interval."""
    figure = one.figure
    if one.unit != "share":
        return amount_text(figure.value, one.unit)
    return f"{share_text(figure.value)} % ({share_text(figure.low)} to {share_text(figure.high)})"


def live_text(name: str, figure: Figure | None) -> str:
    """A live figure, with its n."""
    if figure is None or figure.value is None:
        return NONE
    return f"{number(BY_NAME[name], figure.value)} (n {figure.n:,})"
