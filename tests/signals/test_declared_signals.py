"""What a rule on alerts may name is what there is."""

from typing import get_args, get_type_hints

from trimtab.declare.alert_defaults import DEFAULTS
from trimtab.declare.alert_rules import CHANGES
from trimtab.declare.alert_signals import COMPARISONS, SIGNALS
from trimtab.declare.alerting import Comparison
from trimtab.declare.project import Goal
from trimtab.signals.catalogue import BY_NAME

UNWATCHED = {"cost", "tokens", "cost_per_completed", "calibration"}
"""Shares whose parts are not independent of each other, a mean over calls and scores, which come at other times, and an
error over bins of few labels: no test of theirs would keep its rate of false alarms."""
EVENTS = {
    "dead_letters",
    "records_silent",
    "replica_down",
    "replica_restarted",
    "model_changed",
    "tool_changed",
    "evaluation",
}
"""What is watched and is no figure of the catalogue, or is watched in another form."""


def test_every_signal_of_records_can_be_watched() -> None:
    """The signals that a rule may name are those of the catalogue that are made of records, in their form and unit."""
    made = {name: one for name, one in BY_NAME.items() if one.source in {"slices", "readings", "scores"}}
    assert set(SIGNALS) == (made.keys() - UNWATCHED) | EVENTS
    for name, known in SIGNALS.items():
        if name in made:
            assert known.form == made[name].kind
            assert known.unit in {made[name].unit, ""}


def test_objectives_are_named_as_goals_are() -> None:
    """What a rule burns is what an objective promises."""
    measures = get_args(get_type_hints(Goal)["measure"])
    assert {known.objective for known in SIGNALS.values()} == {*measures, "success", ""}


def test_defaults_compare_what_can_be_compared() -> None:
    """Each default rule uses a comparison that its signal has."""
    written: dict[Comparison, str] = dict.fromkeys(CHANGES.values(), "change")
    written |= {"drifts": "drift", "burns": "burn", "below": "below", "above": "above"}
    for rule in DEFAULTS:
        known = SIGNALS[rule.signal]
        suited = (*COMPARISONS[known.form], *(("burn",) if known.objective else ()))
        assert suited == () if rule.comparison == "happens" else written[rule.comparison] in suited, rule.name
    assert len({rule.name for rule in DEFAULTS}) == len(DEFAULTS)
