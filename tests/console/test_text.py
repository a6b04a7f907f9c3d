"""Texts of models and clients, made harmless."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trimtab.console.text import MOST_CHARACTERS, MOST_FOLDED, MOST_LINES, clean, folded, short, shown

ANY_TEXT = some.text(some.characters(), max_size=300) | some.text(
    some.sampled_from("a<>&\"'\x00\x1b\x07\x7f\x9b\r\n\t\u202e\u2066\u200b\ufeff\U000e0041\ud800é"), max_size=60
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred", "\u241b[31mred"),
        ("a\u202eb", "a[U+202E]b"),
        ("\x00\x7f\x9b", "\u2400\u2421[U+009B]"),
        ("\ufeffx\u200by", "[U+FEFF]x[U+200B]y"),
        ("\U000e0041", "[U+E0041]"),
        ("\ud800", "\ufffd"),
        ("a\r\nb\rc", "a\nb\u240dc"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\u0645\u200c\u0646 \U0001f469\u200d\U0001f680 é", "\u0645\u200c\u0646 \U0001f469\u200d\U0001f680 é"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, seen: str) -> None:
    """Every character without a shape of its own gets one; what languages are written with stays as it is."""
    assert clean(text) == seen


@given(ANY_TEXT)
def test_nothing_invisible_is_left(text: str) -> None:
    """No control, no half character and nothing that changes direction is left, and it can always be sent."""
    seen = clean(text)
    seen.encode("utf-8")
    assert not {one for one in seen if unicodedata.category(one) in ("Cc", "Cs") and one not in "\t\n"}
    assert not set(seen) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert clean(seen) == seen


@given(ANY_TEXT)
def test_what_is_shown_is_text_alone(text: str) -> None:
    """For HTML the same text comes out, with no other element than the mark of what was unseen."""
    html = str(shown(text))
    tags = re.findall(r"<[^>]*>", html)
    assert set(tags) <= {'<span class="unseen">', "</span>"}
    bare = re.sub(r"<[^>]*>", "", html)
    for entity, one in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        bare = bare.replace(entity, one)
    assert bare == clean(text)


@given(some.text("a\n", max_size=9000), some.integers(1, 200), some.integers(1, 20))
def test_folding_loses_nothing(text: str, characters: int, lines: int) -> None:
    """Head and rest together are the text, and the head is no longer than it may be."""
    found = folded(text, characters, lines)
    assert found.head + found.rest == text
    assert found.left_out == 0
    assert len(found.head) <= characters
    assert found.head.count("\n") <= lines


def test_huge_texts_fold_and_end() -> None:
    """One line of a megabyte is cut, and what is beyond the most that is shown is counted."""
    found = folded("x" * 1_000_000)
    assert (len(found.head), len(found.rest), found.left_out) == (
        MOST_CHARACTERS,
        MOST_FOLDED - MOST_CHARACTERS,
        1_000_000 - MOST_FOLDED,
    )
    assert folded("line\n" * 200).head.count("\n") == MOST_LINES


def test_texts_fold_at_the_end_of_a_line() -> None:
    """A fold falls between two lines, if one ends in the second half of what is shown."""
    assert folded("aaaa\nbbbb\ncccc", 12).head == "aaaa\nbbbb\n"


def test_short_texts() -> None:
    """The beginning of a text on one line."""
    assert short("a\n b\t c") == "a b c"
    assert short("x" * 100, 10) == "xxxxxxxxx\u2026"
