"""Patterns are searched for in linear time, refuse a string once none of its continuations matches, never earlier."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.contracts.prefix_pattern import Pattern, PatternUnread

# The first character that must be refused stands after the mark ¦; the end of the string if it is the last.
DEAD = [
    ("^abc$", "ab¦b"),
    ("^abc$", "abc¦c"),
    ("^abc$", "ab¦"),
    ("^a{2,3}$", "aaa¦a"),
    ("^a{2,}b", "a¦b"),
    ("^(ab|cd)+$", "abc¦b"),
    ("^(?:ab|cd)?$", "ab¦a"),
    ("^[^a-c]+$", "xyz¦b"),
    (r"^[\]\\-]$", "¦a"),
    (r"^\u00e9\x41$", "é¦é"),
    (r"^\d\D\s\S\w\W$", "1a b_¦c"),
    (r"^\.\/\-$", "./¦a"),
    ("^.$", "¦\n"),
    ("^$", "¦a"),
    ("^a|^b", "¦c"),
    ("a|^b", "cc¦"),
    ("a+$", "aab¦"),
    ("^(a*)*$", "aa¦b"),
    ("^[a-]$", "¦b"),
    ("^[😀-😂]$", "¦😃"),
    ("^(a|b|)$", "a¦a"),
]


@pytest.mark.parametrize(("pattern", "marked"), DEAD)
def test_dead_at_once(pattern, marked):
    """The state is lost at the marked character, or the string may not end at a mark without one."""
    before, _, after = marked.partition("¦")
    searched = Pattern(pattern)
    state = searched.step(searched.begin(), before)
    assert state is not None
    if after:
        assert searched.step(state, after[0]) is None
    else:
        assert not searched.ends(state, empty=not before)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\d$", "٣"),
        (r"^\D$", "٣"),
        (r"^\w$", "é"),
        (r"^[^\w]$", "é"),
        (r"^\s$", "\u00a0"),
        (r"^\S$", "\u2028"),
        (r"^.$", "\u2028"),
        (r"^[^.]$", "a"),
        (r"^\p{Lu}\P{L}$", "aa"),
        ("^a$", "a\n"),
    ],
)
def test_where_readings_differ_all_are_possible(pattern, text):
    """What one dialect of regular expressions matches is possible, though another's does not."""
    searched = Pattern(pattern)
    state = searched.step(searched.begin(), text)
    assert state is not None
    assert searched.ends(state, empty=False)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^x-", "x-rate", True),
        ("^x-", "rate", False),
        (r"^\w$", "é", None),
        ("^a$", "a\n", None),
        (r"\p{L}", "a", None),
    ],
)
def test_whole_strings(pattern, text, found):
    """A match is certain only where all readings agree."""
    assert Pattern(pattern).matches(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", r"\bword\b", "(?i)a", "(?<year>a)", r"\k<year>",
        "a{1000}", "a{2,1}", "((a{16}){16}){16}", "((((){200}){200}){200}){200}", "x{,3}", "}",
        "(", ")", "a**", "a++", "*", "^*", "[", "[]a]", "[b-a]", r"[\d-z]", "[a&&b]", "[[a]]", r"\A", r"\cA", r"\ud83d",
        r"\u12", "\\", "(" * 40 + ")" * 40, "a" * 1001,
    ],
)  # fmt: skip
def test_unread(pattern):
    """What is not judged, too large or no pattern at all is refused when it is read, at once."""
    with pytest.raises(PatternUnread):
        Pattern(pattern)


def test_what_backtracks_elsewhere_is_linear_here():
    """A pattern that takes other engines 2^4000 steps."""
    searched = Pattern("^(a+)+$")
    state = searched.step(searched.begin(), "a" * 4000)
    assert state is not None
    assert searched.step(state, "b") is None


def test_transitions_are_forgotten_at_the_bound():
    """20,000 different characters fit into the room for 4,096 transitions, and the state in use stays usable."""
    searched = Pattern("^[^x]*$")
    state = searched.step(searched.begin(), "".join(map(chr, range(0x4E00, 0x4E00 + 20_000))))
    assert state is not None
    assert searched.ends(state, empty=False)
    assert searched.step(state, "x") is None


ATOMS = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", "[^b-c]", r"\d", r"\w", r"\W", "0", "^", "$", r"\.", "[a-c0]"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])),
        st.builds("^{}$".format, inner),
        st.builds("{}|{}".format, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=1500, deadline=None)
@given(pattern=PATTERNS, text=st.text(alphabet="abc0.", max_size=8))
def test_agrees_with_python(pattern, text):
    """On printable ASCII a string matches exactly if Python's engine finds the pattern, and then no prefix is dead."""
    found = re.search(pattern, text) is not None
    searched = Pattern(pattern)
    assert searched.matches(text) is found
    if found:
        assert all(searched.step(searched.begin(), text[:end]) for end in range(len(text) + 1))


@settings(max_examples=500, deadline=None)
@given(pattern=PATTERNS, text=st.text(alphabet="ab0é٣\n\r\u2028\u00a0\x1c", max_size=6))
def test_what_python_finds_is_possible(pattern, text):
    """On any characters, what Python's engine finds is never dead."""
    if re.search(pattern, text) is not None:
        assert Pattern(pattern).matches(text) is not False


@settings(max_examples=500, deadline=None)
@given(pattern=st.text(alphabet=r"ab01(|)[]^$-{},?*+\.dDwWsSpuxcb:=!<>é", max_size=12))
def test_any_text_is_read_or_not(pattern):
    """Reading a pattern ends in one of two ways."""
    try:
        Pattern(pattern).matches("ab01")
    except PatternUnread:
        return
