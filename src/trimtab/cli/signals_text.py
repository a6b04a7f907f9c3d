"""Figures of signals for a terminal: behaviour on the left, infrastructure on the right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.dead_text import age_text
from trimtab.cli.fitted import Fitted
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, milliseconds, percent, three_digits, whole
from trimtab.reports.window import clock_text
from trimtab.signals.calibration import ReliabilityShown
from trimtab.signals.catalogue import BY_NAME, SIGNALS
from trimtab.signals.figure import Cell, Figure, Figures, Gauge
from trimtab.signals.objectives import ObjectiveFigure
from trimtab.signals.signal import Signal
from trimtab.signals.telling import Told

GOOD, BAD, QUIET = "green", "red", "dim"
COLOURS = {"better": GOOD, "worse": BAD, "changed": "yellow"}
STANDINGS = {"met": GOOD, "missed": BAD, "not enough data": QUIET}
LEFT = (
    ("parse_rate", "parse"),
    ("tool_validity", "tools"),
    ("completion", "done"),
    ("output_length", "length p50"),
    ("cost_per_completed", "$/done"),
)
RIGHT = (("request_rate", "calls/s"), ("error_rate", "errors"), ("ttft", "ttft p95"), ("tpot", "tpot p95"))
MOST_PARTS = 5
SIDE_BY_SIDE = 150
"""Columns from which both sides of a task stand beside each other."""
DIGEST_CHARACTERS = 12


def signals_text(told: Told, *, whole_tasks: bool, width: int) -> RenderableType:
    """The overview of several tasks, or everything of those that were asked for."""
    figures = told.figures
    if not figures.cells:
        return Text("No calls in this window; `trimtab calls tail` shows the latest.")
    head = Text(f"{clock_text(figures.since_ns)} to {clock_text(figures.until_ns)}", style=QUIET)
    if figures.step_s or not whole_tasks:
        return Group(head, overview(figures), *_goals(told.objectives))
    return Group(
        head, *(part for cell in figures.cells for part in _task(cell, told, width)), Text(_foot(), style=QUIET)
    )


def overview(figures: Figures) -> Fitted:
    """A row for each task, value and step."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("\ntask")
    if figures.by != "task":
        table.add_column(f"\n{figures.by}")
    if figures.step_s:
        table.add_column("\nfrom")
    for side, columns in (("BEHAVIOUR", LEFT), ("INFRASTRUCTURE", RIGHT)):
        for place, (_, head) in enumerate(columns):
            table.add_column(f"{'' if place else side}\n{head}", justify="right")
    table.add_column("\nqueue", justify="right")
    for cell in figures.cells:
        names = [plain_text(cell.task)]
        names += [plain_text(_value_name(figures.by, cell.value))] if figures.by != "task" else []
        names += [Text(clock_text(cell.at_ns)[:16])] if figures.step_s else []
        cells = [_short(BY_NAME[name], cell.figure(name)) for name, _ in (*LEFT, *RIGHT)]
        table.add_row(*names, *cells, _queue(figures.gauges, cell.task))
    return Fitted(table, keys=1 + (figures.by != "task") + bool(figures.step_s))


def _value_name(by: str, value: str) -> str:
    return value[:DIGEST_CHARACTERS] if by in {"prompt", "lock"} else value


def _queue(gauges: Iterable[Gauge], task: str) -> str:
    waiting = [one.value for one in gauges if one.signal == "queue_depth" and one.task in ("", task)]
    return three_digits(sum(waiting)) if waiting else NONE


def _short(signal: Signal, figure: Figure | None) -> Text:
    """The value over its interval and n."""
    if figure is None:
        return Text(NONE)
    verdict = figure.change.verdict if figure.change is not None else ""
    mark = "! " if verdict == "worse" else ""
    below = " ".join(filter(None, (_interval(signal, figure), f"n {whole(figure.n)}")))
    return Text.assemble((mark + number(signal, figure.value), COLOURS.get(verdict, "")), ("\n" + below, QUIET))


def number(signal: Signal, value: float | None) -> str:
    """A value with its unit."""
    if value is None:
        return NONE
    match signal.unit:
        case "share":
            return f"{percent(value)} %"
        case "s":
            return f"{milliseconds(value)} ms"
        case "probability" | "calls/s":
            return three_digits(value)
        case unit:
            return f"{three_digits(value)} {unit}"


def _bare(signal: Signal, value: float | None) -> str:
    """A value without its unit."""
    if value is None:
        return "?"
    if signal.unit == "share":
        return percent(value)
    return milliseconds(value) if signal.unit == "s" else three_digits(value)


def _interval(signal: Signal, figure: Figure) -> str:
    """`(91.0-95.2)`; an end that too few values bound is `?`."""
    if figure.low is None and figure.high is None:
        return ""
    return f"({_bare(signal, figure.low)}-{_bare(signal, figure.high)})"


def _task(cell: Cell, told: Told, width: int) -> Iterator[RenderableType]:
    name = f"{cell.task} {told.figures.by} {_value_name(told.figures.by, cell.value)}" if cell.value else cell.task
    calls = f"   {whole(cell.calls)} call" + ("" if cell.calls == 1 else "s")
    yield Text.assemble(("\n" + plain_text(name).plain, "bold"), calls)
    left = _side("behaviour", cell, [one for one in SIGNALS if one.family != "infrastructure"])
    right = _side("infrastructure", cell, [one for one in SIGNALS if one.family == "infrastructure"])
    if width >= SIDE_BY_SIDE:
        both = Table.grid(padding=(0, 3))
        both.add_row(left, right)
        yield both
    else:
        yield from (left, right)
    yield from _goals(one for one in told.objectives if one.task == cell.task)
    for reliability in told.reliability:
        if reliability.task == cell.task and not cell.value:
            yield reliability_text(reliability)
    yield from _gauges(told.figures.gauges, cell.task)


def _side(head: str, cell: Cell, signals: Sequence[Signal]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(head)
    table.add_column("", justify="right")
    table.add_column("n", justify="right")
    table.add_column("before")
    for signal in signals:
        for figure in (one for one in cell.figures if one.signal == signal.name):
            for name, value, n, before in _rows(signal, figure):
                table.add_row(name, value, n, before)
    return table


def _rows(signal: Signal, figure: Figure) -> Iterator[tuple[Text, str, str, Text]]:
    name = plain_text(" ".join(filter(None, (signal.name.replace("_", " "), figure.field))))
    if figure.kind == "shares":
        yield name, number(signal, figure.value) if figure.value is not None else "", whole(figure.n), _moved(figure)
        for part in figure.parts[:MOST_PARTS]:
            ends = (
                f" ({percent(part.low)}-{percent(part.high)})" if part.low is not None and part.high is not None else ""
            )
            yield Text("  ") + plain_text(part.name), f"{percent(part.share)} %{ends}", whole(part.count), Text("")
        if len(figure.parts) > MOST_PARTS:
            yield Text(f"  and {len(figure.parts) - MOST_PARTS} more"), "", "", Text("")
        return
    if figure.kind == "spread":
        for place, one in enumerate(figure.quantiles):
            own = Figure(figure.signal, figure.kind, figure.n, one.value, one.low, one.high)
            told = f"{number(signal, one.value)} {_interval(signal, own)}".strip()
            before = _before(signal, figure) if one.level == signal.level else Text("")
            yield (
                name if not place else Text(""),
                f"p{one.level * 100:g} {told}",
                whole(figure.n) if not place else "",
                before,
            )
        return
    told = f"{number(signal, figure.value)} {_interval(signal, figure)}".strip()
    yield name, told, whole(figure.n), _before(signal, figure)


def reliability_text(found: ReliabilityShown) -> RenderableType:
    """Whether answers given with a confidence are right as often: both errors, and the share that was right by bin."""
    lag = (
        f"; half of the labels came within {_age(found.lag_p50_s)}, 95 % within {_age(found.lag_p95_s)}"
        if found.lag_p50_s is not None and found.lag_p95_s is not None
        else ""
    )
    errors = (
        f"calibration {found.field or 'of the whole answer'}: expected error {three_digits(found.ece)} "
        f"({three_digits(found.ece_low)}-{three_digits(found.ece_high)}), Brier {three_digits(found.brier)} "
        f"({three_digits(found.brier_low)}-{three_digits(found.brier_high)}), n {whole(found.n)}{lag}"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("confidence", "right", "n"):
        table.add_column(head, justify="right")
    for one in found.bins:
        share = f"{percent(one.share)} % ({percent(one.below)}-{percent(one.above)})"
        table.add_row(f"{one.low:.2f}-{one.high:.2f}", share, whole(one.n))
    return Group(Text(plain_text(errors).plain), table)


def _age(seconds: float) -> str:
    return age_text(round(seconds * 1e9))


def _before(signal: Signal, figure: Figure) -> Text:
    change = figure.change
    if change is None or change.value is None:
        return Text("")
    mark = "! " if change.verdict == "worse" else ""
    words = (
        f"{mark}{change.verdict}, {number(signal, change.value)}" if change.verdict else number(signal, change.value)
    )
    return Text(words, style=COLOURS.get(change.verdict, QUIET))


def _moved(figure: Figure) -> Text:
    """How much of a whole moved from one part to another."""
    if figure.change is None or figure.change.difference is None:
        return Text("")
    return Text(f"{percent(figure.change.difference)} % moved", style=QUIET)


def _goals(found: Iterable[ObjectiveFigure]) -> Iterator[Text]:
    for one in found:
        burns = "  ".join(f"{burn.window} {three_digits(burn.rate)}" for burn in one.burns)
        days = three_digits(one.window_s / 86_400)
        days += " day" if days == "1" else " days"
        budget = f"{_budget(one.budget_left)} of {days}, n {whole(one.n)}"
        words = f"objective {one.task} {one.name}: {one.standing}, {budget}; burns {burns}"
        yield Text(plain_text(words).plain, style=STANDINGS[one.standing])


def _budget(left: float | None) -> str:
    """What is left of an error budget, as the console says it."""
    if left is None:
        return "no calls"
    return f"{percent(left)} % of its budget left" if left >= 0 else "its budget spent"


def _gauges(found: Iterable[Gauge], task: str) -> Iterator[Text]:
    for one in found:
        if one.task in ("", task):
            signal = BY_NAME[one.signal]
            name = f"{signal.name.replace('_', ' ')} {one.of}".strip()
            yield plain_text(f"{name}: {number(signal, one.value)}")


def _foot() -> str:
    return (
        "Intervals are 95 %: Wilson's for shares, by rank for quantiles; `?` where too few values bound that side. "
        "What is `worse` or `better` than the window before is so beyond chance."
    )


def catalogue_text() -> RenderableType:
    """Every signal with its unit and what it says."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("signal", "family", "unit", "good", "what it says"):
        table.add_column(head, overflow="fold")
    for one in SIGNALS:
        table.add_row(one.name, one.family, one.unit, "" if one.better == "neither" else one.better, one.says)
    return Fitted(table)
