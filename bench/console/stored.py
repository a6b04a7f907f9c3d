"""Makes a store with as many calls of one day as wanted, through its own schema and views."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.store.clickhouse import ClickHouseTelemetry, open_embedded

HOURS: Final = 24
HOUR_NS: Final = 3_600_000_000_000
BEGAN_NS: Final = 1_793_491_200_000_000_000
"""2026-11-01 00:00:00 UTC."""
ENDED_NS: Final = BEGAN_NS + HOURS * HOUR_NS
INSERTS_PER_HOUR: Final = 4
FEW: Final = 40_000
"""Calls of an hour that are made at once."""
SYLLABLES: Final = tuple(map("".join, itertools.product("bdfgklmnprstvz", "aeiou")))[:64]
HERE: Final = Path(__file__).parent


def fill(path: Path, calls: int, seed: int, tell: Callable[[str], None]) -> None:
    """Makes the store at `path`: more calls by day than by night, as inserts of a quarter of an hour."""
    telemetry = open_embedded(path)
    telemetry.migrate()
    made = 0
    for hour, count in enumerate(by_hour(calls)):
        tell(f"console: hour {hour}, {made:,} calls made")
        parts = INSERTS_PER_HOUR if count >= FEW else 1
        for part in range(parts):
            size = count // parts
            began_ns = BEGAN_NS + hour * HOUR_NS + part * HOUR_NS // parts
            insert(telemetry, Made(made, size, began_ns, HOUR_NS // parts // size, seed))
            made += size
    telemetry.close()


def by_hour(calls: int) -> list[int]:
    """How many calls each hour has: a wave with its crest in the afternoon, three times its trough."""
    weights = [1 + 0.5 * math.sin((hour - 9) / HOURS * 2 * math.pi) for hour in range(HOURS)]
    return [round(calls * weight / sum(weights)) for weight in weights]


class Made(NamedTuple):
    """Calls that are made together: the number of the first, how many, when they begin, and how far apart they end."""

    first: int
    calls: int
    began_ns: int
    step_ns: int
    seed: int


def insert(telemetry: ClickHouseTelemetry, made: Made) -> None:
    """One insert of calls, and one of what they said."""
    parameters = made._asdict() | {"syllables": list(SYLLABLES)}
    for statement in ("calls.sql", "texts.sql"):
        text = (HERE / statement).read_text("utf-8")
        body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
        telemetry._client.command(body, parameters)


def merged(telemetry: ClickHouseTelemetry) -> bool:
    """Whether the store has no merges under way."""
    ((merging,),) = telemetry._client.query("SELECT count() FROM system.merges").result_rows
    return not merging
