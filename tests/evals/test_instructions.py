"""The price of an instruction: which words changed, and the sentence on what they did."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.evals.renderings.reports import EXACT, IN_LONG, LENGTH
from trimtab.evals.instructions import Words, changed, price

CHANGES = {
    "nothing": ("a b c", "a b c", ()),
    "spaces alone": ("a  b\nc", "a b c", ()),
    "words added": ("Sort it.", "Sort it. Be concise.", (("", "Be concise."),)),
    "words removed": ("Sort it. Be concise.", "Sort it.", (("Be concise.", ""),)),
    "a word exchanged": ("Sort it well.", "Sort it badly.", (("well.", "badly."),)),
    "two places": ("a b c d", "x b c y", (("a", "x"), ("d", "y"))),
    "all of it": ("a", "b", (("a", "b"),)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_words_that_changed(kind: str) -> None:
    """Words are compared, not spaces; each place has what stood there and what stands there."""
    before, after, places = CHANGES[kind]
    assert changed(before, after) == Words(places)


def test_a_long_prompt() -> None:
    """Of a prompt of thousands of words all is one place, so that nobody waits for the comparison."""
    before, after = "a " * 5_000, "b " * 5_000
    assert changed(before, after).places == ((before, after),)


def test_the_sentence() -> None:
    """Length first, then the score, each with its interval; slices are left out."""
    words = changed("Sort it.", "Sort it. Be concise.")
    assert price(words, (EXACT, IN_LONG, LENGTH), others=0) == (
        'Prompt: "Be concise." added: length -31.0 % (-34.0 to -27.5), exact -6.2 points (-8.4 to -4.0).'
    )


def test_more_than_the_prompt_changed() -> None:
    """Where other entries of the lock changed too, it is the price of all of it, and that is said."""
    told = price(changed("a", "b"), (EXACT,), others=2)
    assert " (with all else that changed): " in told
    assert told.endswith(". For the price of each, evaluate them one after the other.")


def test_many_places() -> None:
    """Three places are shown, and the others counted; together they have one price."""
    words = Words(tuple((str(number), "") for number in range(5)))
    told = price(words, (EXACT,), others=0)
    assert told.startswith('Prompt: "0" removed; "1" removed; "2" removed; and 2 more places: ')
    assert told.endswith(". For the price of each, evaluate them one after the other.")


def test_nothing_to_tell() -> None:
    """Without changed words, or without a difference, there is no sentence."""
    assert price(Words(()), (EXACT,), others=0) == ""
    assert price(changed("a", "b"), (replace(EXACT, difference=None),), others=0) == ""


@given(st.text(), st.text())
def test_any_prompts(before: str, after: str) -> None:
    """What stands at the places are the words of both sides that differ, in their order."""
    found = changed(before, after).places
    assert bool(found) == (before.split() != after.split())
    for side, text in ((0, before), (1, after)):
        words = iter(text.split())
        assert all(word in words for place in found for word in place[side].split())
