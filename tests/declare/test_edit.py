"""One text of a TOML file is changed, and nothing else."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.declare.edit import with_text

MODEL = ("models", "small", "model")
REVISION = ("models", "small", "revision")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[models.small]\nmodel = "a" # the "a"\nx = "a"\n', '[models.small]\nmodel = "new" # the "a"\nx = "a"\n'),
        ("[models]\nsmall.model='a'\n", '[models]\nsmall.model="new"\n'),
        ('models.small.model = """a"""', 'models.small.model = "new"'),
        (
            'models = { large = { model = "a" }, small = { wire = "a", model = "a", x = ["a"] } }\n',
            'models = { large = { model = "a" }, small = { wire = "a", model = "new", x = ["a"] } }\n',
        ),
        ('\ufeff# ü\r\n[models."small"]\r\n"model" = "a"\r\n', '\ufeff# ü\r\n[models."small"]\r\n"model" = "new"\r\n'),
        ('[models.large]\nmodel = "a"\n[models.small]\n# "a"\nmodel = "a"', None),
    ],
)
def test_a_text_is_exchanged(before: str, after: str | None) -> None:
    """Where and how ever the key is written, only its text is another one."""
    after = after or '[models.large]\nmodel = "a"\n[models.small]\n# "a"\nmodel = "new"'
    assert with_text(before, MODEL, "new") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '[models.small]\n  model = "a" # why\n  x = 1\n',
            '[models.small]\n  model = "a" # why\n  revision = "r"\n  x = 1\n',
        ),
        ('[models]\nsmall.model = "a"', '[models]\nsmall.model = "a"\nsmall.revision = "r"'),
        (
            'small = 1\nmodels.small.model = "a"\r\n',
            'small = 1\nmodels.small.model = "a"\r\nmodels.small.revision = "r"\r\n',
        ),
        ('[models]\nsmall = { x = 1, model = "a" }\n', '[models]\nsmall = { x = 1, model = "a", revision = "r" }\n'),
    ],
)
def test_a_new_key_stands_beside_its_neighbours(before: str, after: str) -> None:
    """It is written as they are: indented, dotted, or in a table of one line."""
    assert with_text(before, REVISION, "r") == after


@pytest.mark.parametrize(
    "text",
    ["[models", '[models.large]\nmodel = "a"', "[models.small]\nmodel = 1", "[models.small]\nx = 1", "models = 1", ""],
)
def test_what_cannot_be_done(text: str) -> None:
    """Nothing comes of a file that is no TOML, lacks the table or a neighbour, or has another kind of value."""
    if "small]\nx" in text:
        assert with_text(text, REVISION, "r") is None
    else:
        assert with_text(text, MODEL, "new") is None


@given(st.text(), st.sampled_from(["[models.small]\nmodel = 'a'\n", 'models = {small = {model = "a"}}']))
def test_any_text_is_read_as_it_was_given(value: str, text: str) -> None:
    """Whatever characters a text has, it is written so that it is read again."""
    changed = with_text(text, MODEL, value)
    assert changed is not None
    assert tomllib.loads(changed) == {"models": {"small": {"model": value}}}
