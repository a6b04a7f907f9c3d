"""Columns and lines made of figures (`signals.figures`), so that a signal looks the same wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from markupsafe import Markup

from trimtab.console import charts
from trimtab.console import format as written
from trimtab.console.charts import Line
from trimtab.console.tables import Column, Value, share_of
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Cell, Compared, Figure, Quantile

PUSD: Final = 1e12


class Row(Protocol):
    """What has figures."""

    @property
    def cell(self) -> Cell | None:
        """The figures; None where nothing happened."""


R = TypeVar("R", bound=Row)
Href = Callable[[R], str | None]


def figure_of(row: Row, signal: str) -> Figure | None:
    """A row's figure of a signal."""
    return row.cell.figure(signal) if row.cell is not None else None


def rate_column(signal: str, head: str, href: Href[R] | None = None, group: str = "") -> Column[R]:
    """A share with its interval and n."""
    return Column(
        key=signal,
        head=head,
        value=lambda row: share_of(figure_of(row, signal)),
        show=lambda row: written.rate(figure_of(row, signal)),
        href=lambda row: href(row) if href is not None and figure_of(row, signal) else None,
        says=BY_NAME[signal].says,
        numeric=True,
        group=group,
    )


def plain_rate_column(signal: str, head: str, href: Href[R] | None = None, group: str = "") -> Column[R]:
    """A share without its interval, for tables that have many; the interval is in CSV, JSON and on hover."""
    return Column(
        key=signal,
        head=head,
        value=lambda row: share_of(figure_of(row, signal)),
        show=lambda row: _short_rate(figure_of(row, signal)),
        href=lambda row: href(row) if href is not None and figure_of(row, signal) else None,
        says=BY_NAME[signal].says,
        numeric=True,
        group=group,
    )


def value_column(
    signal: str, head: str, href: Href[R] | None = None, group: str = "", unit: str = "", times: float = 1.0
) -> Column[R]:
    """An amount in its unit; shown for so many `times`, which the head must say: cost of 1,000 calls, not of one."""

    def value(row: R) -> Value:
        figure = figure_of(row, signal)
        return figure.value if figure is not None else None

    return Column(
        key=signal,
        head=head,
        value=value,
        show=lambda row: told(figure_of(row, signal), times),
        href=lambda row: href(row) if href is not None and figure_of(row, signal) else None,
        says=BY_NAME[signal].says,
        unit=unit,
        numeric=True,
        group=group,
    )


def quantile_column(signal: str, level: float, head: str, href: Href[R] | None = None, group: str = "") -> Column[R]:
    """One quantile of a distribution, with its interval in CSV and JSON."""

    def value(row: R) -> Value:
        figure = figure_of(row, signal)
        found = quantile_of(figure, level)
        if figure is None or found is None:
            return {"value": None, "low": None, "high": None, "n": figure.n if figure is not None else 0}
        return {"value": found.value, "low": found.low, "high": found.high, "n": figure.n}

    def show(row: R) -> str | Markup:
        figure = figure_of(row, signal)
        return told_quantile(figure, level) if figure is not None else written.NOTHING

    return Column(
        key=f"{signal}_p{level * 100:g}",
        head=head,
        value=value,
        show=show,
        href=lambda row: href(row) if href is not None and figure_of(row, signal) else None,
        says=BY_NAME[signal].says,
        numeric=True,
        group=group,
    )


def bars_column(signal: str, head: str, href: Href[R] | None = None, group: str = "") -> Column[R]:
    """A distribution's shape; sorted by its median."""

    def value(row: R) -> Value:
        figure = figure_of(row, signal)
        if figure is None:
            return {"p50": None, "p95": None, "n": 0}
        middle, far = quantile_of(figure, 0.5), quantile_of(figure, 0.95)
        return {"p50": middle.value if middle else None, "p95": far.value if far else None, "n": figure.n}

    def show(row: R) -> Markup:
        figure = figure_of(row, signal)
        if figure is None:
            return Markup('<span class="none">{}</span>').format(written.NOTHING)
        return shape(figure)

    return Column(
        key=signal,
        head=head,
        value=value,
        show=show,
        href=lambda row: href(row) if href is not None and figure_of(row, signal) else None,
        says=BY_NAME[signal].says,
        group=group,
    )


def shape(figure: Figure) -> Markup:
    """A distribution as bars, with its median in words for those who do not see them."""
    counts = charts.regrouped([(one.low, one.high, one.count) for one in figure.bins])
    return charts.bars(counts, f"{BY_NAME[figure.signal].says} Median {told_quantile(figure, 0.5)}.")


def quantile_of(figure: Figure | None, level: float) -> Quantile | None:
    """A figure's quantile at a level."""
    return next((one for one in figure.quantiles if one.level == level), None) if figure is not None else None


def told_quantile(figure: Figure, level: float) -> str:
    """A quantile in its unit."""
    found = quantile_of(figure, level)
    return in_unit(found.value if found is not None else None, BY_NAME[figure.signal].unit)


def told(figure: Figure | None, times: float = 1.0) -> str | Markup:
    """A figure as text: a share with its interval, everything else in its unit, for so many `times`."""
    if figure is None:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    if figure.kind == "ratio":
        return written.rate(figure)
    return in_unit(None if figure.value is None else figure.value * times, BY_NAME[figure.signal].unit)


def in_unit(value: float | None, unit: str) -> str:
    """A value in a signal's unit."""
    match unit:
        case "share" | "probability":
            return written.share(value)
        case "s":
            return written.duration(value)
        case "USD":
            return written.money(None if value is None else value * PUSD)
        case "bytes":
            return written.size(value)
    return written.number(value)


def told_change(figure: Figure) -> Markup:
    """How a figure differs from the window before: the difference and a word; nothing where none can be told."""
    change = figure.change
    if change is None or change.difference is None:
        return Markup('<span class="none" title="nothing to hold it against">{}</span>').format(written.NOTHING)
    kind, word = _VERDICTS[change.verdict]
    return Markup('<span class="state {}" title="{}">{}{}</span>').format(
        kind, _before(figure, change), _difference(figure, change.difference), f" {word}" if word else ""
    )


def lines_of(
    cells: Iterable[Cell], signal: str, steps: Sequence[int], names: Mapping[str, str], level: float | None = None
) -> tuple[Line, ...]:
    """One line for each task or value (as `names` has them, in that order) over the steps of a window."""
    found: dict[str, dict[int, Figure]] = {name: {} for name in names}
    for cell in cells:
        key = cell.value or cell.task
        figure = cell.figure(signal) if key in found else None
        if figure is not None:
            found[key][cell.at_ns] = figure
    return tuple(
        Line(names[key], [_at(by_step.get(at), level) for at in steps]) for key, by_step in found.items() if by_step
    )


def band_of(cells: Iterable[Cell], signal: str, steps: Sequence[int], name: str, level: float | None = None) -> Line:
    """One line with its interval."""
    by_step = {cell.at_ns: figure for cell in cells if (figure := cell.figure(signal)) is not None}
    ends = [_ends(by_step.get(at), level) for at in steps]
    return Line(name, [one[0] for one in ends], [one[1] for one in ends], [one[2] for one in ends])


def _at(figure: Figure | None, level: float | None) -> float | None:
    return _ends(figure, level)[0]


def _ends(figure: Figure | None, level: float | None) -> tuple[float | None, float | None, float | None]:
    if figure is None:
        return None, None, None
    if level is None:
        return figure.value, figure.low, figure.high
    found = quantile_of(figure, level)
    return (found.value, found.low, found.high) if found is not None else (None, None, None)


def _short_rate(figure: Figure | None) -> Markup:
    if figure is None or figure.value is None:
        return written.rate(figure)
    is_bound = figure.low is not None and figure.high is not None
    ends = f", {written.interval(figure.low or 0.0, figure.high or 0.0)} %" if is_bound else ""
    return Markup('<span title="n = {}{}">{}</span>').format(written.exact(figure.n), ends, written.share(figure.value))


_VERDICTS: Final = {
    "better": ("good", "better"),
    "worse": ("bad", "worse"),
    "changed": ("warn", "changed"),
    "": ("idle", ""),
}


def _before(figure: Figure, change: Compared) -> str:
    unit = _unit(figure)
    clear = "" if change.verdict else "; no clear change"
    return f"before {in_unit(change.value, unit)} of {written.exact(change.n)}{clear}"


def _unit(figure: Figure) -> str:
    """What a figure is counted in: numbers that were read of answers and questions are no shares."""
    unit = BY_NAME[figure.signal].unit
    return "" if figure.kind == "spread" and unit == "share" else unit


def _difference(figure: Figure, difference: float) -> str:
    unit = _unit(figure)
    sign = "+" if difference > 0 else "-" if difference < 0 else "\u00b1"
    size = abs(difference)
    if figure.kind == "shares":
        return f"{written.significant(100 * size)} % moved"
    if unit in ("share", "probability"):
        return f"{sign}{written.significant(100 * size)} points"
    return f"{sign}{in_unit(size, unit)}"
