"""What Prometheus is told is what was recorded, under OpenTelemetry's names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.control.conftest import BOARD, snapshot
from tests.store.samples import attempt, call
from trimtab.declare.project import Goal, Objective
from trimtab.journal.dead_letters import Tally
from trimtab.journal.frames import Healthy
from trimtab.lock.identity import Standing
from trimtab.processes.catalogue import (
    CATALOGUE,
    DEAD_LETTERS,
    DURATION_BUCKETS_S,
    REQUEST_DURATION,
    TOKEN_BUCKETS,
    TOOL_CALLS,
    TPOT_BUCKETS_S,
    TTFT_BUCKETS_S,
)
from trimtab.processes.identity import Figures, ReplicaIdentity
from trimtab.processes.keeper_watch import KeeperView
from trimtab.processes.metrics import Host, Metrics, Watched
from trimtab.processes.recorded import Recorded
from trimtab.processes.roster import Member
from trimtab.processes.series import OTHER
from trimtab.processes.tool_shapes import Drifting
from trimtab.record.events import Attempt, Score, Settled, ToolOutcome, ToolResult, Usage
from trimtab.signals.engine.view import EngineView
from trimtab.store.engine_samples import EngineSeries
from trimtab.store.ingest import Lag
from trimtab.store.telemetry import Batch

DISTRIBUTIONS = {"histogram", "summary"}
DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


TASKS = snapshot(Objective((Goal("ttft", 0.95, 0.8), Goal("total", 0.999, 20.0)))).tasks
SERIES: tuple[EngineSeries, ...] = get_args(EngineSeries)
VIEW = EngineView(
    "small",
    "http://a",
    "vllm",
    at_ns=1_500_000_000,
    values={series: float(number) for number, series in enumerate(SERIES, 1)},
    failures=3,
    restarts=1,
)


CREW = (
    Member("gateway", 0, 12, "g0-0123456789ab", 900.0, 2, "ready"),
    Member("gateway", 0, 11, "g0-0123456789aa", 600.0, 1, "draining"),
    Member("control", 0, 10, "c0-0123456789ab", 500.0, 0, "ready"),
)


class Scraped:
    """Metrics as Prometheus reads them."""

    def __init__(self) -> None:
        self.recorded = Recorded(lambda: TASKS)
        self.dead = [Tally("call", "route", "upstream_error", 3), Tally("records", "", "unreadable", 1)]
        self.drifting = [Drifting("find", "tool_shape", "major", path, "", 0) for path in ("$.a", "$.b")]
        tested = (
            ReplicaIdentity("small", "http://a", Standing("same", checked_ns=1_500_000_000)),
            ReplicaIdentity("small", "http://b", Standing("changed", 2, checked_ns=2_000_000_000)),
            ReplicaIdentity("small", "http://c", trouble="it is down"),
        )
        self.identity = Figures(tested, ((("small", "http://b"), "hit", 2), (("small", "http://c"), "untested", 7)))
        self.engines = [VIEW]
        said = Healthy(0, 2, 3, 100, 7, 40, 0.125, 0.01, unavailable=2, expired=5)
        self.keeper: KeeperView | None = KeeperView(True, 1, "", said)
        self.watched = Watched({("open", "page"): 2}, {("route", "ttft_p95"): 0.75}, 61.5)
        self.metrics = Metrics(
            self.recorded,
            Host(
                board=lambda: BOARD,
                lag=lambda: (Lag(700, 2.5, 3, 1), True),
                dead=lambda: self.dead,
                identity=lambda: self.identity,
                drifting=lambda: self.drifting,
                engines=lambda: self.engines,
                watched=lambda: self.watched,
                processes=lambda: CREW,
                keeper=lambda: self.keeper,
            ),
        )

    def observe(self, *events: Settled | Attempt) -> None:
        self.recorded.observe(Batch.of(events))

    def samples(self) -> list[Sample]:
        text, _ = self.metrics.scrape("text/plain")
        return [sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The one sample of that name with at least these labels."""
        found = [
            sample.value for sample in self.samples() if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) == 1, f"{name} {labels}: {found}"
        return found[0]

    def has(self, name: str) -> bool:
        return any(sample.name == name for sample in self.samples())


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_buckets_are_the_conventions_own() -> None:
    """The bounds of OpenTelemetry's semantic conventions 1.41, written out."""
    assert (
        *(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
    ) == TOKEN_BUCKETS
    assert (
        pytest.approx((0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92))
        == DURATION_BUCKETS_S
    )
    assert TPOT_BUCKETS_S == (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
    assert (
        *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    ) == TTFT_BUCKETS_S


def test_a_call_is_counted_in_every_metric_it_has(scraped: Scraped) -> None:
    """Durations, tokens and money of one streamed call land where they belong."""
    usage = Usage(input=90, cache_read=10, output=7, reasoning=2)
    scraped.observe(
        attempt("a", replica="http://10.0.0.1:8000", duration_s=0.7),
        call(
            "a", total_s=0.8, ttft_s=0.05, tpot_s=0.02, usage=usage, cost=("exact", 2_500_000_000), upstream_model="Q"
        ),
    )
    chat = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai"}
    asked = chat | {"gen_ai_request_model": "small", "gen_ai_response_model": "Q"}
    assert scraped.value("gen_ai_client_token_usage_sum", **asked, gen_ai_token_type="input") == 100
    assert scraped.value("gen_ai_client_token_usage_sum", **asked, gen_ai_token_type="output") == 7
    assert scraped.value("gen_ai_server_request_duration_seconds_sum", **asked, error_type="") == 0.8
    assert scraped.value("gen_ai_server_time_to_first_token_seconds_sum", **asked) == 0.05
    assert scraped.value("gen_ai_server_time_to_first_token_seconds_bucket", **asked, le="0.04") == 0
    assert scraped.value("gen_ai_server_time_to_first_token_seconds_bucket", **asked, le="0.06") == 1
    assert scraped.value("gen_ai_server_time_per_output_token_seconds_count", **asked) == 1
    assert scraped.value("gen_ai_client_operation_duration_seconds_sum", **asked) == 0.7
    mine = {"task": "route"}
    assert scraped.value("trimtab_calls_total", **mine, outcome="ok") == 1
    assert scraped.value("trimtab_call_seconds_sum", **mine) == 0.8
    assert scraped.value("trimtab_ttft_seconds_bucket", **mine, le="0.1") == 1
    assert scraped.value("trimtab_tpot_seconds_bucket", **mine, le="0.025") == 1
    assert scraped.value("trimtab_output_tokens_sum", **mine) == 7
    assert scraped.value("trimtab_cost_usd_total", **mine, label="exact") == 0.0025
    assert scraped.value("trimtab_tokens_total", **mine, **{"class": "cache_read"}) == 10
    assert scraped.value("trimtab_attempts_total", model="small", replica="http://10.0.0.1:8000", cause="ok") == 1
    assert scraped.value("trimtab_ingested_rows_total", table="calls") == 1


def test_what_a_call_has_not_is_not_counted(scraped: Scraped) -> None:
    """No first token, no usage, no price: nothing is taken for zero."""
    scraped.observe(call("a", usage=None, cost=("unknown", None), outcome="deadline_connect", total_s=1.0))
    for absent in ("time_to_first_token_seconds", "time_per_output_token_seconds"):
        assert not scraped.has(f"gen_ai_server_{absent}_count")
    assert not scraped.has("gen_ai_client_token_usage_count")
    assert not scraped.has("trimtab_cost_usd_total")
    assert scraped.value("gen_ai_server_request_duration_seconds_count", error_type="_OTHER") == 1


def test_an_attempt_waits_for_its_call(scraped: Scraped) -> None:
    """A failed try stored in an earlier batch gets the operation and task of the call it belonged to."""
    scraped.observe(attempt("a", 1, cause="upstream_error", duration_s=0.1))
    assert not scraped.has("gen_ai_client_operation_duration_seconds_count")
    embedding = call("a", task="find")
    embedding = msgspec.structs.replace(
        embedding, admitted=msgspec.structs.replace(embedding.admitted, surface="embeddings")
    )
    scraped.observe(attempt("a", 2, duration_s=0.2), embedding)
    found = {"gen_ai_operation_name": "embeddings"}
    name = "gen_ai_client_operation_duration_seconds_sum"
    assert scraped.value(name, **found, error_type="_OTHER") == 0.1
    assert scraped.value(name, **found, error_type="") == 0.2


def test_what_became_of_answers(scraped: Scraped) -> None:
    """Each answer with a schema counts once, each tool call by itself; a call without either counts in neither."""
    scraped.observe(
        call("a", verdict="valid"),
        call("b", verdict="valid", repairs=2),
        call("c", verdict="invalid", repairs=1, outcome="output_invalid"),
        call("d", verdict="invalid"),
        call("e", verdict="truncated", repetition="loop", repetition_stopped=True),
        call("f", verdict="refused", seams=(1, 2)),
        call("g", repetition="collapse", tool_outcomes=(ToolOutcome("find", "valid", 1),) * 2),
        call("h", tool_outcomes=(ToolOutcome("find", "bad_json", 1), ToolOutcome("made_up", "unknown_tool", 1))),
    )
    of = {"task": "route"}
    results = ("valid_first", "repaired", "rejected", "passed_invalid", "truncated", "refused")
    counts = {result: scraped.value("trimtab_contract_answers_total", **of, result=result) for result in results}
    assert counts == dict.fromkeys(results, 1)
    assert scraped.value("trimtab_repairs_total", **of) == 3
    assert scraped.value("trimtab_tool_calls_total", **of, tool="find", outcome="valid") == 2
    assert scraped.value("trimtab_tool_calls_total", **of, tool="find", outcome="bad_json") == 1
    assert scraped.value("trimtab_tool_calls_total", **of, tool="(unknown)", outcome="unknown_tool") == 1
    assert scraped.value("trimtab_repetition_total", **of, kind="loop", action="stopped") == 1
    assert scraped.value("trimtab_repetition_total", **of, kind="collapse", action="flagged") == 1
    assert scraped.value("trimtab_resumed_total", **of) == 1


def test_tools_are_bounded(scraped: Scraped) -> None:
    """A client that offers ever new tools fills two thirds of the room; what follows counts as others of its task."""
    tools = [ToolOutcome(f"tool-{number}", "valid", 1) for number in range(TOOL_CALLS.most)]
    scraped.observe(call("a", tool_outcomes=tuple(tools)), call("b", task="find", tool_outcomes=tuple(tools[:1])))
    told = TOOL_CALLS.detailed
    assert scraped.value("trimtab_tool_calls_total", task="route", tool=OTHER, outcome="valid") == len(tools) - told
    assert scraped.value("trimtab_tool_calls_total", task="find", tool=OTHER, outcome="valid") == 1
    assert len([one for one in scraped.samples() if one.name == "trimtab_tool_calls_total"]) == told + 2


@pytest.mark.parametrize("surface", ["chat_completions", "responses", "messages"])
def test_every_wire_of_a_chat_is_a_chat(scraped: Scraped, surface: str) -> None:
    """The conventions know one operation for a conversation, whichever route it came by."""
    ended = call("a", total_s=1.0)
    scraped.observe(msgspec.structs.replace(ended, admitted=msgspec.structs.replace(ended.admitted, surface=surface)))
    assert scraped.value("gen_ai_server_request_duration_seconds_count", gen_ai_operation_name="chat") == 1


def test_models_are_bounded(scraped: Scraped) -> None:
    """A client that asks for ever new models fills no more than the bound, and none of its calls is lost."""
    scraped.observe(*(call(f"c{number}", model=f"model-{number}", total_s=1.0) for number in range(100)))
    name = "gen_ai_server_request_duration_seconds_count"
    counts = {one.labels["gen_ai_request_model"]: one.value for one in scraped.samples() if one.name == name}
    told = REQUEST_DURATION.detailed
    assert counts == {**{f"model-{number}": 1 for number in range(told)}, OTHER: 100 - told}
    assert scraped.value("trimtab_calls_total", task="route", outcome="ok") == 100


def test_errors_become_others_before_what_they_are_held_against_does(scraped: Scraped) -> None:
    """However many ways calls end in, those of every task that ended well are told."""
    for number in range(50):
        task = f"task-{number}"
        scraped.observe(*(call(f"{task}-{one}", task=task, outcome=f"error-{one}") for one in range(10)))
        scraped.observe(call(task, task=task))
    assert scraped.value("trimtab_calls_total", task="task-49", outcome="ok") == 1
    assert scraped.value("trimtab_calls_total", task="task-49", outcome=OTHER) == 10


def test_a_long_or_broken_name_is_told_all_the_same(scraped: Scraped) -> None:
    """It is cut, and what UTF-8 does not have becomes a question mark."""
    scraped.observe(call("a", total_s=1.0, model="m" * 5000), call("b", total_s=1.0, model="\ud800"))
    name = "gen_ai_server_request_duration_seconds_count"
    models = [one.labels["gen_ai_request_model"] for one in scraped.samples() if one.name == name]
    assert models == ["m" * 99 + "…", "?"]


def test_goals_that_were_missed(scraped: Scraped) -> None:
    """A call counts against each goal that it took longer than, a time that it does not have against none."""
    scraped.observe(
        call("a", ttft_s=0.8, total_s=20.0),
        call("b", ttft_s=0.81, total_s=21.0),
        call("c", total_s=30.0),
        call("d", total_s=30.0, outcome="upstream_error"),
        call("e", ttft_s=9.0, task="find"),
    )
    name = "trimtab_objective_missed_total"
    assert scraped.value(name, task="route", goal="ttft_p95") == 1
    assert scraped.value(name, task="route", goal="total_p999") == 2
    assert not any(one.labels["task"] == "find" for one in scraped.samples() if one.name == name)


def test_what_shares_are_made_of_begins_at_zero(scraped: Scraped) -> None:
    """With the first of its kind each result, goal and verdict is told, so that Prometheus sees the next ones grow."""
    scraped.observe(
        call("a", verdict="valid", ttft_s=0.1, total_s=1.0, tool_results=(ToolResult("find", "", 2),)),
    )
    scraped.recorded.observe(Batch.of([Score("a", 1, "completion", "rule", task="route", value=1.0)]))
    assert scraped.value("trimtab_contract_answers_total", task="route", result="rejected") == 0
    assert scraped.value("trimtab_tool_results_total", task="route", tool="find", result="error") == 0
    assert scraped.value("trimtab_objective_missed_total", task="route", goal="ttft_p95") == 0
    assert scraped.value("trimtab_scores_total", task="route", score="completion", result="failed") == 0


def test_retries_fallbacks_and_ends_of_answers(scraped: Scraped) -> None:
    """Each is counted once for a call, whatever the number of attempts."""
    scraped.observe(
        msgspec.structs.replace(call("a", finish_reason="length"), attempts=3, first_model="large"),
        call("b", finish_reason="stop"),
        call("c"),
    )
    assert scraped.value("trimtab_retried_calls_total", task="route") == 1
    assert scraped.value("trimtab_fallback_calls_total", task="route") == 1
    assert scraped.value("trimtab_finish_reasons_total", task="route", reason="length") == 1
    assert scraped.value("trimtab_finish_reasons_total", task="route", reason="stop") == 1


def test_scores_pass_from_a_half_on(scraped: Scraped) -> None:
    """One without a value counts in neither."""
    values = {"a": 0.5, "b": 0.49, "c": None}
    scores = [Score(name, 1, "completion", "rule", task="route", value=value) for name, value in values.items()]
    scraped.recorded.observe(Batch.of(scores))
    name = "trimtab_scores_total"
    assert scraped.value(name, task="route", score="completion", result="passed") == 1
    assert scraped.value(name, task="route", score="completion", result="failed") == 1
    assert scraped.value("trimtab_ingested_rows_total", table="scores") == 3


def test_alerts_and_budgets_stand_as_they_are(scraped: Scraped) -> None:
    """How many alerts by state and severity, how far behind they are, and what is left of each budget."""
    assert scraped.value("trimtab_alerts_behind_seconds") == 61.5
    assert scraped.value("trimtab_alerts", state="open", severity="page") == 2
    assert scraped.value("trimtab_error_budget_left", task="route", goal="ttft_p95") == 0.75


def test_what_replicas_say_is_told_again(scraped: Scraped) -> None:
    """Under our names; what an engine does not have is absent, and not 0."""
    replica = {"model": "small", "replica": "http://a"}
    assert scraped.value("trimtab_engine_queue_depth", **replica) == 1
    assert scraped.value("trimtab_engine_ttft_seconds_sum", **replica) == VIEW.values["ttft_seconds_sum"]
    assert scraped.value("trimtab_engine_ttft_seconds_count", **replica) == VIEW.values["ttft_seconds_count"]
    assert scraped.value("trimtab_engine_scraped", **replica) == 1
    assert scraped.value("trimtab_engine_scrape_failures_total", **replica) == 3
    assert scraped.value("trimtab_engine_restarts_total", **replica) == 1
    scraped.engines = [EngineView("small", "http://a", values={"running": 0.0}, trouble="it is down")]
    assert scraped.value("trimtab_engine_scraped", **replica) == 0
    assert scraped.value("trimtab_engine_running", **replica) == 0
    assert not scraped.has("trimtab_engine_queue_depth")
    assert not scraped.has("trimtab_engine_ttft_seconds_sum")


def test_gauges_are_read_from_board_and_lag(scraped: Scraped) -> None:
    """Breakers, work in flight and lag are what they are at this moment; a slot counts all its workers."""
    replica = {"model": "small", "replica": "http://127.0.0.1:9"}
    assert scraped.value("trimtab_calls_in_flight", **replica) == 4
    assert scraped.value("trimtab_outstanding_tokens", **replica) == 900
    states = [one.labels["state"] for one in scraped.samples() if one.name == "trimtab_breaker_state"]
    assert states == ["open"]
    assert scraped.value("trimtab_breaker_openings_total", **replica) == 2
    assert scraped.value("trimtab_replica_healthy", **replica) == 0
    assert scraped.value("trimtab_worker_open_calls", slot="0") == 4
    assert scraped.value("trimtab_worker_open_connections", slot="0") == 7


def test_processes_of_ours_tell_when_they_began(scraped: Scraped) -> None:
    """Of a worker that is replaced its successor tells, though both are there for a while."""
    assert scraped.value("trimtab_process_start_time_seconds", process="gateway", slot="0") == 900.0
    assert scraped.value("trimtab_process_restarts_total", process="gateway", slot="0") == 2
    assert scraped.value("trimtab_process_start_time_seconds", process="control", slot="0") == 500.0
    assert scraped.value("trimtab_process_restarts_total", process="control", slot="0") == 0
    assert scraped.value("trimtab_spool_lag_bytes") == 700
    assert scraped.value("trimtab_spool_lag_seconds") == 2.5
    assert scraped.value("trimtab_spool_segments_set_aside") == 1
    assert scraped.value("trimtab_telemetry_up") == 1


def test_openmetrics_is_spoken_too(scraped: Scraped) -> None:
    """A scraper that accepts OpenMetrics gets it, with its end marker."""
    text, content_type = scraped.metrics.scrape("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_dead_letters_are_told_by_task_and_cause(scraped: Scraped) -> None:
    """As they stand, with no end of tasks: those past the bound are told together."""
    name = "trimtab_dead_letters"
    assert scraped.value(name, task="route", cause="upstream_error") == 3
    assert scraped.value(name, task="", cause="unreadable") == 1
    scraped.dead = [Tally("call", f"task-{number}", "internal", 2) for number in range(250)]
    assert scraped.value(name, task="(other)", cause="internal") == 2 * (250 - DEAD_LETTERS.detailed)
    scraped.dead = []
    assert not scraped.has(name)


def test_the_journal_of_runs(scraped: Scraped) -> None:
    """What keeper said of itself; where it is gone, what it said last; and nothing where there is none."""
    results = [scraped.value("trimtab_journal_asks_total", result=one) for one in ("done", "refused", "unavailable")]
    assert results == [93, 5, 2]
    assert scraped.value("trimtab_journal_commit_seconds_count") == 40
    assert scraped.value("trimtab_journal_commit_seconds_sum") == 0.125
    assert (scraped.value("trimtab_journal_waiting"), scraped.value("trimtab_runs_expired_total")) == (3, 5)
    assert scraped.value("trimtab_keeper_up") == 1
    scraped.keeper = KeeperView(False, 2, "gone", scraped.keeper.health if scraped.keeper else None)
    assert scraped.value("trimtab_keeper_up") == 0
    assert scraped.value("trimtab_journal_commit_seconds_count") == 40
    scraped.keeper = None
    assert not scraped.has("trimtab_keeper_up")


def test_what_is_exposed_is_the_catalogue(scraped: Scraped) -> None:
    """Every metric with its labels is in the catalogue, and everything in the catalogue is exposed."""
    kept = {"verdict": "valid", "repairs": 1, "repetition": "loop", "seams": (1,)}
    kept |= {"finish_reason": "stop", "first_model": "large", "ttft_s": 1.0, "total_s": 1.0, "tpot_s": 0.1}
    kept |= {"longest_gap_s": 0.1}
    kept |= {"tool_outcomes": (ToolOutcome("find", "valid", 1),), "tool_results": (ToolResult("find", "[]", 2),)}
    scraped.observe(attempt("a"), msgspec.structs.replace(call("a", **kept), attempts=2))
    scraped.recorded.observe(Batch.of([Score("a", 1, "feedback", "feedback", task="route", value=1.0)]))
    text, _ = scraped.metrics.scrape("text/plain")
    exposed = {
        (re.sub(r"_(bucket|sum|count)$", "", sample.name) if family.type in DISTRIBUTIONS else sample.name)
        + str(sorted(set(sample.labels) - {"le"}))
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    assert exposed == {of.name + str(sorted(of.labels)) for of in CATALOGUE}


def test_the_documentation_lists_every_metric_and_no_other() -> None:
    """docs/metrics.md has a row for each metric, with its kind and labels."""
    rows = re.findall(r"^\| `((?:gen_ai|trimtab)_\w+)` \| (\w+)[^|]*\| ([^|]*)\|", DOCS.read_text(), re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    shared = {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model"}
    assert documented == {of.name: (of.kind, set(of.labels) - shared) for of in CATALOGUE}
    for label in shared:
        assert f"`{label}`" in DOCS.read_text()


def test_tools_answers_and_their_drift(scraped: Scraped) -> None:
    """Answers are counted by tool, errors apart; a tool drifts in so many places until it does not."""
    results = (ToolResult("find", "[]", 2), ToolResult("find", "text", 9, True), ToolResult("", "text", 1))
    scraped.observe(call("a", tool_results=results))
    assert scraped.value("trimtab_tool_results_total", task="route", tool="find", result="ok") == 1
    assert scraped.value("trimtab_tool_results_total", task="route", tool="find", result="error") == 1
    assert scraped.value("trimtab_tool_results_total", tool="(unknown)", result="ok") == 1
    assert scraped.value("trimtab_tool_drift", tool="find", kind="tool_shape", **{"class": "major"}) == 2
    scraped.drifting.clear()
    assert not scraped.has("trimtab_tool_drift")


def test_what_replicas_serve_is_told(scraped: Scraped) -> None:
    """1 while a replica answers as locked and 0 after an alarm; one that was never tested has no such sample."""
    same, tests = "trimtab_model_identity_same", "trimtab_model_identity_tests_total"
    assert scraped.value(same, replica="http://a") == 1
    assert scraped.value(same, replica="http://b") == 0
    assert not any(sample.name == same and sample.labels["replica"] == "http://c" for sample in scraped.samples())
    assert scraped.value("trimtab_model_identity_tested_timestamp_seconds", replica="http://a") == 1.5
    assert scraped.value(tests, model="small", replica="http://b", result="hit") == 2
    assert scraped.value(tests, replica="http://c", result="untested") == 7
