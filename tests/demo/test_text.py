"""Tokens to text, as it grows."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trimtab.demo.engine import ServedModel
from trimtab.demo.text import GrowingText


def grown(pieces: list[bytes], *stops: str, include: bool = False) -> tuple[list[str], bool]:
    text = GrowingText(stops, include)
    given_out = []
    for piece in pieces:
        out, stopped = text.add(piece)
        given_out.append(out)
        if stopped:
            return given_out, True
    return [*given_out, text.rest()], False


def cut(content: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[begin:end] for begin, end in pairwise(edges)]


def test_every_token_has_its_bytes(small: ServedModel) -> None:
    """The bytes of a text's tokens, joined, are the text's bytes, whatever the script."""
    for text in ("12 lamps to Ada", "naïve café", "注文した商品", "🙏🏽 ok", "a\n\t b", "<tool_call>{}</tool_call>"):
        tokens = small.vocabulary.encode(text)
        assert b"".join(map(small.vocabulary.bytes_of, tokens)).decode() == text


def test_special_tokens_are_known(small: ServedModel) -> None:
    """Ends and starts of turns are special, the tool tags are text."""
    assert small.vocabulary.special_ids == {0, 1, 2}
    assert small.vocabulary.bytes_of(2) == b"<|im_end|>"
    assert small.vocabulary.encode("<|im_end|>") == [2]


def test_half_a_character_waits_for_its_rest() -> None:
    """A character of four bytes in four tokens appears once, whole."""
    assert grown(list(map(bytes, zip("🙏".encode(), strict=True)))) == (["", "", "", "🙏", ""], False)


def test_a_character_that_never_ends_is_replaced() -> None:
    """An answer that ends amid a character ends with U+FFFD."""
    assert grown([b"a", "é".encode()[:1]]) == (["a", "", "\ufffd"], False)


def test_a_stop_string_across_tokens_is_cut_out() -> None:
    """What might begin a stop string is held back, and given out once it cannot be one."""
    assert grown([b"one t", b"wo t", b"hree"], "two", "three") == (["one ", ""], True)
    assert grown([b"one t", b"en"], "two") == (["one ", "ten", ""], False)
    assert grown([b"one two"], "two", include=True) == (["one two"], True)


def test_the_earliest_stop_string_counts() -> None:
    """Of several stop strings in one piece the one that comes first ends the answer."""
    assert grown([b"a b c d"], "c", "b") == (["a "], True)


def test_stop_strings_are_not_looked_for_before_they_may() -> None:
    """Before `min_tokens` a stop string is ordinary text, even one that ends later."""
    text = GrowingText(("ab",))
    assert text.add(b"ab a", may_stop=False) == ("ab a", False)
    assert text.add(b"b ab", may_stop=True) == ("b ", True)


@given(text=st.text(max_size=40), places=st.lists(st.integers(0, 200), max_size=12))
def test_any_cut_gives_the_same_text(text: str, places: list[int]) -> None:
    """However the bytes are cut into tokens, the text is the text, and no piece is ever taken back."""
    pieces, stopped = grown(cut(text.encode(), places))
    assert ("".join(pieces), stopped) == (text, False)


@given(
    text=st.text("abc", max_size=40),
    stop=st.text("abc", min_size=1, max_size=4),
    places=st.lists(st.integers(0, 200), max_size=12),
)
def test_any_cut_stops_at_the_same_place(text: str, stop: str, places: list[int]) -> None:
    """However the bytes are cut, the answer ends before the first stop string."""
    pieces, stopped = grown(cut(text.encode(), places), stop)
    before, found, _ = text.partition(stop)
    assert ("".join(pieces), stopped) == (before, bool(found))
