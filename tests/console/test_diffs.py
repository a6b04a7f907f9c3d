"""Differences of texts as pages show them."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from tests.console.seeding import HOSTILE
from trimtab.console.diffs import MOST_SHOWN, difference
from trimtab.lock.word_diff import Piece, word_diff


def test_signs_and_not_colours_alone() -> None:
    """What is gone and what is new are elements of their own, each with its sign."""
    told = difference(word_diff("Write numbers.", "Write text."))
    assert told == (
        'Write <del><span class="sign">\u2212</span>numbers</del><ins><span class="sign">+</span>text</ins>.'
    )


def test_long_stretches_that_are_the_same_are_left_out() -> None:
    """Two lines on either side of a change stay; the rest is counted."""
    lines = [f"line {number}\n" for number in range(20)]
    told = difference(word_diff("".join(lines), "".join([*lines[:10], "new\n", *lines[10:]])))
    shown = re.sub("<[^>]+>", "", told)
    assert "line 8\nline 9\n+new\nline 10\nline 11\n" in shown
    assert "line 3" not in shown
    assert "8 lines the same" in shown


def test_white_space_that_changed_is_seen() -> None:
    """A space and a line's end have a sign where nothing else changed."""
    assert '<ins><span class="sign">+</span>\u00b7</ins>' in difference((Piece("in", " "),))
    assert "\u21b5" in difference((Piece("out", "\n"),))


def test_what_is_hostile_is_text() -> None:
    """No markup of a prompt is markup of the page, and what cannot be seen is."""
    for text in HOSTILE:
        told = difference(word_diff("", text))
        assert "<script" not in told and "<img" not in told
        assert not re.search("[\x00-\x08\x1b\u202a-\u202e\u2066-\u2069]", told)


def test_a_very_long_difference_is_cut() -> None:
    """What is left out is counted."""
    told = difference((Piece("in", "a" * (MOST_SHOWN + 5)), Piece("out", "b" * 7)))
    assert len(told) < MOST_SHOWN + 200
    assert "7 characters more" in told


@given(st.text("ab \n<&", max_size=60), st.text("ab \n<&", max_size=60))
def test_nothing_is_lost(before: str, after: str) -> None:
    """Without the marks of white space, the pieces that are shown make both texts where none is left out."""
    pieces = word_diff(before, after)
    told = difference(pieces)
    if "lines the same" in told:
        return
    plain = re.sub(r'<span class="sign">.</span>', "", told)
    new = unescape(re.sub("<[^>]+>", "", re.sub("<del>.*?</del>", "", plain, flags=re.DOTALL)))
    for mark, sign in (("\u21b5\n", "\n"), ("\u00b7", " ")):
        new = new.replace(mark, sign)
    assert new == after
