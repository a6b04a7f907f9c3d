"""The page on alerts says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from trimtab.declare.alert_defaults import DEFAULTS
from trimtab.declare.alert_signals import SIGNALS
from trimtab.signals.alerts import burning, evaluation, grouping, life, monitors, telling

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def test_the_default_rules_are_listed() -> None:
    """Each with its signal, comparison and severity, in their order."""
    rows = re.findall(r"^\| `([a-z_]+)` \| `([a-z_]+)` \| ([a-z]+) \| ([a-z]+) \|$", PAGE, re.MULTILINE)
    assert rows == [(rule.name, rule.signal, rule.comparison, rule.severity) for rule in DEFAULTS]


def test_the_events_are_told() -> None:
    """Each signal that is so or is not has its row."""
    events = {name for name, known in SIGNALS.items() if known.form == "event"}
    assert set(re.findall(r"^\| `([a-z_]+)` \| [a-z ]*(?:`[a-z_]+`)?[^|]+\|$", PAGE, re.MULTILINE)) >= events


def test_the_numbers_are_those_of_the_code() -> None:
    """Bounds and times that the page names."""
    assert f"{evaluation.MAX_MONITORS:,} monitors at most, {evaluation.MAX_OF_A_RULE} for a rule of a task" in TEXT
    assert f"begin within {grouping.CLOSE_NS // 60_000_000_000} minutes of each other" in TEXT
    assert life.REOPEN_NS == 24 * telling.HOUR_NS
    assert {severity: ns // telling.HOUR_NS for severity, ns in telling.REMIND_NS.items()} == {"page": 4, "ticket": 24}
    assert f"up to {monitors.HISTORY_DAYS} days of hours" in TEXT
    assert burning.PACES["page"] == ((0.02, 60, 5, 2.0), (0.05, 360, 30, 2.0))
    assert burning.PACES["ticket"] == ((0.1, 4320, 360, 1.0),)
    assert burning.CONFIDENCE == 0.998
