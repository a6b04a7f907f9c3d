"""Limits on quantiles and means: what is counted is how much lies beyond them, which is not their value."""

from __future__ import annotations

import pytest

from trimtab.policy.watch import AlertRule, TaskWatch, Watch
from trimtab.signals.alerts.evaluation import Alarm
from trimtab.signals.alerts.finding import found_of
from trimtab.signals.alerts.lenses import Learned
from trimtab.signals.alerts.monitors import Monitor, Place, Watcher
from trimtab.signals.alerts.shown import estimated
from trimtab.signals.measuring import Taken
from trimtab.store.histograms import of_values
from trimtab.store.slices import Slice

NINE_S = of_values([9e6] * 50)
BAD = Taken(3600, Slice("route", 0, calls=100, attempts=250, valid_first=40, rejected=60, spreads={"total": NINE_S}))
RATIO = AlertRule("valid", "parse_rate", "below", 0.9)
QUANTILE = AlertRule("slow", "total", "above", 0.5, quantile=0.95)
MEAN = AlertRule("amplification_high", "amplification", "above", 1.5)


@pytest.mark.parametrize(
    ("rule", "value"), [(RATIO, 0.4), (QUANTILE, None), (MEAN, None)], ids=("ratio", "quantile", "mean")
)
def test_only_a_ratio_is_known_by_what_is_counted(rule: AlertRule, value: float | None) -> None:
    """That all hours have over 1.5 attempts a call says nothing of how many; it was told as `1 attempts`."""
    watcher = Watcher(Monitor(Place("route", rule.name), ""), Learned(), rule, 1e-6)
    for hour in range(1, 60):
        watcher.step(60 * hour, BAD)
    decision = watcher.decision
    assert decision is not None
    assert decision.alarm
    told = estimated(rule, decision, 1.0)
    assert told is not None
    assert told.n > 0
    assert told.value == (None if value is None else pytest.approx(value))
    found = found_of(Alarm(watcher.monitor, rule, decision), Watch(tasks={"route": TaskWatch(alerts=(rule,))}))
    assert (found.evidence.before.value, found.evidence.after) == (rule.limit, told)
