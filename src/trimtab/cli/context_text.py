"""What a task's context strategy did to the messages of one call, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.cli.verdict_text import Fact
from trimtab.record.events import ContextUse, Settled
from trimtab.reports.numbers import whole

MOST_RANGES = 20


def context_facts(call: Settled) -> Iterator[Fact]:
    """What was counted, what stayed, and what became of the rest; nothing for a call that no strategy looked at."""
    use = call.admitted.context
    if use is not None:
        yield "context", tuple(_lines(use))


def _lines(use: ContextUse) -> Iterator[str]:
    by = "by the model's tokenizer" if use.counted == "tokenizer" else "by estimate"
    yield f"{use.strategy}   input {whole(use.tokens)} tokens {by}"
    if use.dropped:
        dropped = f"{whole(use.dropped)} of {whole(use.messages)} messages, {whole(use.dropped_tokens)} tokens"
        yield f"dropped {dropped}   kept, counted from 0: {_ranges(use.kept)}"
    if use.summary_failed:
        why = f"call {use.summary} failed" if use.summary else "there was no room for one"
        yield f"no summary: {why}"
    elif use.summary:
        yield f"summary by call {use.summary}"


def _ranges(kept: tuple[int, ...]) -> str:
    pairs = list(zip(kept[::2], kept[1::2], strict=False))
    shown = [str(first) if end == first + 1 else f"{first} to {end - 1}" for first, end in pairs[:MOST_RANGES]]
    return ", ".join(shown) + (", and more" if len(pairs) > MOST_RANGES else "")
