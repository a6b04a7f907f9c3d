"""What `trimtab.toml` says of the metrics of a model's servers: where they are read, and of which GPU exporters."""

from __future__ import annotations

from typing import Final

from trimtab.declare import values
from trimtab.declare.alerting import Scrape
from trimtab.declare.project import Engine
from trimtab.declare.table import Table

USUAL_PATH: Final = "/metrics"
HAVE_METRICS: Final[frozenset[Engine]] = frozenset({"vllm"})
"""Engines that one runs oneself and that tell their metrics unless they are asked not to."""
EVERY_S: Final = 15.0
INSTEAD: Final = 'write true, false, a path such as "/metrics", or the URL of each replica\'s metrics'


def read_scrape(table: Table, engine: Engine, replicas: int) -> Scrape | None:
    """Whose metrics are read; None where nobody's are. `replicas` is how many the model has."""
    path, urls = _read_metrics(table, engine, replicas)
    exporters = _each(table, "exporters", (1, replicas))
    every_s = table.get("metrics_every", values.duration(1, 3600), EVERY_S)
    if not path and not urls and not exporters:
        if "metrics_every" in table:
            what = f"{table.name('metrics_every')} has no use: no metrics of this model's servers are read"
            table.wrong("metrics_every", what, "take it out, or write metrics = true")
        return None
    return Scrape(path, every_s, exporters, urls)


def _read_metrics(table: Table, engine: Engine, replicas: int) -> tuple[str, tuple[str, ...]]:
    """The path at each replica, or the URL for each; both empty where they are not read."""
    said = table.get("metrics", _metrics, engine in HAVE_METRICS)
    match said:
        case True:
            return USUAL_PATH, ()
        case False:
            return "", ()
        case str():
            if not said.startswith("/"):
                _check_count(table, "metrics", 1, (replicas,))
            return (said, ()) if said.startswith("/") else ("", (said,))
    return "", _each(table, "metrics", (replicas,))


def _each(table: Table, key: str, right: tuple[int, ...]) -> tuple[str, ...]:
    """The URLs of a list, in its order, of which there must be so many; one may stand there for several replicas."""
    count = 0

    def counted(value: object) -> str:
        nonlocal count
        count += 1
        return values.server(value)

    urls = tuple(url for _, url in table.elements(key, counted, repeated=True))
    _check_count(table, key, count, right)
    return urls


def _metrics(value: object) -> bool | str | None:
    """What is said in one word; None for a list, whose elements are read one by one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return None
    if not isinstance(value, str):
        raise values.Wrong(f"{values.show(value)}, not where metrics are", INSTEAD)
    if not value.startswith("/"):
        return values.server(value)
    if not values.PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise values.Wrong(f"{values.show(value)}, whose path is not plain", "write it without query, escapes and dots")
    return value


def _check_count(table: Table, key: str, count: int, right: tuple[int, ...]) -> None:
    if count and max(right) and count not in right:
        counts = " or ".join(map(str, sorted(set(right))))
        what = f"{table.name(key)} has {count} URLs, while the model has {max(right)} replicas"
        table.wrong(key, what, f"write {counts}, in the order of the replicas")
