"""Every replica from all sides: what gateways see of it, what it says of itself, and how the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.charts import Chart, Line, Unit, meter
from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table, Value
from trimtab.console.text import short
from trimtab.console.window import Window
from trimtab.signals.engine.standing import ReplicaStanding
from trimtab.store.engine_samples import EngineQuery, EngineSample, EngineSeries

GAUGES: Final[Mapping[EngineSeries, tuple[str, Unit]]] = {
    "queue_depth": ("Waiting in the engine", "count"),
    "running": ("Running in the engine", "count"),
    "kv_cache_usage": ("KV cache in use", "share"),
    "gpu_utilisation": ("GPU utilisation", "share"),
}
"""What is drawn over time."""
LINES: Final = 6
STEPS: Final = 120
SAME: Final = {"same": "good", "suspected": "warn", "changed": "bad", "unknown": "idle"}
NONE: Final = Markup("No model is declared yet. Write <code>[models.NAME]</code> into <code>trimtab.toml</code>.")


class ReplicasPage(Struct, frozen=True):
    """Every replica as it stands; `detail` says why engines and calls are not compared, where they are not."""

    replicas: tuple[ReplicaStanding, ...]
    detail: str = ""


async def build(asked: Asked, parts: Parts) -> Built[ReplicasPage]:
    """The page."""
    found = await parts.replicas()
    window = asked.window
    samples = await parts.asker.figures(("engines", window), partial(find, window))
    data = ReplicasPage(tuple(found.replicas), found.detail)
    words = [(one, one.gap.words) for one in data.replicas if one.gap is not None and one.gap.words]
    return Built(data, (table_of(asked, data),), charts_of(window, samples), extra={"words": words})


def find(window: Window, stores: Stores) -> tuple[EngineSample, ...]:
    """What engines said over the range."""
    span_s = (window.until_ns - window.since_ns) // 10**9
    query = EngineQuery(window.since_ns, window.until_ns, series=tuple(GAUGES), step_s=max(60, span_s // STEPS))
    return stores.telemetry.engine_samples(query)


def charts_of(window: Window, samples: Sequence[EngineSample]) -> tuple[Chart, ...]:
    """A chart of each series that any engine has, those replicas first that had most of it."""
    step_ns = max(60, (window.until_ns - window.since_ns) // 10**9 // STEPS) * 10**9
    times = tuple(range(window.since_ns // step_ns * step_ns, window.until_ns, step_ns))
    charts = []
    models: dict[str, set[str]] = {}
    for one in samples:
        models.setdefault(one.replica, set()).add(one.model)
    for series, (title, unit) in GAUGES.items():
        found: dict[str, list[float | None]] = {}
        for one in samples:
            place = (one.at_ns - times[0]) // step_ns if times else -1
            if one.series == series and 0 <= place < len(times):
                name = one.replica if len(models[one.replica]) == 1 else f"{one.model} at {one.replica}"
                found.setdefault(name, [None] * len(times))[place] = one.value
        most = sorted(found, key=lambda name: (-sum(value or 0.0 for value in found[name]), name))[:LINES]
        says = f"the {LINES} busiest of {len(found)}" if len(found) > LINES else ""
        lines = [Line(name, found[name]) for name in most]
        if lines:
            charts.append(Chart(series, title, unit, times, lines, window.since_ns, window.until_ns, says=says))
    return tuple(charts)


def table_of(asked: Asked, data: ReplicasPage) -> Table[ReplicaStanding]:
    """The table: the gateways' side, then the engine's own."""

    def behind(one: ReplicaStanding) -> str | None:
        return asked.calls(replica=one.replica)

    ours, its, both = "Gateways see", "Engine says", "Gap"
    columns: tuple[Column[ReplicaStanding], ...] = (
        Column("model", "model", lambda one: one.model),
        Column("replica", "replica", lambda one: one.replica, href=behind),
        Column("state", "state", lambda one: state_of(one)[1], state, group=ours),
        Column("in_flight", "in flight", lambda one: one.in_flight, group=ours, numeric=True),
        Column("outstanding", "asked", lambda one: one.outstanding_tokens, unit="tokens", group=ours, numeric=True),
        engine_column("queue_depth", "waiting", its),
        engine_column("running", "running", its),
        Column("kv", "KV cache", partial(value_of, "kv_cache_usage"), kv, group=its, numeric=True),
        Column("hits", "prefix hits", partial(rate_of, "prefix_hit_share"), hits, group=its, numeric=True),
        Column(
            "preemptions",
            "set back",
            partial(rate_of, "preemptions"),
            says="Answers that were set back over the last minute because the KV cache was full (preemptions).",
            group=its,
            numeric=True,
        ),
        Column("prefill", "prefill", partial(rate_of, "prefill_tokens_s"), unit="tok/s", group=its, numeric=True),
        Column("decode", "decode", partial(rate_of, "decode_tokens_s"), unit="tok/s", group=its, numeric=True),
        Column("gpu", "GPU", partial(value_of, "gpu_utilisation"), gpu, group=its, numeric=True),
        Column(
            "gpu_memory", "GPU memory", gpu_memory, lambda one: written.share(gpu_memory(one)), group=its, numeric=True
        ),
        Column("restarts", "restarts", restarts, group=its, numeric=True),
        Column("read", "read", partial(age, asked), partial(read, asked), group=its),
        Column(
            "ttft_gap",
            "TTFT",
            ttft_gap,
            signed,
            says="How much later the first token reached us than it left the engine, in the mean.",
            group=both,
            numeric=True,
        ),
        Column("identity", "identity", lambda one: one.identity, identity, group="Model"),
    )
    return Table("replicas", "Replicas", columns, data.replicas, NONE, behind)


def engine_column(series: EngineSeries, head: str, group: str) -> Column[ReplicaStanding]:
    """A value that the engine told at the latest try."""
    return Column(series, head, partial(value_of, series), group=group, numeric=True)


def value_of(series: EngineSeries, one: ReplicaStanding) -> float | None:
    """The latest value of a series; None where the engine does not have it or did not answer."""
    return one.engine.values.get(series) if one.engine is not None else None


def rate_of(name: str, one: ReplicaStanding) -> float | None:
    """What came of the last minute."""
    found: float | None = getattr(one.engine.rates, name) if one.engine is not None else None
    return found


def restarts(one: ReplicaStanding) -> int | None:
    """How often it was started anew since control was."""
    return one.engine.restarts if one.engine is not None else None


def kv(one: ReplicaStanding) -> Markup | str:
    """How full the KV cache is."""
    part = value_of("kv_cache_usage", one)
    return written.NOTHING if part is None else Markup("{} {}").format(meter(part), written.share(part))


def gpu(one: ReplicaStanding) -> str:
    """How busy the GPU is."""
    return written.share(value_of("gpu_utilisation", one))


def gpu_memory(one: ReplicaStanding) -> float | None:
    """The share of the GPU's memory that is used."""
    return one.engine.gpu_memory if one.engine is not None else None


def memory(one: ReplicaStanding) -> str:
    """The same for people."""
    return written.share(gpu_memory(one))


def hits(one: ReplicaStanding) -> str:
    """The share of prompt tokens that the prefix cache had."""
    return written.share(rate_of("prefix_hit_share", one))


def age(asked: Asked, one: ReplicaStanding) -> float | None:
    """Seconds since its metrics were read."""
    if one.engine is None or not one.engine.at_ns:
        return None
    return max(0.0, (asked.now_ns - one.engine.at_ns) / 1e9)


def read(asked: Asked, one: ReplicaStanding) -> str | Markup:
    """When its metrics were read, or why they are not."""
    if one.engine is None:
        return "not read"
    trouble = one.engine.trouble or one.engine.exporter_trouble
    if trouble:
        return Markup('<span class="state warn"><span class="sign" aria-hidden="true">\u25b2</span> {}</span>').format(
            short(trouble, 60)
        )
    seconds = age(asked, one)
    return "not yet" if seconds is None else f"{written.duration(seconds)} ago"


def state_of(one: ReplicaStanding) -> tuple[str, str]:
    """How the gateways find it, as a kind and a word."""
    if one.breaker == "open":
        return "bad", "breaker open"
    if one.healthy is False:
        return "bad", "not healthy"
    if one.breaker == "half_open":
        return "warn", "on trial"
    if one.failures:
        return "warn", f"{one.failures} of {one.votes} failed"
    if one.healthy or one.breaker == "closed":
        return "good", "well"
    return "idle", "not asked yet"


def state(one: ReplicaStanding) -> Markup:
    """The same with its sign."""
    return marked(*state_of(one))


def identity(one: ReplicaStanding) -> Markup:
    """Whether it is the model that was locked."""
    word = {"unknown": "not tested"}.get(one.identity, one.identity)
    return marked(SAME.get(one.identity, "idle"), word, one.identity_detail)


def marked(kind: str, word: str, says: str = "") -> Markup:
    """A state: a sign and a word."""
    sign = {"bad": "!", "warn": "\u25b2", "good": "\u2713", "idle": "\u00b7"}[kind]
    return Markup('<span class="state {}" title="{}"><span class="sign" aria-hidden="true">{}</span> {}</span>').format(
        kind, says, sign, word
    )


def ttft_gap(one: ReplicaStanding) -> Value:
    """Seconds between the first token's leaving the engine and its arrival."""
    return one.gap.ttft_s if one.gap is not None else None


def signed(one: ReplicaStanding) -> str:
    """The same in words."""
    seconds = one.gap.ttft_s if one.gap is not None else None
    if seconds is None:
        return written.NOTHING
    return f"{'+' if seconds >= 0 else '-'}{written.duration(abs(seconds))}"


PAGE: Final = Page(
    "replicas",
    "/replicas",
    "Replicas",
    "replicas: load, what engines say of themselves, and how that differs from what calls saw",
    ReplicasPage,
    build,
    "Replicas",
    "p",
    whole=True,
)
