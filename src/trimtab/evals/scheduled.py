"""Which cases of a suite are asked when: a representative set for each slot of time.

All cases are put into an order that is mixed within each of their kinds and takes these in turns, so that any stretch
of it has about as many of each as the whole suite has. Slots take one stretch after another, and after the last case a
fresh order begins: each case is asked once in each turn through the suite.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from trimtab.evals.case import Case

_SPAN: Final = 2.0**64


def slot_of(at_s: float, every_s: float) -> int:
    """The number of the slot that a time (s since 1970) lies in."""
    return int(at_s // every_s)


def chosen(cases: Sequence[Case], seed: int, slot: int, count: int) -> tuple[Case, ...]:
    """The cases of a slot: `count` of them, or all where there are no more; the same ones whenever it is asked.

    Where a stretch goes over the end of a turn a case may be in it twice.
    """
    if len(cases) <= count:
        return tuple(cases)
    turn, first = divmod(slot * count, len(cases))
    found: list[Case] = []
    while len(found) < count:
        found += _order(cases, seed, turn)[first : first + count - len(found)]
        turn, first = turn + 1, 0
    return tuple(found)


def _order(cases: Sequence[Case], seed: int, turn: int) -> list[Case]:
    """All cases in the order of one turn; where the file has them means nothing."""
    kinds: defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.slices, case.tags].append(case)
    places: list[tuple[float, str, Case]] = []
    for kind, members in kinds.items():
        offset = _rank(seed, turn, "kind", repr(kind))
        mixed = sorted(members, key=lambda one: _rank(seed, turn, "case", one.id))
        places += [((n + offset) / len(mixed), one.id, one) for n, one in enumerate(mixed)]
    return [one for _, _, one in sorted(places, key=lambda place: place[:2])]


def _rank(seed: int, turn: int, *of: str) -> float:
    """A number from 0 to 1 that looks like chance."""
    text = "\n".join(("trimtab schedule 1", str(seed), str(turn), *of))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / _SPAN
