"""Models that are taken away are told ahead, by the day that a project names or their provider published."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from trimtab.declare.project import Auth, Model
from trimtab.lock.aliases import is_dated
from trimtab.lock.retirement import ANTHROPIC, OPENAI, PUBLISHED, retirement, warn

DAY = date(2027, 3, 1)
STEPS = (60, 30, 7)


def model(name: str = "m", engine: str = "other", retires: date | None = None, auth: Auth | None = None) -> Model:
    """A model by what is asked for."""
    return Model("small", name, ("https://h.example",), engine=engine, retires=retires, auth=auth or Auth())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "severity"),
    [(61, None), (60, "warning"), (31, "warning"), (7, "warning"), (1, "warning"), (0, "error"), (-1, "error")],
)
def test_days(days: int, severity: str | None) -> None:
    """It is told from the largest number of days on; from the day itself on it is an error."""
    found = warn(model(retires=DAY), "m", DAY - timedelta(days=days), STEPS)
    assert (found.severity if found else None) == severity
    if found:
        assert found.days == days
        assert found.key == "models/small"
        assert "2027-03-01" in found.words or days == 0
        assert "trimtab lock upgrade models.small --to" in found.words


def test_words() -> None:
    """It is said what goes, when, in how many days and who says so."""
    found = warn(model(retires=DAY), "m", date(2027, 2, 28), STEPS)
    assert found is not None
    assert found.words.startswith("models/small: m retires on 2027-03-01, in 1 day (models.small.retires);")
    past = warn(model(retires=DAY), "m", date(2027, 3, 3), STEPS)
    assert past is not None
    assert "m is retired since 2027-03-01 (2 days ago)" in past.words


def test_no_steps() -> None:
    """Without days to warn ahead, only what is gone is told."""
    assert warn(model(retires=DAY), "m", DAY - timedelta(days=1), ()) is None
    assert warn(model(retires=DAY), "m", DAY, ()) is not None


def test_published() -> None:
    """A day that a provider published holds at that provider itself, for the name that is sent."""
    found = retirement(model("gpt-4o", "openai"), "gpt-4o-2024-08-06")
    assert found is not None
    assert (found.day, found.source) == (date(2027, 1, 14), OPENAI)
    claude = retirement(model("claude-sonnet-4-5-20250929", "anthropic"), "claude-sonnet-4-5-20250929")
    assert claude is not None
    assert (claude.day, claude.source) == (date(2026, 11, 30), ANTHROPIC)
    assert retirement(model("gpt-4o-2024-08-06", "other"), "gpt-4o-2024-08-06") is None
    azure = model("gpt-4o-2024-08-06", "openai", auth=Auth("azure"))
    assert retirement(azure, "gpt-4o-2024-08-06") is None


def test_own_day_wins() -> None:
    """What the project says of a model comes before what is published."""
    found = retirement(model("gpt-4o-2024-08-06", "openai", retires=DAY), "gpt-4o-2024-08-06")
    assert found is not None
    assert (found.day, found.source) == (DAY, "models.small.retires")


@pytest.mark.parametrize("name", sorted({name for name, _ in PUBLISHED}))
def test_names(name: str) -> None:
    """The published names are those of snapshots: aliases have no day of their own."""
    assert is_dated(name) or re.fullmatch(r"claude-2\.[01]", name)
