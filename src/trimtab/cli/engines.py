"""What replicas say of themselves, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from trimtab.cli.fitted import Fitted
from trimtab.cli.screen import safe
from trimtab.reports.numbers import NONE, percent, three_digits, whole
from trimtab.signals.engine.view import EngineView

BAD, QUIET = "red", "dim"
OLD_S = 60.0
"""A reading older than this tells its age."""


def engines_table(views: Iterable[EngineView], now_ns: int) -> Fitted:
    """A line for each replica: its queue, its caches, what it does a second; under it why nothing could be read."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "replica", "engine"):
        table.add_column(name, overflow="fold")
    for name in ("queue", "running", "KV %", "hits %", "prefill tok/s", "decode tok/s", "GPU %", "restarts"):
        table.add_column(name, justify="right")
    for view in views:
        values, rates = view.values, view.rates
        table.add_row(
            view.model,
            view.replica,
            _server(view, now_ns),
            _count(values.get("queue_depth")),
            _count(values.get("running")),
            _share(values.get("kv_cache_usage")),
            _share(rates.prefix_hit_share),
            three_digits(rates.prefill_tokens_s),
            three_digits(rates.decode_tokens_s),
            _share(values.get("gpu_utilisation")),
            whole(view.restarts),
        )
    return Fitted(table, keys=2)


def _server(view: EngineView, now_ns: int) -> Text:
    trouble = view.trouble or view.exporter_trouble
    if trouble:
        return Text(safe(f"! {trouble}"), BAD)
    if not view.at_ns:
        return Text("not read yet", QUIET)
    age_s = (now_ns - view.at_ns) / 1e9
    return Text(view.server or NONE).append(f", {age_s:.0f} s old" if age_s > OLD_S else "", QUIET)


def _count(value: float | None) -> str:
    return NONE if value is None else whole(round(value))


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)
