"""What a pattern asks of an engine that turns it into a grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts.patterns import exclusive, features

FLAGS = {
    r"^[A-Z]{2}-\d{3}$": {"anchored"},
    r"[A-Z]{2}": set(),
    r"^a\$": set(),
    r"^.+$": {"anchored", "dot"},
    r"^[.]$": {"anchored"},
    r"^(?=a).$": {"anchored", "lookahead", "dot"},
    r"^(?!a)b$": {"anchored", "lookahead"},
    r"^(?<=a)b$": {"anchored", "lookbehind"},
    r"^(?<name>a)b$": {"anchored"},
    r"^(?P<name>a)b$": {"anchored"},
    r"^(?:a)b$": {"anchored"},
    r"^(?i)b$": {"anchored", "flags"},
    r"^(a)\1$": {"anchored", "reference"},
    r"^(?<a>x)\k<a>$": {"anchored", "reference"},
    r"^\bfoo$": {"anchored", "boundary"},
    r"^\p{L}+$": {"anchored", "unicode_class"},
    r"^\d+$|^N/A$": {"anchored"},
    r"^a^b$": {"anchored", "inner_anchor"},
    r"a$b": {"inner_anchor"},
    r"^\S+$": {"anchored", "not_space"},
    r"^[^\s@]+$": {"anchored", "not_space"},
    r"^[\S]$": {"anchored", "not_space"},
    r"^[^\S]$": {"anchored", "space"},
    r"^\s$": {"anchored", "space"},
    r"^[\s\S]*$": {"anchored"},
    r'^"$': {"anchored", "escaped", "only_escaped"},
    r"^\x22$": {"anchored", "escaped", "only_escaped"},
    r"^\u0022$": {"anchored", "escaped", "only_escaped"},
    r"^\\$": {"anchored", "escaped", "only_escaped"},
    r"^a\tb$": {"anchored", "escaped", "only_escaped"},
    r"^[\r\n]$": {"anchored", "escaped", "only_escaped"},
    r'^["a]$': {"anchored"},
    r"^[ -~]$": {"anchored"},
    r"^[!-#]$": {"anchored"},
    r'^(a|")$': {"anchored", "escaped"},
    r'^(")$': {"anchored", "escaped", "only_escaped"},
    r'^("){2}$': {"anchored", "escaped"},
    r'^a|"$': {"anchored", "escaped"},
    r'^[^"\\]+$': {"anchored", "controls_without_quotes"},
    r'^[^"]+$': {"anchored", "controls_without_quotes"},
    r"^[^a]+$": {"anchored"},
    r'^[^"\x00-\x1f]+$': {"anchored"},
    r"^\cA$": {"anchored", "named_escape", "escaped", "only_escaped"},
    r"^1(-[a-z]+)?$": {"anchored", "optional_loop"},
    r"^1(-[a-z]{2,3})?$": {"anchored", "optional_loop"},
    r"^1(-[a-z]+){0,1}$": {"anchored"},
    r"^1(-[a-z]*?)?$": {"anchored", "optional_loop"},
    r"^1([a-z]*-)?$": {"anchored", "optional_loop"},
    r"^1([a-z]{0,9}-)?$": {"anchored"},
    r"^1(([a-z]*-)[0-9])?$": {"anchored", "optional_loop"},
    r"^1(-(x[a-z]+))?$": {"anchored", "optional_loop"},
    r"^1([a-z]*-|x)?$": {"anchored"},
    r"^[a-z]*([a-z]*-)?$": {"anchored"},
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": {"anchored", "optional_loop"},
    r"^1(a|-[a-z]+)?$": {"anchored", "optional_loop"},
    r"^1(-[a-z]{2})?$": {"anchored"},
    r"^1(-[a-z]+)*$": {"anchored"},
    r"^\d+(\.\d+)?$": {"anchored"},
    r"^1(a+)?$": {"anchored"},
}


@pytest.mark.parametrize("pattern", FLAGS)
def test_features(pattern: str) -> None:
    assert {name for name, there in features(pattern)._asdict().items() if there} == FLAGS[pattern]


@given(st.text(alphabet=r'\[]^-(){}?*+.$|sSdwux01pkcbe"a,<=!:', max_size=24))
def test_any_text_is_read_to_its_end(pattern: str) -> None:
    features(pattern)


def test_patterns_exclude_each_other_by_their_first_letter() -> None:
    assert exclusive(["^n_[a-z]+$", "^s_"])
    assert exclusive(["anything"])
    assert not exclusive(["^a", "^ab"])
    assert not exclusive(["^a", "b$"])
