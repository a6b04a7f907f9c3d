"""What a store tells of scores, readings, and what replicas said of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call, filled
from trimtab.record.events import Score
from trimtab.store.engine_samples import EngineQuery, EngineSample
from trimtab.store.histograms import bucket_of
from trimtab.store.readings import MAX_CATEGORIES, Reading, ReadingCounts, ReadingQuery
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.slices import SliceQuery
from trimtab.store.telemetry import DAY_NS, Batch, Telemetry

FROM, TO = NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS


def score(ident: str, seconds: int = 0, **fields: Any) -> Score:
    """A score given so long after noon."""
    known = {"name": "helpful", "source": "feedback", "task": "route"}
    return Score(id=ident, at_ns=NOON_NS + seconds * SECOND_NS, **known | fields)


def reading(value: str | float, seconds: int = 0, **fields: Any) -> Reading:
    """A category, or a number, read of a call that ended so long after noon."""
    kind: dict[str, Any] = (
        {"kind": "category", "value": value}
        if isinstance(value, str)
        else {"kind": "number", "value": "-" if value < 0 else "", "number": abs(value)}
    )
    known = {"environment": "test", "task": "route", "model": "small", "prompt": "p", "lock": "l"}
    return Reading(at_ns=NOON_NS + seconds * SECOND_NS, call="c", **known | {"field": "answer/team"} | kind | fields)


def test_every_field_of_a_score_comes_back(telemetry: Telemetry) -> None:
    """What was inserted is what is read, with its value left out where it has none."""
    scores = filled(Score), Score("bare", 5, "done", "rule", call="c")
    telemetry.insert(Batch(scores=scores), "t")
    assert telemetry.score_rows(scores[0].call) == scores[:1]
    assert telemetry.score_rows("c") == scores[1:]
    assert telemetry.score_rows("") == ()


def test_a_score_takes_the_place_of_one_of_its_id(telemetry: Telemetry) -> None:
    """The one given last counts, also across batches and days, and in no window but its own."""
    first = score("s1", value=0.0, call="c")
    last = score("s1", 86_400, value=1.0, call="c")
    telemetry.insert(Batch(scores=(first, score("s2", value=0.5, call="c"))), "t")
    assert [one.n for one in telemetry.scores(ScoreQuery(FROM, TO))] == [2]
    telemetry.insert(Batch(scores=(last,)), "u")
    assert [(one.n, one.total) for one in telemetry.scores(ScoreQuery(FROM, TO))] == [(1, 0.5)]
    assert [(one.n, one.passed) for one in telemetry.scores(ScoreQuery(FROM, TO + DAY_NS))] == [(2, 2)]
    assert telemetry.score_rows("c") == (score("s2", value=0.5, call="c"), last)


def test_scores_are_summed(telemetry: Telemetry) -> None:
    """Values, how many pass, labels, and how late they came; one that came before its call's end has no lag."""
    ended = NOON_NS - 10 * SECOND_NS
    telemetry.insert(
        Batch(
            scores=(
                score("s1", value=0.25, label="no", settled_ns=ended),
                score("s2", 2, value=0.75, label="yes", settled_ns=ended),
                score("s3", 3, label="yes"),
                score("s4", 4, value=float("nan"), settled_ns=NOON_NS + 60 * SECOND_NS),
                score("s5", 5, value=1.0, name="done", source="rule"),
                score("s6", 6, value=1.0, task="extract"),
                score("s7", 3600, value=1.0),
            )
        ),
        "t",
    )
    assert telemetry.scores(ScoreQuery(FROM, TO, tasks=("route",))) == (
        ScoreCounts("route", "done", "rule", FROM, n=1, valued=1, passed=1, total=1.0, squares=1.0),
        ScoreCounts(
            *("route", "helpful", "feedback", FROM),
            n=4,
            valued=2,
            passed=1,
            total=1.0,
            squares=0.625,
            labels={"no": 1, "yes": 2},
            lag_ms={bucket_of(10_000): 1, bucket_of(12_000): 1},
        ),
    )


def test_scores_stand_apart(telemetry: Telemetry) -> None:
    """By step, by one thing more, and narrowed by name and by its value."""
    telemetry.insert(
        Batch(
            scores=(
                score("s1", 0, model="small", prompt="p1"),
                score("s2", 70, model="large", prompt="p1"),
                score("s3", 80, model="small", prompt="p2", name="done"),
            )
        ),
        "t",
    )

    def found(**narrowed: Any) -> list[tuple[str, str, int, int]]:
        counts = telemetry.scores(ScoreQuery(FROM, TO, **narrowed))
        return [(one.name, one.value, (one.at_ns - NOON_NS) // MINUTE_NS, one.n) for one in counts]

    assert found(step_s=60) == [("done", "", 1, 1), ("helpful", "", 0, 1), ("helpful", "", 1, 1)]
    assert found(by="model", names=("helpful",)) == [("helpful", "large", -30, 1), ("helpful", "small", -30, 1)]
    assert found(by="prompt", only="p1") == [("helpful", "p1", -30, 2)]


def test_a_score_that_moved_to_another_task_left_the_first(telemetry: Telemetry) -> None:
    """A later row of an id counts even where the question leaves its task out."""
    telemetry.insert(Batch(scores=(score("s1"),)), "t")
    telemetry.insert(Batch(scores=(score("s1", 1, task="extract"),)), "u")
    assert telemetry.scores(ScoreQuery(FROM, TO, tasks=("route",))) == ()


def test_scores_of_a_run_and_of_a_conversation(telemetry: Telemetry) -> None:
    """They come in the order they were given; nothing is asked for with an empty name."""
    scores = (score("s1", 2, run="r", call="c"), score("s2", 1, run="r"), score("s3", conversation="v"), score("s4"))
    telemetry.insert(Batch(scores=scores), "t")
    assert [one.id for one in telemetry.scores_of(run="r")] == ["s2", "s1"]
    assert [one.id for one in telemetry.scores_of(conversation="v")] == ["s3"]
    assert telemetry.scores_of() == ()


def test_corrections_of_a_task(telemetry: Telemetry) -> None:
    """The last of each call, newest first; what was taken back, is of another task or of no call is left out."""
    scores = (
        score("a", 1, call="c1", correction="old"),
        score("b", 5, call="c1", correction="new"),
        score("c", 3, call="c2", correction="two"),
        score("d", 2, call="c3", correction="wrong"),
        score("d", 4, call="c3"),
        score("e", 6, call="c4", correction="other", task="refund"),
        score("f", 7, run="r", correction="of a run"),
    )
    telemetry.insert(Batch(scores=scores), "t")
    found = telemetry.corrections("route", 0, 10)
    assert [(one.call, one.correction) for one in found] == [("c1", "new"), ("c2", "two")]
    assert [one.call for one in telemetry.corrections("route", 0, 1)] == ["c1"]
    assert telemetry.corrections("route", NOON_NS + 4 * SECOND_NS, 10) == found[:1]


def test_categories_are_counted(telemetry: Telemetry) -> None:
    """By field, over all batches, each batch once."""
    readings = reading("billing"), reading("billing", 1), reading("sales", 2), reading("de", 3, field="input.language")
    for token in ("t", "t", "u"):
        telemetry.insert(Batch(readings=readings), token)
    assert telemetry.readings(ReadingQuery(FROM, TO)) == (
        ReadingCounts("route", "answer/team", "category", FROM, n=6, categories={"billing": 4, "sales": 2}),
        ReadingCounts("route", "input.language", "category", FROM, n=2, categories={"de": 2}),
    )
    (found,) = telemetry.readings(ReadingQuery(FROM, TO, fields=("input.language",)))
    assert found.n == 2


def test_numbers_lie_in_buckets_by_their_size(telemetry: Telemetry) -> None:
    """Those below 0 stand apart, zeros are counted, what is not finite is not."""
    values = 3.0, 3.0, -3.0, 250.0, 0.0, float("inf"), float("nan"), 1e-300, -1e300
    telemetry.insert(Batch(readings=tuple(reading(value) for value in values)), "t")
    (found,) = telemetry.readings(ReadingQuery(FROM, TO))
    assert found == ReadingCounts(
        *("route", "answer/team", "number", FROM),
        n=7,
        positive={bucket_of(3): 2, bucket_of(250): 1, bucket_of(1e-300): 1},
        negative={bucket_of(3): 1, bucket_of(1e300): 1},
        zeros=1,
    )


def test_readings_stand_apart(telemetry: Telemetry) -> None:
    """By step and by one thing more; two kinds of one field are two."""
    telemetry.insert(
        Batch(
            readings=(
                reading("a", 0, prompt="p1"),
                reading("a", 70, prompt="p2"),
                reading(5.0, 70, prompt="p2"),
                reading("b", 80, task="extract", prompt="p2"),
            )
        ),
        "t",
    )

    def found(**narrowed: Any) -> list[tuple[str, str, str, int, int]]:
        counts = telemetry.readings(ReadingQuery(FROM, TO, **narrowed))
        return [(one.task, one.kind, one.value, (one.at_ns - NOON_NS) // MINUTE_NS, one.n) for one in counts]

    assert found(tasks=("route",), step_s=60) == [
        ("route", "category", "", 0, 1),
        ("route", "category", "", 1, 1),
        ("route", "number", "", 1, 1),
    ]
    assert found(by="prompt", only="p2") == [
        ("extract", "category", "p2", -30, 1),
        ("route", "category", "p2", -30, 1),
        ("route", "number", "p2", -30, 1),
    ]


def test_categories_without_end_go_under_one(telemetry: Telemetry) -> None:
    """A field whose values are made up keeps the most frequent ones; long ones are told apart by their beginning."""
    readings = [reading(f"{n:04}") for n in range(MAX_CATEGORIES + 9)] + [reading("x" * 500), reading("x" * 400)]
    telemetry.insert(Batch(readings=tuple(readings)), "t")
    (found,) = telemetry.readings(ReadingQuery(FROM, TO))
    assert (found.n, len(found.categories)) == (MAX_CATEGORIES + 11, MAX_CATEGORIES)
    assert (found.categories["x" * 100], found.categories["(other)"]) == (2, 11)


def sample(value: float, seconds: int = 0, **fields: Any) -> EngineSample:
    known = {"model": "small", "replica": "r1", "series": "queue_depth"}
    return EngineSample(at_ns=NOON_NS + seconds * SECOND_NS, value=value, **known | fields)


def test_engine_samples(telemetry: Telemetry) -> None:
    """All of a window in the order of time, or the last of each series in each step."""
    taken = (
        sample(1.0),
        sample(2.0, 15),
        sample(3.0, 40),
        sample(0.5, 40, series="running"),
        sample(9.0, 40, replica="r2"),
    )
    telemetry.insert_engine_samples(taken[::-1])
    assert telemetry.engine_samples(EngineQuery(FROM, TO)) == (taken[0], taken[1], taken[2], taken[3], taken[4])
    narrowed = EngineQuery(NOON_NS, TO, model="small", replica="r1", series=("queue_depth",), step_s=30)
    assert telemetry.engine_samples(narrowed) == (taken[1], taken[2])
    assert telemetry.engine_samples(EngineQuery(NOON_NS, NOON_NS + 15 * SECOND_NS)) == taken[:1]
    assert telemetry.engine_samples(EngineQuery(FROM, TO, model="other")) == ()


def test_too_many_are_refused(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question has a longest answer."""
    for module in ("memory_slices", "clickhouse_slices"):
        for name in ("MAX_SAMPLES", "MAX_READINGS", "MAX_SCORES"):
            monkeypatch.setattr(f"trimtab.store.{module}.{name}", 1)
    telemetry.insert_engine_samples([sample(1.0), sample(2.0, 1)])
    telemetry.insert(Batch(readings=(reading("a"), reading("a", 60)), scores=(score("a"), score("b", 60))), "t")
    assert len(telemetry.engine_samples(EngineQuery(FROM, TO, step_s=60))) == 1
    for ask in (
        lambda: telemetry.engine_samples(EngineQuery(FROM, TO)),
        lambda: telemetry.readings(ReadingQuery(FROM, TO, step_s=60)),
        lambda: telemetry.scores(ScoreQuery(FROM, TO, step_s=60)),
    ):
        with pytest.raises(ValueError, match="over 1 parts"):
            ask()


def test_days_are_dropped(telemetry: Telemetry) -> None:
    """Retention lets go of a day of everything."""
    batch = Batch((call("c"),), scores=(score("s"),), readings=(reading("a"),))
    later = Batch((call("d", NOON_NS + DAY_NS),), scores=(score("s2", 86_400),), readings=(reading("a", 86_400),))
    telemetry.insert(batch, "t")
    telemetry.insert(later, "u")
    telemetry.insert_engine_samples([sample(1.0), sample(2.0, 86_400)])
    telemetry.retain(NOON_NS + DAY_NS)
    window = FROM, TO + DAY_NS
    assert [one.calls for one in telemetry.slices(SliceQuery(*window))] == [1]
    assert [one.n for one in telemetry.scores(ScoreQuery(*window))] == [1]
    assert [one.n for one in telemetry.readings(ReadingQuery(*window))] == [1]
    assert [one.value for one in telemetry.engine_samples(EngineQuery(*window))] == [2.0]


def test_a_score_is_replaced_by_an_equal_time_once(telemetry: Telemetry) -> None:
    """A batch of scores sent again under its token, or under another, counts once: their ids tell them apart."""
    one = score("s", value=1.0)
    for token in ("t", "t", "u"):
        telemetry.insert(Batch(scores=(one, replace(one, id="s2"))), token)
    assert [found.n for found in telemetry.scores(ScoreQuery(FROM, TO))] == [2]


def counted(telemetry: Telemetry, **narrowed: Any) -> list[tuple[str, str, int, int]]:
    """Name, source, how many have a value and how many pass, of the hour about noon."""
    return [
        (one.name, one.source, one.valued, one.passed) for one in telemetry.scores(ScoreQuery(FROM, TO, **narrowed))
    ]


def test_one_run_counts_for_one_completion(telemetry: Telemetry) -> None:
    """Feedback before a rule before a judge, whenever they came; who has not told a value tells nothing."""
    done = {"name": "completion", "run": "r1"}
    telemetry.insert(
        Batch(
            scores=(
                score("s1", 0, **done, call="c1", source="feedback", value=0.0),
                score("s2", 1, **done, call="c2", source="rule", value=1.0, prompt="p"),
                score("s3", 2, **done, call="c2", source="judge", value=1.0),
                score("s4", 3, **done | {"run": "r2"}, call="c3", source="judge", value=0.0),
                score("s5", 4, **done | {"run": "r2"}, call="c3", source="rule", value=1.0),
                score("s6", 5, **done | {"run": "r2"}, call="c3", source="feedback", label="fine"),
                score("s7", 6, **done | {"run": "r1"}, call="c4", source="rule", value=1.0, task="extract"),
                score("s8", 7, **done | {"run": ""}, call="c5", source="rule", value=0.0),
                score("s9", 8, **done | {"run": ""}, call="c5", source="judge", value=1.0),
            )
        ),
        "t",
    )
    assert counted(telemetry, tasks=("route",)) == [
        ("completion", "feedback", 1, 0),
        ("completion", "rule", 2, 1),
    ]
    assert counted(telemetry, tasks=("extract",)) == [("completion", "rule", 1, 1)]
    assert counted(telemetry, by="prompt", only="p") == []


def test_one_run_counts_once_in_each_step(telemetry: Telemetry) -> None:
    """What came in another step counts there; past the end of the window nobody has told anything yet."""
    done = {"name": "completion", "run": "r1", "call": "c1"}
    telemetry.insert(
        Batch(
            scores=(
                score("s1", 0, **done, source="rule", value=1.0),
                score("s2", 70, **done, source="feedback", value=0.0),
            )
        ),
        "t",
    )
    assert counted(telemetry, step_s=60) == [("completion", "feedback", 1, 0), ("completion", "rule", 1, 1)]
    assert counted(telemetry) == [("completion", "feedback", 1, 0)]
    before = telemetry.scores(ScoreQuery(FROM, NOON_NS + MINUTE_NS))
    assert [(one.source, one.passed) for one in before] == [("rule", 1)]


def test_one_call_counts_for_one_accuracy_of_each_name(telemetry: Telemetry) -> None:
    """The last label counts; the whole answer and its fields are told apart, and other names are not touched."""
    telemetry.insert(
        Batch(
            scores=(
                score("s1", 0, name="accuracy", call="c1", value=0.0),
                score("s2", 1, name="accuracy", call="c1", value=1.0),
                score("s3", 2, name="accuracy", call="c2", value=0.0),
                score("s4", 3, name="accuracy/label", call="c1", value=1.0),
                score("s5", 4, name="accuracy/label", call="c1", value=0.0),
                score("s6", 5, name="thumbs", call="c1", value=1.0),
                score("s7", 6, name="thumbs", call="c1", value=1.0),
                score("s8", 7, name="accuracy", call="c1"),
                score("s1", 8, name="accuracy", call="c3", value=1.0),
            )
        ),
        "t",
    )
    assert counted(telemetry) == [
        ("accuracy", "feedback", 3, 2),
        ("accuracy/label", "feedback", 1, 0),
        ("thumbs", "feedback", 2, 2),
    ]
