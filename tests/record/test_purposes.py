"""Names of tasks tell users' calls from those that are made for a purpose of ours."""

from __future__ import annotations

import pytest

from trimtab.record.purposes import EVALUATION, SHADOW, apart, is_ours, served, together


@pytest.mark.parametrize(
    ("name", "ours", "under", "label"),
    [
        ("triage", False, "triage", "triage"),
        ("(undeclared)", False, "(undeclared)", "(undeclared)"),
        ("(judge)", True, "(judge)", "(judge)"),
        ("(evaluation) triage", True, "triage", "(evaluation)"),
        ("(shadow) a.b-c", True, "a.b-c", "(shadow)"),
        ("", False, "", ""),
    ],
)
def test_names(name: str, ours: bool, under: str, label: str) -> None:
    """Whose a call is, under which task's policy it was served, and how it is told together with others."""
    assert (is_ours(name), served(name), together(name)) == (ours, under, label)


@pytest.mark.parametrize("purpose", [EVALUATION, SHADOW])
def test_told_apart_and_found_again(purpose: str) -> None:
    """What is recorded apart leads back to its task."""
    name = apart(purpose, "triage")
    assert (name, served(name), is_ours(name)) == (f"({purpose}) triage", "triage", True)
