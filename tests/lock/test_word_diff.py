"""Word-level differences of texts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.lock import word_diff as words
from trimtab.lock.word_diff import Piece, word_diff

TEXTS = st.text(st.sampled_from("ab \n.\r\u2028é"), max_size=40)


def test_words_that_changed() -> None:
    """Only the words that are others are taken out and put in."""
    assert word_diff("You sort tickets.\nBe brief.\n", "You order tickets.\nBe brief.\n") == (
        Piece("same", "You "),
        Piece("out", "sort"),
        Piece("in", "order"),
        Piece("same", " tickets.\nBe brief.\n"),
    )
    assert word_diff("Be brief.", "Answer in one word.") == (
        Piece("out", "Be brief"),
        Piece("in", "Answer in one word"),
        Piece("same", "."),
    )
    assert word_diff("a", "a") == (Piece("same", "a"),)
    assert word_diff("", "") == ()
    assert word_diff("one\ntwo\n", "one\n") == (Piece("same", "one\n"), Piece("out", "two\n"))


@given(TEXTS, TEXTS)
def test_pieces_make_both_texts(before: str, after: str) -> None:
    """What is not put in makes the first text, what is not taken out the second; no two neighbours are of a kind."""
    pieces = word_diff(before, after)
    assert "".join(text for kind, text in pieces if kind != "in") == before
    assert "".join(text for kind, text in pieces if kind != "out") == after
    assert all(text for _, text in pieces)
    assert all(one.kind != other.kind for one, other in pairwise(pieces))


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bounds a changed part is one piece, and what stays around it is still found."""
    monkeypatch.setattr(words, "MAX_LINES", 3)
    monkeypatch.setattr(words, "MAX_WORDS", 3)
    assert word_diff("x\na\nb\nc\nd\ny\n", "x\ne\nb\nc\nf\ny\n") == (
        Piece("same", "x\n"),
        Piece("out", "a\nb\nc\nd\n"),
        Piece("in", "e\nb\nc\nf\n"),
        Piece("same", "y\n"),
    )
    assert word_diff("a b c\n", "a b d\n") == (Piece("out", "a b c\n"), Piece("in", "a b d\n"))


def test_texts_that_repeat_themselves_are_not_aligned() -> None:
    """Where each line or word has an equal everywhere, comparing them would take cubic time: all is one change."""
    assert word_diff("a\n" * 3900, "a\nx\n" * 1950 + "y") == (
        Piece("same", "a\n"),
        Piece("out", "a\n" * 3899),
        Piece("in", "x\n" + "a\nx\n" * 1949 + "y"),
    )
    lines = [f"{number}\n" for number in range(400)]
    chain = "".join(f"{line}z\n" for line in lines * 4)
    assert word_diff("".join(lines * 9), chain)[1:] == (
        Piece("out", "".join(lines * 9).removeprefix("0\n")),
        Piece("in", chain.removeprefix("0\n")),
    )


def test_common_words_do_not_hide_the_rest() -> None:
    """In a long text of ordinary words the ones that changed are still found, however often "the" stands in it."""
    words_of = [f"the w{number} of" for number in range(300)]
    before, after = (
        " ".join(words_of),
        " ".join("the new of" if n in (100, 200, 250) else w for n, w in enumerate(words_of)),
    )
    assert [piece for piece in word_diff(before, after) if piece.kind != "same"] == [
        Piece("out", "w100"), Piece("in", "new"),
        Piece("out", "w200"), Piece("in", "new"),
        Piece("out", "w250"), Piece("in", "new"),
    ]  # fmt: skip


def test_repetition_is_quick() -> None:
    """A megabyte of one line over and over is compared within the bounds."""
    pieces = word_diff("a\n" * 250_000, "a\n" * 250_001)
    assert pieces == (Piece("same", "a\n" * 250_000), Piece("in", "a\n"))
