"""Figures by version: what tables of prompts and locks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Final, Protocol, TypeVar

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.figured import bars_column, plain_rate_column, quantile_column, rate_column, value_column
from trimtab.console.page import Asked
from trimtab.console.tables import Column
from trimtab.console.window import Window
from trimtab.errors import InvalidRequest
from trimtab.lock.git import Commit
from trimtab.signals.figure import Cell
from trimtab.signals.figures import FigureQuery, figures
from trimtab.store.slices import Dimension
from trimtab.store.telemetry import MINUTE_NS, Telemetry

VERSION: Final = (
    *("parse_rate", "tool_validity", "completion", "output_length", "cut_share", "cost_per_call"),
    *("availability", "ttft", "tpot", "total"),
)
SHORT: Final = 8
SECOND_NS: Final = 1_000_000_000
MOST_DIGITS: Final = 64
FEWEST_DIGITS: Final = 8


class VersionRow(Protocol):
    """A row with the figures of one version of one task."""

    @property
    def task(self) -> str:
        """The task."""

    @property
    def value(self) -> str:
        """The version: a digest."""

    @property
    def cell(self) -> Cell | None:
        """The figures; None where it had no call."""


V = TypeVar("V", bound=VersionRow)
R = TypeVar("R")


def cells_of(telemetry: Telemetry, window: Window, tasks: tuple[str, ...], by: Dimension) -> tuple[Cell, ...]:
    """The figures of a window by version; raises `InvalidRequest` where there are too many to tell."""
    query = FigureQuery(window.since_ns, window.until_ns, tasks, VERSION, by, before=False)
    try:
        return figures(telemetry, query).cells
    except ValueError as many:
        raise InvalidRequest(detail=f"{many}; choose a shorter range") from many


def minutes(window: Window) -> tuple[int, int]:
    """The whole minutes that a range touches."""
    return window.since_ns // MINUTE_NS * MINUTE_NS, -(-window.until_ns // MINUTE_NS) * MINUTE_NS


def figure_columns(asked: Asked, by: str) -> tuple[Column[V], ...]:
    """Behaviour on the left, cost and the first token on the right; each leads to the calls behind it."""

    def behind(**filters: str | bool) -> Callable[[V], str]:
        return lambda row: asked.calls(task=row.task, **{by: row.value}, **filters)

    return (
        Column("calls", "calls", lambda row: row.cell.calls if row.cell else 0, href=behind(), numeric=True),
        rate_column("parse_rate", "parse", behind(failing=True)),
        plain_rate_column("tool_validity", "tools", behind(bad_tool_call=True)),
        plain_rate_column("completion", "done"),
        bars_column("output_length", "length", behind(order="longest")),
        value_column("cost_per_call", "cost", behind(order="dearest"), unit="per 1,000", times=1000),
        quantile_column("ttft", 0.5, "ttft p50", behind(order="slowest_first_token")),
        quantile_column("ttft", 0.95, "ttft p95", behind(order="slowest_first_token")),
    )


def named(digest: str, *, current: bool = False, none: str = "none") -> Markup:
    """A version by the beginning of its digest; that in force is marked."""
    now = Markup(' <span class="state ask">in force</span>') if current else ""
    name = written.digest(digest) if digest else none
    return Markup('<span title="{}">{}</span>{}').format(digest, name, now)


def commit_columns(commit_of: Callable[[R], Commit | None], zone: tzinfo, now_ns: int) -> tuple[Column[R], ...]:
    """Who brought a version, and when."""

    def at_ns(row: R) -> int:
        commit = commit_of(row)
        return commit.at_s * SECOND_NS if commit is not None else 0

    return (
        Column("commit", "commit", lambda row: hash_of(commit_of(row)), lambda row: _hash(commit_of(row))),
        Column("at", "when", at_ns, lambda row: written.when(at_ns(row), zone, now_ns)),
        Column("author", "who", lambda row: author_of(commit_of(row)), lambda row: _name(commit_of(row))),
    )


def hash_of(commit: Commit | None) -> str:
    """A commit's hash; empty for none."""
    return commit.hash if commit is not None else ""


def author_of(commit: Commit | None) -> str:
    """A commit's author; empty for none."""
    return commit.author if commit is not None else ""


def chosen(given: str, known: Sequence[str], name: str) -> str:
    """The version that a parameter means by its digest or the beginning of it; raises `InvalidRequest`."""
    digits = given.removeprefix("sha256:").lower()
    is_digest = FEWEST_DIGITS <= len(digits) <= MOST_DIGITS and all(letter in "0123456789abcdef" for letter in digits)
    if not is_digest:
        raise InvalidRequest(detail=f"?{name}={given[:80]} is no digest; give 8 to 64 hexadecimal digits")
    return next((one for one in known if one.startswith(digits)), digits)


def _hash(commit: Commit | None) -> Markup:
    if commit is None:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    return Markup('<code title="{}">{}</code>').format(commit.hash, commit.hash[:SHORT])


def _name(commit: Commit | None) -> Markup:
    """The name without the address, which is there on hover."""
    author = author_of(commit)
    return Markup('<span title="{}">{}</span>').format(author, author.partition(" <")[0] or written.NOTHING)
