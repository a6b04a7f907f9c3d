"""Cases looked for in references: short and long, many alike, and within bounds."""

from __future__ import annotations

from itertools import islice, permutations

import pytest

from trimtab.data import contamination as module
from trimtab.data.bags import Bags
from trimtab.data.contamination import Contamination, Seen
from trimtab.data.text import words

CASES = (
    "the lamp that I bought last week flickers",
    "two mugs of my order were broken on arrival",
    "please send the invoice for May to my new address",
)


def found(cases: list[str], *references: str) -> list[Seen]:
    search = Contamination(Bags.of(map(words, cases)))
    for number, reference in enumerate(references):
        search.take(number, words(reference))
    return search.seen()


def test_a_case_within_a_long_text() -> None:
    """A case is found wherever it stands in a text of thousands of words, not where its words are strewn over one."""
    filler = " ".join(f"filler{number}" for number in range(3000))
    strewn = " ".join(f"{word} " + " ".join(f"x{word}{n}" for n in range(90)) for word in CASES[1].split())
    assert [(each.case, each.reference) for each in found(list(CASES), filler, f"{filler} {CASES[1]} {filler}")] == [
        (1, 1)
    ]
    assert found(list(CASES), strewn) == []


def test_short_cases() -> None:
    """A case of fewer than four words is found where a reference says just that."""
    assert [
        (each.case, each.reference) for each in found(["yes please", *CASES], "Oh yes, please do", "Yes, please!")
    ] == [(0, 1)]


def test_many_alike() -> None:
    """All cases of the same words are told, each with the reference that holds most of it."""
    seen = found([CASES[0]] * 50 + [CASES[1]], "nothing here", f"so {CASES[0]}")
    assert [each.case for each in seen] == list(range(50))
    assert {each.reference for each in seen} == {1}


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that meets too many cases is compared with some of them, and it is counted."""
    monkeypatch.setattr(module, "MOST_CANDIDATES", 5)
    search = Contamination(Bags.of(islice(permutations("abcdef"), 40)))
    search.take(0, [*"abcdef"])
    search.seen()
    assert search.partly == 1


def test_nothing() -> None:
    """Without cases, without references, and with cases without words nothing is found."""
    assert found([], "a b c d e") == []
    assert found(list(CASES)) == []
    assert found(["", "..."], "", "a b c d") == []
