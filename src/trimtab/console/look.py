"""What every page shares: who looks, the navigation, the range, theme and zone, and the templates themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request

from trimtab.console import charts
from trimtab.console import format as written
from trimtab.console.diffs import difference
from trimtab.console.endpoint import Visitor
from trimtab.console.page import Asked, Page
from trimtab.console.statics import Statics
from trimtab.console.text import clean, folded, short, shown
from trimtab.console.window import RANGES

THEME: Final = "trimtab_theme"
ZONE: Final = "trimtab_zone"
THEMES: Final = ("light", "dark")


@dataclass(frozen=True)
class NavItem:
    """A page in the navigation."""

    word: str
    href: str
    key: str
    here: bool


@dataclass(frozen=True)
class RangeItem:
    """A range to choose."""

    word: str
    href: str
    here: bool


@dataclass(frozen=True)
class View:
    """The facts of the layout. `asked` is None on pages without figures: signing in, and what went wrong."""

    title: str
    environment: str
    theme: str
    zone: tzinfo
    now_ns: int
    statics: Statics
    visitor: Visitor | None = None
    asked: Asked | None = None
    nav: Sequence[NavItem] = ()
    ranges: Sequence[RangeItem] = ()
    can_leave: bool = False

    def links(self, place: str) -> bool:
        """Whether a page of this place stands in the navigation."""
        return any(one.href.partition("?")[0] == place for one in self.nav)

    def local(self, at_ns: int) -> str:
        """A time as a field for dates and times takes it."""
        return datetime.fromtimestamp(at_ns // 1_000_000_000, self.zone).strftime("%Y-%m-%dT%H:%M")

    def static(self, name: str) -> str:
        """The address of one of our files."""
        return self.statics.address(name)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self.statics

    def when(self, at_ns: int | None) -> Markup:
        """A time, local."""
        return written.when(at_ns, self.zone, self.now_ns)

    def ago(self, at_ns: int | None) -> Markup:
        """How long ago."""
        return written.ago(at_ns, self.now_ns, self.zone)

    def svg(self, chart: charts.Chart) -> Markup:
        """A chart as the server draws it."""
        return charts.svg(chart, self.zone)

    @property
    def zone_name(self) -> str:
        """The zone that times are told in."""
        return str(self.zone)


def theme_of(request: Request) -> str:
    """The theme that was chosen; empty for that of the system."""
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else ""


def zone_of(request: Request) -> tzinfo:
    """The zone that the browser told; UTC until it has."""
    name = request.cookies.get(ZONE, "").replace("%2F", "/")
    return _zone(name) if name and len(name) <= 64 else UTC


@cache
def templates() -> Environment:
    """The templates: whatever they are given is escaped."""
    made = Environment(
        loader=PackageLoader("trimtab.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": written.number,
        "exact": written.exact,
        "share": written.share,
        "rate": written.rate,
        "interval": lambda ends: written.interval(*ends),
        "duration": written.duration,
        "money": written.money,
        "size": written.size,
        "digest": written.digest,
        "short": short,
        "shown": shown,
        "folded": folded,
        "difference": difference,
        "bars": charts.bars,
        "spark": charts.spark,
        "meter": charts.meter,
        "histogram": _histogram,
        "chart_data": charts.data,
        "embedded": charts.embedded,
    }
    return made


def nav_of(pages: Sequence[Page[Any]], asked: Asked) -> tuple[NavItem, ...]:
    """The pages that stand in the navigation and that the visitor may see; deeper pages belong to the one above."""
    items = []
    for page in pages:
        if page.nav and asked.visitor.may(page.least) and not (page.whole and asked.visitor.tasks):
            within = asked.place == page.path or (page.path != "/" and asked.place.startswith(f"{page.path}/"))
            items.append(NavItem(page.nav, asked.to(page.path), page.key, within))
    return tuple(items)


def ranges_of(asked: Asked) -> tuple[RangeItem, ...]:
    """The ranges, each leading to this page with it."""
    without = dict.fromkeys(("range", "from", "to", "after", "trail"))
    return tuple(
        RangeItem(name, asked.here(**{**without, "range": name}), asked.window.name == name) for name in RANGES
    )


def render(name: str, view: View, content: Mapping[str, Any]) -> str:
    """The HTML of a template, with a visible sign for every character in it that has none."""
    return clean(templates().get_template(f"{name}.html").render(view=view, **content))


@lru_cache(64)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _histogram(bins: Sequence[Any]) -> Markup:
    """The bars of a figure, as large as a column."""
    counts = [one.count for one in bins]
    return charts.bars(counts, f"a histogram of {written.exact(sum(counts))} values", 320, 64)
