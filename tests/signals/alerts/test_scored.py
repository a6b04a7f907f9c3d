"""What alerts count of scores: one call once, the whole answer apart from its fields."""

from __future__ import annotations

import pytest

from trimtab.policy.watch import Alerting, AlertRule, TaskWatch, Watch
from trimtab.signals.alerts.causes import measured
from trimtab.signals.alerts.evaluation import Evaluation
from trimtab.signals.alerts.lenses import lens_of
from trimtab.signals.alerts.taking import Row, Rows
from trimtab.signals.measuring import Taken
from trimtab.statistics.rates import Counted
from trimtab.store.scores import ScoreCounts

NOON_NS = 1_767_268_800_000_000_000
FALLS = AlertRule("accuracy_falls", "accuracy", "falls", severity="page")


def of(name: str, valued: int, passed: int, source: str = "feedback") -> ScoreCounts:
    return ScoreCounts("route", name, source, NOON_NS, n=valued, valued=valued, passed=passed)


CORRECTED = (of("accuracy", 10, 8), of("accuracy/label", 10, 9), of("accuracy/amount", 10, 9))
OF_FIELDS = (of("accuracy/label", 10, 9), of("accuracy/amount", 5, 1))


@pytest.mark.parametrize(
    ("field", "counted"), [("", Counted(8, 10)), ("/label", Counted(9, 10)), ("/other", None)], ids=str
)
def test_a_call_with_a_corrected_answer_counts_once(field: str, counted: Counted | None) -> None:
    """Ten corrected answers are ten, though each judged the answer and two fields of it."""
    assert lens_of(FALLS, field).see(Taken(60, scores=CORRECTED)) == counted


def test_feedback_under_several_names_is_counted_together() -> None:
    """It is no judgement of one thing: each counts."""
    rule = AlertRule("liked", "feedback", "falls")
    assert lens_of(rule).see(Taken(60, scores=(of("tone", 10, 9), of("helpful", 10, 5)))) == Counted(14, 20)


@pytest.mark.parametrize(
    ("scores", "fields"), [(CORRECTED, [""]), (OF_FIELDS, ["/amount", "/label"])], ids=["answers", "fields alone"]
)
def test_what_is_watched_of_accuracy(scores: tuple[ScoreCounts, ...], fields: list[str]) -> None:
    """The whole answer; where labels tell of single fields alone, each of these."""
    evaluation = Evaluation(())
    evaluation.begin(Watch(alerting=Alerting(), tasks={"route": TaskWatch(alerts=(FALLS,))}))
    rows = Rows()
    rows.add("scores", "task", "route", Row(1, "", Taken(60, scores=scores), 10))
    evaluation.discover(rows)
    assert [one.monitor.place.field for one in evaluation.watchers] == fields


def test_the_figure_told_is_the_one_that_was_watched() -> None:
    """Of the whole answer nothing is told where only a field was judged."""
    found = measured(FALLS, Taken(60, scores=CORRECTED), "", "")
    assert found is not None
    assert (found.value, found.n) == (0.8, 10)
    assert measured(FALLS, Taken(60, scores=OF_FIELDS), "", "") is None
    of_label = measured(FALLS, Taken(60, scores=OF_FIELDS), "/label", "")
    assert of_label is not None
    assert (of_label.value, of_label.n) == (0.9, 10)
