"""Verdicts as pure functions: by hand, and for whatever a model may write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts import citing
from trimtab.contracts.citing import Source
from trimtab.declare.checking import Agrees, Cited, Judged, Sampled
from trimtab.runs import verdicts
from trimtab.runs.verdicts import answer_of, data_of

ORDER = answer_of('{"order": "A-17", "amount": {"cents": 1900}}')
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ('{"total": 1900, "order": "A-17"}', ""),
        ('{"total": 1900.0, "order": "A-17"}', ""),
        ('{"total": "1900", "order": "A-17"}', 'total is "1900", and amount.cents of find is 1900'),
        ('{"order": "A-18"}', 'total is not there, and amount.cents of find is 1900; order is "A-18", and order of'),
        ("A-17", "total is not there"),
    ],
)
def test_two_steps_agree(answer: str, detail: str) -> None:
    """Numbers are the same however they are written, texts are not numbers, and what is not there is not the same."""
    agrees = Agrees("find", (("total", "amount.cents"), ("order", "order")))
    found = verdicts.by_agreement(agrees, answer_of(answer), ORDER)
    assert found.passed == (not detail)
    assert found.detail.startswith(detail)


def test_nothing_to_agree_with() -> None:
    """Where the other step has no answer the check cannot be made, and does not pass."""
    found = verdicts.by_agreement(Agrees("find", (("order", "order"),)), ORDER, None)
    assert (found.passed, found.unclear) == (False, True)


SOURCES = [
    [{"query": "parcels"}, {"id": "doc-1", "text": "The parcel was lost\nat sea, in May."}],
    [{"query": "rain"}, {"id": "doc-2", "text": "It will rain in Paris."}],
]


@pytest.mark.parametrize(
    ("answer", "field", "missing"),
    [
        ('{"from": ["doc-1", "doc-2"]}', "from", ""),
        ('{"from": ["doc-1", "doc-3"]}', "from", '"doc-3"'),
        ('{"from": "doc"}', "from", '"doc"'),
        ('{"from": [{"id": "doc-1", "quote": "the parcel WAS lost at sea"}]}', "from", ""),
        ('{"from": [{"id": "doc-2", "quote": "the parcel was lost at sea"}]}', "from", '"doc-2"'),
        ('{"from": []}', "from", "it cites 0 sources, and 1 are asked for"),
        ('{"other": 1}', "from", "it cites 0 sources"),
        ('As [doc-1] says, "the parcel was lost at sea".', "", ""),
        ('As [doc-1] says, "the parcel was found at sea".', "", '"the parcel was found at sea"'),
        ("As [doc-9] says.", "", '"doc-9"'),
        ("It rains, I think.", "", "it cites 0 sources"),
    ],
)
def test_what_is_cited_stands_in_what_tools_said(answer: str, field: str, missing: str) -> None:
    """Ids as whole words, passages by their words, and what is cited together in one source."""
    found = verdicts.by_citations(Cited(("search",), field), answer_of(answer), SOURCES)
    assert found.passed == (not missing)
    assert found.detail.startswith(missing)


@given(st.text(min_size=1), JSON)
def test_a_source_has_itself(text: str, value: Any) -> None:
    """Whatever a model or a tool writes, looking raises nothing, and a passage of a source is found in it."""
    source = Source(f"before\n{text}\nbehind")
    assert isinstance(source.has(text), bool)
    assert isinstance(citing.unfounded(citing.citations(value), [source]), list)
    words = citing.WORD.findall(citing.texts_of(value))
    if len(words) >= citing.PASSAGE_WORDS:
        assert Source(" ".join(words)).has(" ".join(words))


@given(JSON, JSON)
def test_verdicts_raise_nothing(value: Any, other: Any) -> None:
    """Answers are what models and tools wrote: every check makes a verdict of them."""
    answer = data_of(json.dumps(value).encode())
    verdicts.by_schema('{"type": "object"}', answer)
    verdicts.by_rule("answer.a.b > 3 or answer | length > 2", {"answer": value, "arguments": other, "state": {}})
    verdicts.by_agreement(Agrees("x", (("a[0].b", "c"), ("", ""))), answer, data_of(json.dumps(other).encode()))
    verdicts.by_citations(Cited(("x",), "a"), answer, [other])
    verdicts.by_samples(Sampled(3, 0.5, ("a",)), answer, [json.dumps(other), None])


@given(st.text())
def test_words_of_judges(text: str) -> None:
    """Only a plain yes passes, and what is no word at all is unclear."""
    found = verdicts.by_word(Judged("j", "?"), text)
    assert found.passed == (text.strip().strip("\"'*.!").lower() == "yes" or (found.passed and "yes" in text.lower()))
    assert found.unclear <= (not found.passed)


@pytest.mark.parametrize(
    ("others", "passed", "unclear"),
    [
        (["refund", "refund"], True, False),
        (["refund", "other"], False, False),
        (["refund", None], False, True),
        (["other", None], False, False),
    ],
)
def test_samples_that_got_no_answer(others: list[str | None], passed: bool, unclear: bool) -> None:
    """A request without an answer does not agree; where it could have told otherwise that is unclear, not wrong."""
    found = verdicts.by_samples(Sampled(3, 1.0), answer_of("refund"), others)
    assert (found.passed, found.unclear) == (passed, unclear)


def test_a_text_is_no_json() -> None:
    """A tool's text is held against a schema as the text that it is; a model's answer as JSON."""
    schema = '{"type": "string", "minLength": 2}'
    assert verdicts.by_schema(schema, data_of(b'"12"')).passed
    assert not verdicts.by_schema(schema, answer_of("12")).passed
    assert verdicts.by_schema(schema, answer_of('"12"')).passed
