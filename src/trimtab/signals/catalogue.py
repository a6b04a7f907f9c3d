"""Every signal that is made of slices, once: `docs/signals.md` lists the same ones."""

from __future__ import annotations

from typing import Final

from trimtab.signals.signal import Ratio, Signal

PARSE_RATE: Final = Signal(
    name="parse_rate",
    family="behaviour",
    unit="share",
    better="higher",
    says="Answers valid against the task's schema at the first time of asking, of those that had one to keep.",
    means="The prompt, the model or the schema changed so that the two no longer fit.",
    ratio=lambda one: Ratio(
        one.valid_first,
        one.valid_first + one.repaired + one.rejected + one.passed_invalid + one.truncated + one.refused,
    ),
)
TTFT: Final = Signal(
    name="ttft",
    family="infrastructure",
    unit="s",
    better="lower",
    says="Time from a call's last byte read to its first content-bearing event written; streamed calls only.",
    means="Queues at the engine, longer prompts, or a prefix cache that no longer hits.",
    spread=lambda one: one.spreads.get("ttft", {}),
    scale=1e-6,
)
SIGNALS: Final[tuple[Signal, ...]] = (PARSE_RATE, TTFT)
BY_NAME: Final = {one.name: one for one in SIGNALS}
