"""What several nouns of telemetry are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MINUTE_NS: Final = 60_000_000_000


@dataclass(frozen=True)
class CostSum:
    """How many calls bear one label, and what they cost together in picodollars."""

    calls: int = 0
    pusd: int = 0
