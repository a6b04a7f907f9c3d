"""What `trimtab.toml` says of models: who serves them, how they are reached and what they cost."""

from __future__ import annotations

from datetime import date
from decimal import Context, Decimal
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.auth import read_auth
from trimtab.declare.host import existing_file, placed
from trimtab.declare.project import Engine, Gpu, Grammar, Model, Price, Wire
from trimtab.declare.scraping import read_scrape
from trimtab.declare.served import read_served
from trimtab.declare.table import Table

PUSD_PER_USD: Final = 10**12
MAX_USD_PER_TOKEN: Final = 1000
MAX_USD_PER_HOUR: Final = 10_000
PROBE_S: Final = 900.0
WIRE: Final[values.Read[Wire]] = values.choice("openai", "anthropic")
ENGINE: Final[values.Read[Engine]] = values.choice("vllm", "openai", "anthropic", "other")
GRAMMAR: Final[values.Read[Grammar]] = values.choice("auto", "xgrammar", "guidance")
EXAMPLE: Final = 'write [models.small] with model = "Qwen/Qwen3-8B" and replicas = ["http://127.0.0.1:8000"]'


def read_models(table: Table) -> dict[str, Table]:
    """The tables of `[models]` whose names are good, by name; without any there is nothing to serve."""
    if not len(table):
        table.wrong("", "no model is declared", EXAMPLE)
    return {name: table.table(name) for name in table if values.NAME.fullmatch(name)}


def read_model(name: str, table: Table, root: Path) -> Model:
    """One model; what is wrong in it is replaced by something harmless."""
    if "price" in table and "gpu" in table:
        table.wrong("gpu", f"{table.name('price')} and gpu are both given", "keep the one that you pay by")
    wire: Wire = table.get("wire", WIRE, "openai")
    engine = _read_engine(table, wire)
    api_key = placed(table.get("api_key", values.secret, None), root)
    replicas = table.each("replicas", values.replica, example='"http://127.0.0.1:8000"')
    return Model(
        name=name,
        served_name=table.required("model", values.text, '"Qwen/Qwen3-8B"') or "",
        replicas=replicas,
        wire=wire,
        engine=engine,
        grammar=_read_grammar(table, engine),
        auth=read_auth(table, wire, root),
        probe_s=_read_probe(table, engine),
        revision=table.get("revision", values.text, ""),
        api_key=api_key,
        ca=existing_file(table, "ca", root),
        proxy=table.get("proxy", values.proxy, None),
        passthrough=table.each("passthrough", values.route),
        prices=_read_prices(table),
        gpu=_read_gpu(table.table("gpu")) if "gpu" in table else None,
        served=read_served(table.table("served"), root),
        retires=table.get("retires", values.day, None),
        identity_s=table.get("identity", _identity, None),
        scrape=read_scrape(table, engine, len(replicas)),
    )


def _read_engine(table: Table, wire: Wire) -> Engine:
    engine: Engine = table.get("engine", ENGINE, "anthropic" if wire == "anthropic" else "other")
    other = "anthropic" if wire == "openai" else "openai"
    if engine == other:
        table.wrong(
            "engine",
            f"{table.name('engine')} is {values.show(engine)}, which does not speak the wire {values.show(wire)}",
            f'write wire = {values.show(other)}, or engine = "other"',
        )
    return engine


def _read_grammar(table: Table, engine: Engine) -> Grammar:
    if "grammar" in table and engine != "vllm":
        table.wrong(
            "grammar",
            f"{table.name('grammar')} has no use with the engine {values.show(engine)}",
            'take it out, or write engine = "vllm"',
        )
    return table.get("grammar", GRAMMAR, "auto")


def _read_probe(table: Table, engine: Engine) -> float | None:
    """How often to probe, in seconds; an engine that is not known to enforce schemas has nothing to prove."""
    probe_s = table.get("probe", _probe, None if engine == "other" else PROBE_S)
    if engine == "other" and probe_s is not None:
        table.wrong(
            "probe",
            f'{table.name("probe")} has no use with the engine "other", which is not relied on to enforce schemas',
            "take it out, or name the engine",
        )
    return probe_s


def _probe(value: object) -> float | None:
    return _every(value, 60)


def _identity(value: object) -> float | None:
    """Unless it is asked for, nothing is tested: each test is some hundred calls, which a hosted model bills."""
    return _every(value, 600)


def _every(value: object, least_s: float) -> float | None:
    if value == "off":
        return None
    try:
        return values.duration(least_s, 30 * 86_400)(value)
    except values.Wrong as wrong:
        raise values.Wrong(wrong.what, f'{wrong.instead}, or "off"') from None


def _read_prices(table: Table) -> tuple[Price, ...]:
    """One price or several, the oldest first; two from the same day contradict each other."""
    by_day: dict[date, Price] = {}
    for each in table.tables("price"):
        price = _read_price(each)
        day = price.from_day or date.min
        if day in by_day:
            since = f"from {day}" if price.from_day else "without `from`"
            each.wrong("from", f"{each.name('from')}: there are two prices {since}", "give each its own first day")
        by_day[day] = price
    return tuple(by_day[day] for day in sorted(by_day))


def _read_price(table: Table) -> Price:
    per_tokens = table.get("per_tokens", values.whole(1, 10**9), 1_000_000)
    usd = _usd_per_tokens(per_tokens)
    return Price(
        input=table.required("input", usd, "0.15") or Decimal(0),
        output=table.required("output", usd, "0.60") or Decimal(0),
        cache_read=table.get("cache_read", usd, None),
        cache_write=table.get("cache_write", usd, None),
        reasoning=table.get("reasoning", usd, None),
        per_tokens=per_tokens,
        from_day=table.get("from", values.day, None),
    )


def _usd_per_tokens(per_tokens: int) -> values.Read[Decimal]:
    """Money that is a whole number of picodollars for each token, so that no cost is ever rounded."""
    exact = Context(prec=100)

    def read(value: object) -> Decimal:
        found = _usd(MAX_USD_PER_TOKEN * per_tokens)(value)
        if exact.remainder(exact.multiply(found, Decimal(PUSD_PER_USD)), Decimal(per_tokens)):
            raise values.Wrong(
                f"{values.show(value)} for {per_tokens} tokens, which is finer than 1e-12 USD a token",
                "round it to that",
            )
        return found

    return read


def _usd(most: int) -> values.Read[Decimal]:
    def read(value: object) -> Decimal:
        found = values.decimal(value)
        if not 0 <= found <= most:
            raise values.Wrong(f"{values.show(value)}, not a price", f"write US dollars from 0 to {most}")
        return found

    return read


def _read_gpu(table: Table) -> Gpu | None:
    kind = table.required("kind", values.text, '"H100"')
    count = table.required("count", values.whole(1, 1024), "1")
    usd_per_hour = table.required("usd_per_hour", _usd(MAX_USD_PER_HOUR), "2.50")
    if kind is None or count is None or usd_per_hour is None:
        return None
    return Gpu(kind, count, usd_per_hour)
