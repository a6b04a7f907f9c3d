"""Names for tasks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.advice.naming import task_name


@pytest.mark.parametrize(
    ("prompt", "keys", "asked", "wanted"),
    [
        ("You are a helpful assistant that sorts support tickets.", {"k": 1}, {"m": 1}, "sorts-support-tickets"),
        ("Übersetze Verträge", {}, {}, "ubersetze-vertrage"),
        ("You are a helpful assistant.", {"My App": 3, "b": 1}, {"m": 1}, "my-app"),
        ("", {"": 5}, {"org/Model-7B": 5}, "org-model-7b"),
        ("", {}, {}, "undeclared"),
        ("日本語", {"鍵": 1}, {"模型": 1}, "undeclared"),
        ("x" * 200, {}, {}, "x" * 40),
    ],
)
def test_names(prompt: str, keys: dict[str, int], asked: dict[str, int], wanted: str) -> None:
    """Of the prompt's telling words, else of the key that most calls had, else of the model."""
    assert task_name(prompt, keys, asked, ()) == wanted


def test_a_name_that_is_taken_is_numbered() -> None:
    """The first number that is free."""
    assert task_name("Sort", {}, {}, {"sort", "sort-2"}) == "sort-3"


@given(st.text(), st.dictionaries(st.text(), st.integers(1, 9)), st.dictionaries(st.text(), st.integers(1, 9)))
def test_any_text_gives_a_name(prompt: str, keys: dict[str, int], asked: dict[str, int]) -> None:
    """Letters, digits and hyphens, safe as the name of a folder."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", task_name(prompt, keys, asked, ()))
