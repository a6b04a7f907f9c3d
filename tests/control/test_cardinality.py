"""However many names clients, models and tools come up with, one answer to Prometheus stays under its bound."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.store.samples import attempt, call
from trimtab.declare.project import Goal, Objective
from trimtab.gateway.board_view import BoardView, ReplicaView, WorkerView
from trimtab.journal.dead_letters import Tally
from trimtab.lock.identity import Standing
from trimtab.policy.snapshot import TaskPolicy
from trimtab.processes.catalogue import BUDGET, RECORDED
from trimtab.processes.identity import Figures, ReplicaIdentity
from trimtab.processes.metrics import Host, Metrics, Watched
from trimtab.processes.recorded import Recorded
from trimtab.processes.series import OTHER
from trimtab.processes.tool_shapes import Drifting
from trimtab.record.events import Score, ToolOutcome, ToolResult
from trimtab.signals.engine.view import EngineView
from trimtab.store.engine_samples import EngineSeries
from trimtab.store.ingest import Lag
from trimtab.store.telemetry import Batch

TASK_NAMES = [f"task-{number}" for number in range(50)]
MODELS = [f"model-{number}" for number in range(5)]
OUTCOMES = ["ok", "deadline_first_token", "upstream_error", "output_invalid"]
SERIES: tuple[EngineSeries, ...] = get_args(EngineSeries)
OBJECTIVE = Objective((Goal("ttft", 0.95, 0.1), Goal("total", 0.99, 0.1)))


def replicas(each: int) -> list[tuple[str, str]]:
    """So many replicas of every model."""
    return [(model, f"http://{model}-{number}:8000") for model in MODELS for number in range(each)]


class Told:
    """A host of 50 tasks and 5 models, of which everything is told that there can be."""

    def __init__(self, places: list[tuple[str, str]]) -> None:
        policies = {name: TaskPolicy(name, *[None] * 9) for name in TASK_NAMES}  # type: ignore[arg-type]
        tasks = {name: msgspec.structs.replace(one, objective=OBJECTIVE) for name, one in policies.items()}
        self.recorded = Recorded(lambda: tasks)
        board = BoardView(
            tuple(WorkerView(slot, slot, 1, f"g{slot}", 0.1, 1, 1, False) for slot in range(4)),
            tuple(ReplicaView(*place, "open", 1, 9, 5, 5, 9, 2, 1.5, False) for place in places),
        )
        tested = tuple(ReplicaIdentity(*place, Standing("same", checked_ns=1)) for place in places)
        views = [EngineView(*place, values=dict.fromkeys(SERIES, 1.0), failures=1, restarts=1) for place in places]
        host = Host(
            board=lambda: board,
            lag=lambda: (Lag(), True),
            dead=lambda: [Tally("call", name, "upstream_error", 1) for name in TASK_NAMES],
            identity=lambda: Figures(tested, tuple((place, "same", 3) for place in places)),
            drifting=lambda: [Drifting(f"tool-{number}", "tool_shape", "major", "$", "", 0) for number in range(10)],
            lock_differences=lambda: 3,
            engines=lambda: views,
            watched=lambda: Watched(
                {(state, severity): 1 for state in ("pending", "open") for severity in ("page", "ticket")},
                {(task, goal): 0.5 for task in TASK_NAMES for goal in ("ttft_p95", "total_p99")},
            ),
        )
        self.metrics = Metrics(self.recorded, host)

    def record(self, places: list[tuple[str, str]], outcomes: list[str]) -> None:
        """Calls of every task at every replica with every outcome, with all that a call can have."""
        for number, (task, (model, url), outcome) in enumerate(product(TASK_NAMES, places, outcomes)):
            name = f"c{number}"
            end = call(
                name,
                task=task,
                model=model,
                outcome=outcome,
                replica=url,
                upstream_model=f"served/{model}",
                total_s=1.0,
                ttft_s=0.5,
                tpot_s=0.02,
                longest_gap_s=0.1,
                finish_reason=("stop", "length", "content_filter")[number % 3],
                verdict=("valid", "invalid", "truncated", "refused")[number % 4],
                repairs=number % 2,
                seams=(1,),
                repetition="loop",
                tool_outcomes=(ToolOutcome("find", "valid", 1), ToolOutcome("send", "bad_json", 1)),
                tool_results=(ToolResult("find", "[]", 2), ToolResult("find", "text", 9, True)),
                first_model="",
            )
            end = msgspec.structs.replace(end, attempts=2, first_model="another")
            score = Score(name, 1, "completion", "rule", task=task, value=float(number % 2))
            self.recorded.observe(Batch.of([attempt(name, cause=outcome, replica=url, model=model), end, score]))

    def samples(self) -> list[Sample]:
        text, _ = self.metrics.scrape("text/plain")
        return [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]


def left_out(samples: list[Sample]) -> float:
    return next(sample.value for sample in samples if sample.name == "trimtab_series_left_out")


def test_the_designed_size_fits_and_loses_nothing() -> None:
    """50 tasks x 5 models x 20 replicas, everything told of each: under 5,000 series, none left out, none an other."""
    places = replicas(4)
    told = Told(places)
    told.record(places, OUTCOMES)
    samples = told.samples()
    assert len(samples) < BUDGET
    assert left_out(samples) == 0
    others = {(one.name, label) for one in samples for label, value in one.labels.items() if value == OTHER}
    assert others == set()
    of_calls = [one for one in samples if one.name == "trimtab_calls_total"]
    assert len(of_calls) == 50 * len(OUTCOMES)
    assert {one.value for one in of_calls} == {20}
    assert len({one.labels["replica"] for one in samples if one.name == "trimtab_engine_queue_depth"}) == 20


def test_a_hundred_replicas_leave_out_their_own_metrics_first() -> None:
    """20 replicas of each model are still under the bound; the host and the calls are told whole, engines as far as
    there is room, and it is said how much there was none for."""
    places = replicas(20)
    told = Told(places)
    told.record(places[::10], OUTCOMES)
    samples = told.samples()
    assert len(samples) <= BUDGET
    assert len([one for one in samples if one.name == "trimtab_calls_in_flight"]) == 100
    engines = {one.labels["replica"] for one in samples if one.name == "trimtab_engine_queue_depth"}
    assert 0 < len(engines) < 100
    assert left_out(samples) == (100 - len(engines)) * (len(SERIES) + 3)


def test_what_nobody_declared_cannot_fill_it() -> None:
    """Ever new models, tools, reasons, scores, outcomes, replicas and tasks: under the bound, and every call counts."""
    told = Told(replicas(4))
    for number in range(3000):
        hostile = f'{number}"\\n}}{{é' + "x" * 300
        name = f"c{number}"
        end = call(
            name,
            task=f"t-{hostile}",
            model=f"m-{hostile}",
            outcome=f"o-{hostile}",
            upstream_model=f"u-{hostile}",
            total_s=1.0,
            ttft_s=0.1,
            tpot_s=0.1,
            finish_reason=f"r-{hostile}",
            verdict="valid",
            tool_outcomes=(ToolOutcome(f"f-{hostile}", "valid", 1),),
            tool_results=(ToolResult(f"f-{hostile}", "[]", 2),),
        )
        score = Score(name, 1, f"s-{hostile}", "feedback", task=f"t-{hostile}", value=1.0)
        tries = attempt(name, cause=f"c-{hostile}", replica=f"http://{hostile}", model=f"m-{hostile}")
        told.recorded.observe(Batch.of([tries, end, score]))
    samples = told.samples()
    assert len(samples) <= BUDGET
    sums: Counter[str] = Counter()
    for sample in samples:
        sums[sample.name] += int(sample.value)
    counted = ("trimtab_calls_total", "trimtab_attempts_total", "trimtab_finish_reasons_total", "trimtab_scores_total")
    for name in (*counted, "trimtab_tool_calls_total", "trimtab_ttft_seconds_count"):
        assert sums[name] == 3000, name
    assert sums["gen_ai_server_request_duration_seconds_count"] == 3000


def test_all_bounds_taken_at_once_are_still_under_the_bound_of_all() -> None:
    """Where every metric is as full as it can be, what does not fit is left out and counted."""
    told = Told(replicas(20))
    for number, task in product(range(120), TASK_NAMES):
        end = call(
            f"{task}-{number}",
            task=task,
            model=f"m-{number}",
            outcome=f"o-{number}",
            total_s=1.0,
            ttft_s=0.1,
            tpot_s=0.1,
            longest_gap_s=0.1,
            finish_reason=f"r-{number}",
            verdict=("valid", "invalid", "truncated", "refused")[number % 4],
            repairs=number % 3,
            tool_outcomes=(ToolOutcome(f"f-{number}", "valid", 1),),
            tool_results=(ToolResult(f"f-{number}", "[]", 2),),
        )
        score = Score(task, 1, f"s-{number}", "feedback", task=task, value=1.0)
        told.recorded.observe(Batch.of([attempt("x", cause=f"o-{number}", replica=f"http://{number}"), end, score]))
    samples = told.samples()
    assert len(samples) <= BUDGET
    assert left_out(samples) > 0
    assert all(of.most for of in RECORDED)
    assert len([one for one in samples if one.name == "trimtab_calls_in_flight"]) == 100


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)), max_size=40))
def test_any_names_make_an_exposition_that_is_read_again(names: list[tuple[str, str, str]]) -> None:
    """Whatever stands in a label, the text is one that Prometheus's own parser takes, and tells every call."""
    told = Told([])
    for number, (task, model, reason) in enumerate(names):
        told.recorded.observe(Batch.of([call(f"c{number}", task=task, model=model, finish_reason=reason)]))
    counted = sum(one.value for one in told.samples() if one.name == "trimtab_calls_total")
    assert counted == len(names)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_two_answers_tell_the_same_series(accept: str) -> None:
    """What is told once is told again, so that no series comes and goes while nothing happens."""
    places = replicas(20)
    told = Told(places)
    told.record(places[::20], OUTCOMES[:1])
    assert told.metrics.scrape(accept) == told.metrics.scrape(accept)


def test_calls_for_a_purpose_of_ours_are_told_together() -> None:
    """Evaluations of 50 tasks are one label value, so that they take no task's series, and none of a user's."""
    recorded = Recorded()
    names = [f"(evaluation) {name}" for name in TASK_NAMES]
    ends = [call(f"c{number}", task=name, verdict="valid") for number, name in enumerate(names)]
    scores = [Score(f"s{number}", 1, "exact", "evaluation", task=name, value=1.0) for number, name in enumerate(names)]
    recorded.observe(Batch.of([*ends, *scores, call("user", task=TASK_NAMES[0])]))
    calls, passed = Counter[str](), Counter[str]()
    for family in recorded.families():
        for sample in family.samples:
            if sample.name == "trimtab_calls_total":
                calls[sample.labels["task"]] += int(sample.value)
            if sample.name == "trimtab_scores_total":
                passed[sample.labels["task"]] += int(sample.value)
            assert not sample.labels.get("task", "").startswith("(evaluation) ")
    assert calls == {"(evaluation)": 50, TASK_NAMES[0]: 1}
    assert passed == {"(evaluation)": 50}
