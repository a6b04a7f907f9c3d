"""The measured price of an instruction: which words of a prompt changed, and what they did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from msgspec import Struct

from trimtab.evals.report import Metric
from trimtab.evals.words import name_of, plain, step_text

MOST_WORDS: Final = 4_000
"""Words of a prompt beyond which what changed in it is not looked for."""
MOST_SHOWN: Final = 60
"""Characters of a change that are shown."""
APART: Final = "For the price of each, evaluate them one after the other."
"""What is said where several changes have one price."""
MOST_CHANGES: Final = 3
"""Places of which the words are shown."""


class Words(Struct, frozen=True):
    """The words that changed in a prompt, by place: what stood there, and what stands there now."""

    places: tuple[tuple[str, str], ...]


def changed(before: str, after: str) -> Words:
    """The words that changed, in order; everything, as one place, for prompts of more than 4,000 words."""
    old, new = re.findall(r"\S+", before), re.findall(r"\S+", after)
    if old == new:
        return Words(())
    if max(len(old), len(new)) > MOST_WORDS:
        return Words(((before, after),))
    found = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return Words(tuple((" ".join(old[a:b]), " ".join(new[c:d])) for tag, a, b, c, d in found if tag != "equal"))


def price(words: Words, metrics: Sequence[Metric], *, others: int) -> str:
    """What the changed words did to length, cost and the first score, in a sentence; empty where no word changed.

    `others` is how many lock entries but the prompt differ: then it is the price of all of them together.
    """
    if not words.places:
        return ""
    told = [told for one in _told(metrics) if (told := _effect(one))]
    if not told:
        return ""
    together = " (with all else that changed)" if others else ""
    apart = f" {APART}" if others or len(words.places) > 1 else ""
    return f"{_change(words)}{together}: {', '.join(told)}.{apart}"


def _told(metrics: Sequence[Metric]) -> list[Metric]:
    whole = [one for one in metrics if not one.slice]
    guards = [one for name in ("length", "cost") for one in whole if one.name == name and one.kind == "guard"]
    return guards + [one for one in whole if one.kind == "score"][:1]


def _effect(metric: Metric) -> str:
    found = metric.difference
    if found is None:
        return ""
    low, high = step_text(metric, found.low, sign=False), step_text(metric, found.high, sign=False)
    if metric.is_ratio:
        return f"{name_of(metric)} {step_text(metric, found.value)} % ({low} to {high})"
    unit = " points" if metric.unit == "share" else ""
    return f"{name_of(metric)} {step_text(metric, found.value)}{unit} ({low} to {high})"


def _change(words: Words) -> str:
    shown = [_place(before, after) for before, after in words.places[:MOST_CHANGES]]
    left = len(words.places) - len(shown)
    return f"Prompt: {'; '.join(shown)}" + (f"; and {left} more places" if left else "")


def _place(before: str, after: str) -> str:
    old, new = f'"{plain(before, MOST_SHOWN)}"', f'"{plain(after, MOST_SHOWN)}"'
    if not before:
        return f"{new} added"
    return f"{old} -> {new}" if after else f"{old} removed"
