"""Decisions on reviews: who may take them, what is refused at once, and what the journal is asked to write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from trimtab.journal.asks import Review
from trimtab.journal.bindings import edited_binding
from trimtab.journal.deciding import Said, decision, may_decide
from trimtab.journal.entries import body_of
from trimtab.journal.proposals import MOST_BYTES, Background, background_of, context_of
from trimtab.journal.refusals import BindingChanged, EditInvalid, NotForYou, ReviewDone

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"amount_usd": {"type": "number", "maximum": 500}},
        "required": ["amount_usd"],
        "additionalProperties": False,
    }
)
REVIEW = Review("v1", "r1", 2, "refunds", "refund", "b1", body_of(b'{"amount_usd":900}'), 10)
SAID = Said("approve", "ana", "operator", "b1")


def test_what_was_approved_is_bound_to_what_was_asked() -> None:
    """The journal is asked to write the verdict under the binding that the person saw."""
    asked = decision(REVIEW, SAID, (), 77)
    assert (asked.decided.verdict, asked.decided.by, asked.decided.at_ns, asked.binds) == ("approved", "ana", 77, "b1")


def test_an_edit_is_bound_to_its_own_arguments() -> None:
    """What takes the place of the arguments is written, and another digest over it."""
    said = replace(SAID, choice="edit", arguments=' {"amount_usd": 300}\n')
    asked = decision(REVIEW, said, (SCHEMA,), 77)
    assert asked.decided.edited == body_of(b'{"amount_usd": 300}')
    assert asked.decided.binds == edited_binding("b1", {"amount_usd": 300})


def test_a_long_edit_brings_its_bytes() -> None:
    """Beyond what lies beside an entry, the bytes go along."""
    text = json.dumps({"note": "x" * 2000})
    asked = decision(REVIEW, replace(SAID, choice="edit", arguments=text), (), 1)
    assert (asked.decided.edited.inline, asked.content) == (None, text.encode())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"amount_usd": 501}', "amount_usd"),
        ('{"amount_usd": "5"}', "amount_usd"),
        ('{"amount_usd": 5, "to": "me"}', "to"),
        ("{}", "amount_usd"),
        ('{"amount_usd": 5', "JSON"),
        ('{"amount_usd": NaN}', "JSON"),
        ("", "empty"),
    ],
)
def test_an_edit_that_the_tool_would_not_take_is_refused(arguments: str, words: str) -> None:
    """Edited arguments are held against the schema again, and what is wrong with them is said."""
    with pytest.raises(EditInvalid, match=words):
        decision(REVIEW, replace(SAID, choice="edit", arguments=arguments), ("{}", SCHEMA), 1)


def test_an_edit_under_a_schema_that_cannot_be_used_is_refused() -> None:
    """Where nothing tells whether an edit fits, it does not pass."""
    with pytest.raises(EditInvalid, match="cannot be used"):
        decision(REVIEW, replace(SAID, choice="edit", arguments="{}"), ('{"type": "objekt"}',), 1)


@pytest.mark.parametrize(
    ("review", "said", "refusal"),
    [
        ({}, {"binds": "b0"}, BindingChanged),
        ({}, {"role": "viewer"}, NotForYou),
        ({"roles": ("admin", "finance")}, {}, NotForYou),
        ({}, {"choice": "reject"}, EditInvalid),
        ({"verdict": "rejected", "by": "ben"}, {}, ReviewDone),
        ({"verdict": "superseded", "by": "journal"}, {}, ReviewDone),
        ({"sampled": True}, {"choice": "edit", "arguments": "{}"}, EditInvalid),
    ],
)
def test_what_is_refused(review: dict[str, Any], said: dict[str, Any], refusal: type[Exception]) -> None:
    """A changed action, somebody it is not for, a rejection without a reason, what is decided, what is over."""
    with pytest.raises(refusal):
        decision(replace(REVIEW, **review), replace(SAID, **said), (), 1)


@pytest.mark.parametrize(
    ("roles", "role", "name", "expected"),
    [
        ((), "operator", "ana", True),
        ((), "viewer", "ana", False),
        (("viewer",), "viewer", "ana", True),
        (("admin",), "operator", "ana", False),
        (("admin", "finance"), "viewer", "finance", True),
        (("finance",), "admin", "ana", False),
        (("finance",), "owner", "(owner)", True),
        (("operator",), "admin", "ana", True),
        ((), "client", "app", False),
    ],
)
def test_who_may_decide(roles: tuple[str, ...], role: str, name: str, expected: bool) -> None:
    """A role or a higher one, or a key of that name; the owner of the data always."""
    assert may_decide(roles, role, name) is expected


def test_the_background_lies_whole_with_the_review() -> None:
    """What is shown comes back as it was given; what is too long loses evidence, and what is no background is none."""
    shown = Background("Pays 900 USD back", ("order 7",), ("ticket 12 says so",), SCHEMA, "write", 0.02)
    assert background_of((context_of(shown).inline or "").encode()) == shown
    long = context_of(replace(shown, evidence=("x" * MOST_BYTES,)))
    assert background_of((long.inline or "").encode()) == replace(shown, evidence=())
    assert background_of(b"[1]") == background_of(None) == Background()
