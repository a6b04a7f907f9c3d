"""Figures say what was counted, with n and intervals, and percentiles come from merged histograms."""

from __future__ import annotations

import random

import msgspec
import pytest

from tests.signals.counted import HOUR_NS, NOON_NS, ByHand
from trimtab.signals.figure import Figure, Figures, Gauge
from trimtab.signals.figures import FigureQuery, figures
from trimtab.store.histograms import merged, of_values
from trimtab.store.readings import ReadingCounts
from trimtab.store.scores import ScoreCounts
from trimtab.store.slices import Slice, SliceQuery, Spread
from trimtab.store.telemetry import CostSum

NOW = (NOON_NS, NOON_NS + HOUR_NS)
BEFORE = (NOON_NS - HOUR_NS, NOON_NS)
WINDOW = FigureQuery(*NOW)


def one_of(signal: str, *slices: Slice, before: tuple[Slice, ...] = (), scores: tuple[ScoreCounts, ...] = ()) -> Figure:
    source = ByHand({NOW: slices, BEFORE: before}, {NOW: scores})
    (cell,) = figures(source, FigureQuery(*NOW, signals=(signal,))).cells
    figure = cell.figure(signal)
    assert figure is not None
    return figure


def parsed(valid: int, n: int, value: str = "") -> Slice:
    return Slice("route", NOON_NS, value, calls=n, valid_first=valid, rejected=n - valid)


def timed(*seconds: float, spread: Spread = "ttft") -> Slice:
    return Slice("route", NOON_NS, calls=len(seconds), spreads={spread: of_values(one * 1e6 for one in seconds)})


def test_nothing_happened() -> None:
    """An empty window has no cells."""
    assert figures(ByHand(), WINDOW).cells == ()


def test_a_share_with_its_interval() -> None:
    """18 of 20 is 0.9, by Wilson from 0.6990 to 0.9721."""
    figure = one_of("parse_rate", parsed(18, 20))
    assert (figure.value, figure.n, figure.count) == (0.9, 20, 18)
    assert (figure.low, figure.high) == pytest.approx((0.6990, 0.9721), abs=1e-4)


def test_what_has_no_denominator_is_no_figure() -> None:
    """A task without schema has no parse rate, and not 0 %."""
    (cell,) = figures(ByHand({NOW: [Slice("route", NOON_NS, calls=5, outcomes={"ok": 5})]}), WINDOW).cells
    assert cell.figure("parse_rate") is None
    assert cell.figure("availability") is not None


def test_quantiles_with_ranks() -> None:
    """Of 100 times 10 ms, 20 ms ... 1 s the median is that of rank 50 and lies, by ranks 40 and 61, in 400-610 ms."""
    figure = one_of("ttft", timed(*(number / 100 for number in range(1, 101))))
    median, p95, p99 = figure.quantiles
    assert median.value == pytest.approx(0.50, rel=0.011)
    assert (median.low, median.high) == pytest.approx((0.40, 0.61), rel=0.011)
    assert p95.value == pytest.approx(0.95, rel=0.011) and p95.high == pytest.approx(1.0, rel=0.011)
    assert p99.value == pytest.approx(0.99, rel=0.011) and p99.high is None
    assert (figure.value, figure.low, figure.high) == (p95.value, p95.low, p95.high)


def test_a_percentile_needs_values_behind_it() -> None:
    """Of 19 times there is a median but no p95."""
    figure = one_of("ttft", timed(*[0.5] * 19))
    assert [one.value is not None for one in figure.quantiles] == [True, False, False]
    assert figure.value is None and figure.n == 19


def test_bars_hold_every_value() -> None:
    """The bars of a histogram are at most 60, join without gaps, and add up to n."""
    draw = random.Random(3)
    figure = one_of("ttft", timed(*(draw.lognormvariate(-1, 2) for _ in range(3000))))
    assert len(figure.bins) <= 60
    assert sum(bar.count for bar in figure.bins) == figure.n == 3000
    assert all(left.high == right.low for left, right in zip(figure.bins, figure.bins[1:], strict=False))


def test_nothing_averages_percentiles() -> None:
    """990 fast calls on one replica and 10 slow ones on another: the p95 of all is fast, and not midway."""
    fast, slow = [0.1] * 990, [9.0] * 10
    apart = ByHand({NOW: [valued(timed(*fast), "a"), valued(timed(*slow), "b")]})
    by_replica = figures(apart, FigureQuery(*NOW, signals=("ttft",), by="replica"))
    parts = [figure.value for cell in by_replica.cells for figure in cell.figures]
    whole = one_of("ttft", timed(*fast, *slow)).value
    assert whole == pytest.approx(0.1, rel=0.011)
    assert parts == [pytest.approx(0.1, rel=0.011), None]
    together = merged(one.spreads["ttft"] for one in (timed(*fast), timed(*slow)))
    assert together == timed(*fast, *slow).spreads["ttft"]


def valued(one: Slice, value: str) -> Slice:
    return Slice(one.task, one.at_ns, value, calls=one.calls, spreads=one.spreads)


def test_shares_and_sums() -> None:
    """Parts of a whole have shares with intervals; cost adds up in dollars and has none."""
    tools = one_of("tools_chosen", Slice("route", NOON_NS, calls=9, tools={"search": 5, "refund": 15}))
    assert [(part.name, part.count, part.share) for part in tools.parts] == [("refund", 15, 0.75), ("search", 5, 0.25)]
    assert (tools.parts[1].low, tools.parts[1].high) == pytest.approx((0.1119, 0.4687), abs=1e-4)
    assert tools.parts[0].amount is None
    cost = one_of(
        "cost",
        Slice("route", NOON_NS, calls=9, cost={"exact": CostSum(6, 3 * 10**12), "estimated": CostSum(3, 10**12)}),
    )
    assert cost.value == pytest.approx(4.0)
    assert [(part.name, part.amount, part.low) for part in cost.parts] == [
        ("exact", pytest.approx(3.0), None),
        ("estimated", pytest.approx(1.0), None),
    ]


def test_amounts() -> None:
    """1,800 calls in an hour are 0.5 a second; what 80 priced of them cost is shared by 80."""
    one = Slice("route", NOON_NS, calls=1800, cost={"exact": CostSum(80, 4 * 10**12), "unknown": CostSum(1720)})
    assert one_of("request_rate", one).value == 0.5
    per_call = one_of("cost_per_call", one)
    assert (per_call.value, per_call.n) == (pytest.approx(0.05), 80)
    amplified = one_of("amplification", Slice("route", NOON_NS, calls=100, attempts=130))
    assert (amplified.value, amplified.n) == (pytest.approx(1.3), 100)


@pytest.mark.parametrize(("source", "value"), [("rule", 0.5), ("judge", 0.125)])
def test_cost_per_completed(source: str, value: float) -> None:
    """4 USD for 40 calls; a rule judged 10 runs, 8 done: 0.50 each; a judge saw 10 calls, 8 done: 32 of 40, 0.125."""
    one = Slice("route", NOON_NS, calls=40, cost={"exact": CostSum(40, 4 * 10**12)})
    score = ScoreCounts("route", "completion", source, NOON_NS, n=10, valued=10, passed=8)
    figure = one_of("cost_per_completed", one, scores=(score,))
    assert figure.value == pytest.approx(value)
    assert figure.n == 10
    assert figure.low is not None and figure.high is not None and figure.low < value < figure.high


def test_feedback_on_runs_that_a_rule_judges_counts_among_them() -> None:
    """Ten runs, of which people judged two: 8 done by one or the other of all ten: 0.50 each."""
    one = Slice("route", NOON_NS, calls=40, cost={"exact": CostSum(40, 4 * 10**12)})
    scores = (
        ScoreCounts("route", "completion", "feedback", NOON_NS, n=2, valued=2, passed=1),
        ScoreCounts("route", "completion", "rule", NOON_NS, n=8, valued=8, passed=7),
    )
    figure = one_of("cost_per_completed", one, scores=scores)
    assert (figure.value, figure.n, figure.count) == (pytest.approx(0.5), 10, 8)


def test_nothing_completed_has_no_cost() -> None:
    """Of work of which none was done the cost for each is not 0 but unknown, with a floor."""
    one = Slice("route", NOON_NS, calls=10, cost={"exact": CostSum(10, 10**12)})
    score = ScoreCounts("route", "completion", "rule", NOON_NS, n=10, valued=10)
    figure = one_of("cost_per_completed", one, scores=(score,))
    assert figure.value is None and figure.high is None
    assert figure.low is not None and figure.low > 0.1


def test_scores_of_several_names() -> None:
    """Feedback is told together, and apart by name where there is more than one; labels tell how late they came."""
    scores = (
        ScoreCounts("route", "tone", "feedback", NOON_NS, n=10, valued=10, passed=9),
        ScoreCounts("route", "helpful", "feedback", NOON_NS, n=10, valued=10, passed=5),
        ScoreCounts("route", "accuracy", "evaluation", NOON_NS, n=4, valued=4, passed=3, lag_ms=of_values([3.6e6] * 4)),
    )
    (cell,) = figures(ByHand(scores_of={NOW: scores}), WINDOW).cells
    told = [(one.field, one.value, one.n) for one in cell.figures if one.signal == "feedback"]
    assert told == [("", 0.7, 20), ("helpful", 0.5, 10), ("tone", 0.9, 10)]
    assert [one.value for one in cell.figures if one.signal == "accuracy"] == [0.75]
    lag = cell.figure("label_lag")
    assert lag is not None and lag.value == pytest.approx(3600, rel=0.011)


def test_readings() -> None:
    """A category has shares, a number quantiles over both signs and the zeros between them."""
    readings = (
        ReadingCounts("route", "answer/label", "category", NOON_NS, n=10, categories={"a": 7, "b": 3}),
        ReadingCounts(
            "route",
            "answer/score",
            "number",
            NOON_NS,
            n=5,
            negative=of_values([4.0, 2.0]),
            positive=of_values([8.0]),
            zeros=2,
        ),
        ReadingCounts("route", "input.language", "category", NOON_NS, n=10, categories={"en": 10}),
    )
    (cell,) = figures(ByHand(readings_of={NOW: readings}), WINDOW).cells
    label, score = cell.figure("predictions", "answer/label"), cell.figure("predictions", "answer/score")
    assert label is not None and [(part.name, part.share) for part in label.parts] == [("a", 0.7), ("b", 0.3)]
    assert score is not None and score.value == 0.0
    assert [bar.count for bar in score.bins if bar.count] == [1, 1, 2, 1]
    assert score.bins[0].low < -3.9 and score.bins[-1].high > 7.9
    assert cell.figure("inputs", "input.language") is not None
    assert cell.figure("inputs", "answer/label") is None


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [((990, 1000), (930, 1000), "worse"), ((930, 1000), (990, 1000), "better"), ((19, 20), (18, 20), "")],
)
def test_change_of_a_share(before: tuple[int, int], now: tuple[int, int], verdict: str) -> None:
    """A share is worse or better only where Newcombe's interval of the difference leaves out 0."""
    change = one_of("parse_rate", parsed(*now), before=(parsed(*before),)).change
    assert change is not None
    assert change.verdict == verdict
    assert change.difference == pytest.approx(now[0] / now[1] - before[0] / before[1])
    assert change.n == before[1]


def test_change_of_a_quantile() -> None:
    """Times that doubled are worse; answers twice as long are changed, neither better nor worse."""
    slow, fast = [0.2 + number / 1000 for number in range(200)], [0.1 + number / 2000 for number in range(200)]
    change = one_of("ttft", timed(*slow), before=(timed(*fast),)).change
    assert change is not None and change.verdict == "worse"
    short, long = timed(*[1e-4] * 100, spread="output"), timed(*[2e-4] * 100, spread="output")
    change = one_of("output_length", long, before=(short,)).change
    assert change is not None and change.verdict == "changed" and change.difference == pytest.approx(100, rel=0.03)


def test_change_of_parts() -> None:
    """From 80:20 to 60:40 a fifth moved."""
    was, now = ({"a": 80, "b": 20}, {"a": 60, "b": 40})
    change = one_of("tools_chosen", Slice("route", 0, tools=now), before=(Slice("route", 0, tools=was),)).change
    assert change is not None and change.difference == pytest.approx(0.2) and change.verdict == ""


def test_nothing_before() -> None:
    """Without calls in the window before there is no difference."""
    change = one_of("parse_rate", parsed(18, 20)).change
    assert change is not None and (change.n, change.difference, change.verdict) == (0, None, "")


def test_steps() -> None:
    """In steps each has its own figures, without bars and changes; the rate of a step that the window cuts is true."""
    query = FigureQuery(NOON_NS + 600_000_000_000, NOON_NS + HOUR_NS, signals=("request_rate", "ttft"), step_s=1800)
    steps = [
        Slice("route", NOON_NS, calls=600, spreads={"ttft": of_values([1e5] * 600)}),
        Slice("route", NOON_NS + HOUR_NS // 2, calls=900),
    ]
    found = figures(ByHand({(query.since_ns, query.until_ns): steps}), query)
    rates = [figure.value for cell in found.cells for figure in cell.figures if figure.signal == "request_rate"]
    assert rates == [0.5, 0.5]
    assert all(figure.bins == () and figure.change is None for cell in found.cells for figure in cell.figures)


def test_only_what_is_wanted_is_asked() -> None:
    """One signal asks one question for each window, for the histograms and counts that it needs and no others."""
    source = ByHand({NOW: [timed(0.1)]})
    figures(source, FigureQuery(NOON_NS + 5, NOON_NS + HOUR_NS - 5, ("route",), ("ttft",), "model", "small"))
    assert source.asked == [
        SliceQuery(*window, ("route",), "model", "small", spreads=("ttft",), facts=()) for window in (NOW, BEFORE)
    ]


def test_dimensions_that_are_not_kept() -> None:
    """Readings know no key and scores no environment: these are left out, and not told wrongly."""
    source = ByHand()
    figures(source, FigureQuery(*NOW, by="environment"))
    assert {type(query) for query in source.asked} == {SliceQuery}


def test_an_unknown_signal() -> None:
    """A signal that there is not is a mistake that says where the names are."""
    with pytest.raises(ValueError, match="there is no signal `parse`; `trimtab signals list`"):
        figures(ByHand(), FigureQuery(*NOW, signals=("parse",)))


def test_gauges() -> None:
    """Gauges are passed on where their signal and task are wanted."""
    gauges = [Gauge("dead_letters", "route", "upstream_error", 3.0), Gauge("probes", "", "small", 1.0)]
    assert figures(ByHand(), WINDOW, gauges).gauges == tuple(gauges)
    narrowed = FigureQuery(*NOW, tasks=("route",), signals=("dead_letters",))
    assert figures(ByHand(), narrowed, gauges).gauges == (gauges[0],)


def test_they_go_through_json() -> None:
    """What is told as JSON is read back the same."""
    found = figures(
        ByHand(
            {
                NOW: [
                    parsed(18, 20),
                ]
            }
        ),
        WINDOW,
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=Figures) == found


def test_accuracy_by_field() -> None:
    """A label of the whole answer and one of a field of it are told apart, and not added up."""
    scores = (
        ScoreCounts("route", "accuracy", "evaluation", NOON_NS, n=4, valued=4, passed=3),
        ScoreCounts("route", "accuracy/label", "feedback", NOON_NS, n=10, valued=10, passed=5),
    )
    (cell,) = figures(ByHand(scores_of={NOW: scores}), WINDOW).cells
    told = [(one.field, one.value, one.n) for one in cell.figures if one.signal == "accuracy"]
    assert told == [("", 0.75, 4), ("/label", 0.5, 10)]
    assert not [one for one in cell.figures if one.signal == "feedback"]


def test_calibration() -> None:
    """Of 100 answers with a confidence from 0.90 to 0.95 half were right: they were 0.425 too sure."""
    scores = (
        ScoreCounts("route", "confidence.right", "feedback", NOON_NS, n=50, valued=50, total=46.0, labels={"0.90": 50}),
        ScoreCounts("route", "confidence.wrong", "feedback", NOON_NS, n=50, valued=50, total=46.0, labels={"0.90": 50}),
    )
    (cell,) = figures(ByHand(scores_of={NOW: scores}), WINDOW).cells
    figure = cell.figure("calibration")
    assert figure is not None
    assert (figure.n, figure.value) == (100, pytest.approx(0.425))
    assert figure.low is not None and figure.high is not None and figure.low < 0.425 < figure.high
