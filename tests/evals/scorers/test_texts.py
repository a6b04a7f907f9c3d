"""Texts and JSON values held against what is expected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evals.scorers.marking import made, mark, value
from trimtab.declare.evaluating import Scorer
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer


@pytest.mark.parametrize(
    ("text", "expected", "fields", "marked"),
    [
        ("refund", "refund", {}, 1.0),
        ("Refund", "refund", {}, 0.0),
        ("refund\n", "refund", {}, 0.0),
        ('{"b": 2, "a": 1.0}', {"a": 1, "b": 2}, {}, 1.0),
        ("true", 1, {}, 0.0),
        ("[1, 2]", [2, 1], {}, 0.0),
        ("12", "12", {}, 1.0),
        ('{"label": "x"}', {"label": "x", "other": 1}, {"field": "label"}, 1.0),
        ('{"label": "x"}', "x", {"field": "label"}, 1.0),
        ('{"label": null}', {"label": "x"}, {"field": "label"}, 0.0),
        ("no JSON", {"label": "x"}, {"field": "label"}, 0.0),
        ("{}", {"label": "x"}, {"field": "label"}, 0.0),
        ('```json\n{"label": "x"}\n```', {"label": "x"}, {"field": "label"}, 0.0),
        ('{"label": "x", "label": "x"}', {"label": "x"}, {"field": "label"}, 0.0),
    ],
)
def test_exact(text: str, expected: Any, fields: dict[str, str], marked: float) -> None:
    """A text is compared character by character, everything else as JSON by value."""
    assert value("exact", text, expected, **fields) == marked


def test_fields_of_both() -> None:
    """A field of the answer may be compared with another one of what is expected."""
    scorer = made(Scorer("exact", "exact", field="answer", expected="label")).scorings[0]
    case = Case("one", expected={"label": "x", "answer": "y"})
    assert scorer.mark(case, Answer("c", "ok", '{"answer": "x"}')).value == 1.0
    assert scorer.mark(case, Answer("c", "ok", '{"answer": "y"}')).value == 0.0


@pytest.mark.parametrize(
    ("text", "expected", "marked"),
    [
        ("  Refund. ", "refund", 1.0),
        ("STRASSE", "Straße", 1.0),
        ("\uff32\uff45\uff46\uff55\uff4e\uff44", "refund", 1.0),
        ("new-york", "New York", 1.0),
        ("re\u200bfund", "refund", 1.0),
        ("1.5", "15", 0.0),
        ("1.5", "1.5.", 1.0),
        ("-5", "5", 0.0),
        ("\u22125", "-5", 1.0),
        ("$5", "5", 0.0),
        ("cafe", "café", 0.0),
        ("?!", "!?", 0.0),
        ("", "...", 0.0),
        ("...", " ... ", 1.0),
    ],
)
def test_normalised(text: str, expected: str, marked: float) -> None:
    """Case, spaces and punctuation do not count; numbers, symbols and accents do."""
    assert value("normalised", text, expected) == marked


def test_contains() -> None:
    """The share of the texts that stand in the answer; a declared text stands for all cases; case matters."""
    assert value("contains", "pay 5 to Ada", ["5", "Ada", "Bob", "ada"]) == 0.5
    assert value("contains", "so sorry", None, pattern="sorry") == 1.0
    assert value("contains", '{"reply": "so sorry"}', None, pattern="sorry", field="reply") == 1.0
    assert value("contains", '{"other": "so sorry"}', None, pattern="sorry", field="reply") == 0.0
    assert value("contains", "anything", [""]) is None


def test_json() -> None:
    """The whole value, or a field of it; what is expected may be written as the text of an object."""
    assert value("json", '{"qty": 1.0, "item": "x"}', {"item": "x", "qty": 1}) == 1.0
    assert value("json", '{"qty": 1, "item": "x", "more": 0}', {"item": "x", "qty": 1}) == 0.0
    assert value("json", '{"a": [{"b": 3}]}', {"a": [{"b": 3}]}, field="a[0].b") == 1.0
    assert value("json", '{"a": 1}', '{"a": 1}') == 1.0


def test_what_cannot_be_marked_is_not_wrong() -> None:
    """Where the case does not say what is expected there is no mark, but a reason."""
    found = mark("exact", "x", None)
    assert (found.value, found.why) == (None, "the case says nothing of what is expected")
    assert mark("exact", '{"a": 1}', {"b": 1}, field="a").why == "what the case expects has no a"


@pytest.mark.parametrize("kind", ["exact", "normalised", "contains", "cites", "regex", "schema"])
def test_what_was_not_delivered_is_wrong(kind: Any) -> None:
    """An answer that broke the contract is 0 whatever it says, since nobody got it."""
    answer = Answer("c", "output_invalid", "x", verdict="invalid")
    found = mark(kind, answer, "x", pattern="x" if kind == "regex" else "")
    assert (found.value, found.why) == (0.0, "it was not delivered: output_invalid")


def test_an_answer_without_end_is_wrong() -> None:
    """More than a million characters are not looked at."""
    assert value("contains", "x" * 1_000_001, "x") == 0.0


def test_schema() -> None:
    """The answer is held to the suite's own schema; without one, the gateway's verdict counts."""
    schema = '{"type": "object", "required": ["a"]}'
    assert mark("schema", '{"a": 1}', schema=schema).value == 1.0
    found = mark("schema", "{}", schema=schema)
    assert found.value == 0.0
    assert "a" in found.why
    assert mark("schema", Answer("c", "ok", "x", verdict="valid")).value == 1.0
    assert mark("schema", Answer("c", "ok", "x", verdict="truncated")).value == 0.0
    assert mark("schema", "x").value is None


def test_amounts() -> None:
    """Seconds and US dollars of a call, those of an answer that was not delivered too; unknown is no mark."""
    answer = Answer("c", "output_invalid", total_s=1.5, cost_usd=0.25)
    assert (value("latency", answer), value("cost", answer)) == (1.5, 0.25)
    assert (value("latency", "x"), value("cost", "x")) == (None, None)


def test_cites() -> None:
    """A source is cited by its id as a word of its own, or by eight words of it in a row."""
    passage = "The refund is paid within fourteen days of the return of the goods."
    sources = [{"id": "doc-1", "text": passage}, {"id": "doc-12", "text": "Short text."}]
    assert value("cites", "See doc-1.", ["doc-1", "doc-12"]) == 0.5
    assert value("cites", "See [doc-12].", ["doc-1"]) == 0.0
    assert value("cites", "It is paid: WITHIN fourteen days, of the return of the goods!", sources) == 0.5
    assert value("cites", "within fourteen days of the return of goods", sources) == 0.0
    assert value("cites", "a short text", sources) == 0.5
    assert value("cites", "x", []) is None
    assert value("cites", "x", [{"no": 1}]) is None


def test_cites_in_a_field() -> None:
    """Of a list of ids what is cited beyond the sources counts against it."""
    assert value("cites", '{"ids": ["a", "c"]}', ["a", "b"], field="ids") == pytest.approx(1 / 3)
