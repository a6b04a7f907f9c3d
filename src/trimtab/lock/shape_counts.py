"""What was seen at one JSON path of a tool's answers, and how unlikely it makes what was seen last.

Something that was seen in at most `RARE` of the answers before (or never) and now in c of the last w is drift where
that has a chance of at most `ALPHA` under the old rate: the beta-binomial predictive probability of c in w after m in n
with a uniform prior. With m = 0 and c = w = k that is 1 / C(n + 1 + k, k): after 30 answers with a field, 7 in a row
without it; after 100, 5; after 1,000, 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, lgamma
from typing import Final

from msgspec import Struct

from trimtab.lock.shape_classes import ABSENT, NULL, Known, What

ALPHA: Final = 1e-7
"""The chance of an alarm, for each path and answer, while nothing has changed."""
RARE: Final = 0.05
MIN_ANSWERS: Final = 30
"""Answers from which on a tool's shape counts as learned."""
LEAST: Final = 3
"""Answers that must show a thing before it is drift."""
WINDOW: Final = 64
WINDOWS: Final = (3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64)
PRESENT: Final = "present"
PARTLY: Final = "partly"
"""Some of the objects at one place have the field and some do not."""
NO_TYPES: Final = frozenset({ABSENT, PRESENT, PARTLY})


class Counts(Struct):
    """What was seen at one path. `seen` and `n` count answers before the last `size`, which `bits` hold, newest first.

    `known` is False while a path that came after learning may yet turn out to be drift.
    """

    parent: str = ""
    n: int = 0
    seen: dict[str, int] = {}
    bits: dict[str, int] = {}
    size: int = 0
    known: bool = True

    def add(self, what: Iterable[str]) -> None:
        """Takes in what one more answer showed."""
        if self.size == WINDOW:
            self._fold()
        for name in self.bits:
            self.bits[name] <<= 1
        for name in what:
            self.bits[name] = self.bits.get(name, 0) | 1
        self.size += 1

    def _fold(self) -> None:
        """Counts the oldest answer of the window among those before it."""
        oldest = 1 << (self.size - 1)
        self.size -= 1
        self.n += 1
        for name, bits in list(self.bits.items()):
            if bits & oldest:
                self.seen[name] = self.seen.get(name, 0) + 1
                self.bits[name] = bits & ~oldest
            if not self.bits[name]:
                del self.bits[name]

    @property
    def answers(self) -> int:
        """How many answers could have shown something here."""
        return self.n + self.size

    def total(self, what: str) -> int:
        """How many answers showed this."""
        return self.seen.get(what, 0) + self.bits.get(what, 0).bit_count()

    def names(self) -> set[str]:
        """All that was seen."""
        return self.seen.keys() | self.bits.keys()


class Evidence(Struct, frozen=True):
    """Why something is drift, in words: so many of the answers of a window showed it."""

    words: str
    again: int
    window: int


def chance(seen: int, answers: int, again: int, window: int) -> float:
    """The beta-binomial predictive probability of `again` in `window` after `seen` in `answers`, uniform prior.

    Source: Gelman and others, Bayesian Data Analysis, section 2.4 (binomial model with a beta prior).
    """
    hits, misses = seen + 1, answers - seen + 1
    return exp(
        lgamma(window + 1)
        - lgamma(again + 1)
        - lgamma(window - again + 1)
        + _log_beta(hits + again, misses + window - again)
        - _log_beta(hits, misses)
    )


def _log_beta(a: int, b: int) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def evidence(counts: Counts, name: str) -> Evidence | None:
    """How unlikely what the last answers showed would be if nothing had changed; None where it is not."""
    bits = counts.bits.get(name, 0)
    if counts.seen.get(name, 0) > RARE * counts.n or bits.bit_count() < LEAST:
        return None
    for window in WINDOWS:
        again = (bits & ((1 << window) - 1)).bit_count()
        seen, answers = counts.total(name) - again, counts.answers - window
        if window > counts.size or answers < MIN_ANSWERS - LEAST:
            return None
        if again < LEAST or seen > RARE * answers:
            continue
        likely = chance(seen, answers, again, window)
        if likely <= (ALPHA if seen == 0 else ALPHA / 100):
            shown = {ABSENT: "missing", PRESENT: "there"}.get(name, name)
            words = f"{shown} in {again} of the last {window} answers, in {seen} of {answers} before: p = {likely:.0e}"
            return Evidence(words, again, window)
    return None


def what_of(counts: Counts, name: str) -> What:
    """What it means that this is seen now."""
    if name == NULL:
        return "null"
    if name == PARTLY or (name == ABSENT and counts.bits.get(PRESENT, 0) & ((1 << LEAST) - 1)):
        return "optional"
    return "lost" if name == ABSENT else "retyped"


def shown_before(counts: Counts, window: int) -> str:
    """The types that were usual before the last answers."""
    answers = max(1, counts.answers - window)
    usual = {name for name in counts.names() if _earlier(counts, name, window) > RARE * answers}
    types = usual - NO_TYPES or counts.names() - NO_TYPES
    return str(Known(frozenset(types), not usual & {ABSENT, PARTLY}))


def _earlier(counts: Counts, name: str, window: int) -> int:
    return counts.total(name) - (counts.bits.get(name, 0) & ((1 << window) - 1)).bit_count()


def shown_since(counts: Counts, answers: int) -> str:
    """What the last answers showed."""
    known = known_since(counts, answers)
    return str(known) if known.types else ABSENT


def known_since(counts: Counts, answers: int) -> Known:
    """What the last answers showed, as it is known of a path."""
    shown = {name for name, bits in counts.bits.items() if bits & ((1 << answers) - 1)}
    return Known(frozenset(shown - NO_TYPES), not shown & {ABSENT, PARTLY})
