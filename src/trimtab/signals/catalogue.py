"""Every signal, once: `docs/signals.md` lists the same ones."""

from __future__ import annotations

from typing import Final

from trimtab.signals import behaviour, hosts, infrastructure, judged, spending
from trimtab.signals.signal import Signal

SIGNALS: Final[tuple[Signal, ...]] = (
    *(*behaviour.SIGNALS, *judged.SIGNALS, *infrastructure.SIGNALS, *hosts.SIGNALS),
    *spending.SIGNALS,
)
BY_NAME: Final = {one.name: one for one in SIGNALS}
PARSE_RATE: Final = behaviour.PARSE_RATE
TTFT: Final = infrastructure.TTFT
