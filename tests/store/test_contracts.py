"""What every telemetry store counts of answers, schemas and tool calls."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, call
from trimtab.record.events import Confidence, Settled, ToolOutcome
from trimtab.store.contract_figures import ContractFigures
from trimtab.store.telemetry import DAY_NS, Batch, CallFilter, Counts, ReportQuery, Telemetry

HOUR = ReportQuery(NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS)
NONE = {"valid_first": 0, "repaired": 0, "rejected": 0, "passed_invalid": 0, "truncated": 0, "refused": 0}


def answer(name: str, at_ns: int = NOON_NS, *, prompt: str = "", schema: str = "s", **fields: Any) -> Settled:
    """A call whose answer had a schema to keep."""
    ended = call(name, at_ns, **fields)
    return replace(ended, admitted=replace(ended.admitted, prompt=prompt, schema=schema))


def put(telemetry: Telemetry, *calls: Settled, token: str = "t") -> None:
    telemetry.insert(Batch.of(calls), token)


def only(telemetry: Telemetry, query: ReportQuery = HOUR) -> ContractFigures:
    (figures,) = telemetry.contracts(query)
    return figures


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"verdict": "valid"}, "valid_first"),
        ({"verdict": "valid", "repairs": 2}, "repaired"),
        ({"verdict": "valid", "outcome": "client_gone"}, "valid_first"),
        ({"verdict": "invalid", "outcome": "output_invalid"}, "rejected"),
        ({"verdict": "invalid", "outcome": "output_invalid", "repairs": 2}, "rejected"),
        ({"verdict": "invalid", "outcome": "deadline_total", "repairs": 1}, "rejected"),
        ({"verdict": "invalid"}, "passed_invalid"),
        ({"verdict": "truncated"}, "truncated"),
        ({"verdict": "refused", "outcome": "ok"}, "refused"),
    ],
)
def test_each_answer_has_one_result(telemetry: Telemetry, fields: dict[str, Any], result: str) -> None:
    """The verdict, the repairs and the end of a call say what became of its answer."""
    put(telemetry, answer("a", **fields))
    figures = only(telemetry)
    assert figures.answers == {**NONE, result: 1}
    assert figures.repairs == fields.get("repairs", 0)


def test_results_add_up_over_minutes(telemetry: Telemetry) -> None:
    """Counts of several minutes and inserts are sums; minutes outside the window are left out."""
    put(telemetry, answer("a", verdict="valid"), answer("b", verdict="valid", repairs=3), token="1")
    put(telemetry, answer("c", NOON_NS + 29 * MINUTE_NS, verdict="valid"), token="2")
    put(telemetry, answer("d", NOON_NS + 30 * MINUTE_NS, verdict="refused"), token="3")
    figures = only(telemetry)
    assert figures.answers == {**NONE, "valid_first": 2, "repaired": 1}
    assert figures.repairs == 3


def test_a_task_without_a_contract_has_no_figures(telemetry: Telemetry) -> None:
    """A call that had no schema, no tool call, no repetition and no seam is counted nowhere."""
    put(telemetry, call("a"), call("b", outcome="upstream_error"), answer("c", outcome="deadline_gap", verdict=""))
    assert telemetry.contracts(HOUR) == ()
    assert telemetry.count() == Counts(calls=3, rolled_up=3)


def test_tool_calls_by_tool_and_outcome(telemetry: Telemetry) -> None:
    """Every attempt's tool calls count; the names that models invented stand under one."""
    put(
        telemetry,
        call("a", tool_outcomes=(ToolOutcome("find", "bad_json", 1), ToolOutcome("find", "valid", 2))),
        call("b", tool_outcomes=(ToolOutcome("find", "valid", 1), ToolOutcome("send", "schema_invalid", 1))),
        call("c", outcome="tool_call_invalid", tool_outcomes=(ToolOutcome("made_up", "unknown_tool", 1),)),
        call("d", tool_outcomes=(ToolOutcome("made_up_too", "unknown_tool", 1),)),
    )
    figures = only(telemetry)
    assert figures.tool_calls == {
        "find": {"valid": 2, "bad_json": 1},
        "send": {"schema_invalid": 1},
        "(unknown)": {"unknown_tool": 2},
    }
    assert figures.answers == NONE


def test_repetition_and_seams(telemetry: Telemetry) -> None:
    """What was stopped is not among what was only flagged; seams are counted beside the answers that have them."""
    put(
        telemetry,
        call("a", repetition="loop"),
        call("b", repetition="collapse"),
        call("c", repetition="loop", repetition_stopped=True),
        call("d", seams=(12,)),
        call("e", seams=(0, 400)),
        call("f"),
    )
    figures = only(telemetry)
    assert (figures.flagged, figures.stopped, figures.resumed, figures.seams) == (2, 1, 2, 3)


def test_by_task_model_and_prompt(telemetry: Telemetry) -> None:
    """Figures stand apart by task, by model and by prompt on request, and may be narrowed to some."""
    tool = (ToolOutcome("find", "valid", 1),)
    put(
        telemetry,
        answer("a", task="route", verdict="valid", prompt="p1"),
        answer("b", task="extract", verdict="valid", prompt="p1", tool_outcomes=tool),
        answer("c", task="extract", verdict="invalid", prompt="p2", model="large"),
        call("d", task="extract", model="large", tool_outcomes=tool),
    )

    def seen(**narrowed: Any) -> list[tuple[str, str, str, int, int]]:
        return [
            (one.task, one.model, one.prompt, sum(one.answers.values()), sum(map(len, one.tool_calls.values())))
            for one in telemetry.contracts(ReportQuery(HOUR.since_ns, HOUR.until_ns, **narrowed))
        ]

    assert seen() == [("extract", "", "", 2, 1), ("route", "", "", 1, 0)]
    assert seen(by_model=True) == [
        ("extract", "large", "", 1, 1),
        ("extract", "small", "", 1, 1),
        ("route", "small", "", 1, 0),
    ]
    assert seen(by_prompt=True, tasks=("extract",)) == [
        ("extract", "", "", 0, 1),
        ("extract", "", "p1", 1, 1),
        ("extract", "", "p2", 1, 0),
    ]
    assert seen(by_model=True, by_prompt=True, model="large") == [
        ("extract", "large", "", 0, 1),
        ("extract", "large", "p2", 1, 0),
    ]
    assert seen(tasks=("it's; DROP TABLE calls",)) == []


def test_sent_again_counts_once(telemetry: Telemetry) -> None:
    """A batch over midnight, sent three times, is in all roll-ups once, and they agree with the calls."""
    midnight = NOON_NS + DAY_NS // 2
    tools = (ToolOutcome("find", "valid", 1), ToolOutcome("find", "bad_json", 1))
    for _ in range(3):
        put(
            telemetry,
            answer("a", midnight - 1, verdict="valid", tool_outcomes=tools),
            answer("b", midnight, verdict="invalid", seams=(1,)),
            call("c", midnight, tool_outcomes=tools),
            call("d", midnight),
        )
    assert telemetry.count() == Counts(
        calls=4, contracts=2, tool_calls=4, rolled_up=4, contracts_rolled_up=2, tool_calls_rolled_up=4
    )


def test_retention_drops_days_of_contracts(telemetry: Telemetry) -> None:
    """With a day's calls go its counts of answers and tool calls."""
    for days in (2, 1, 0):
        at_ns = NOON_NS - days * DAY_NS
        tools = (ToolOutcome("find", "valid", 1),)
        put(telemetry, answer(f"c{days}", at_ns, verdict="valid", tool_outcomes=tools), token=str(days))
    telemetry.retain(NOON_NS - DAY_NS)
    assert telemetry.count() == Counts(
        calls=2, contracts=2, tool_calls=2, rolled_up=2, contracts_rolled_up=2, tool_calls_rolled_up=2
    )
    ever = only(telemetry, ReportQuery(0, HOUR.until_ns))
    assert (ever.answers["valid_first"], ever.tool_calls) == (2, {"find": {"valid": 2}})


def test_absurd_numbers_do_not_stop_the_store(telemetry: Telemetry) -> None:
    """Numbers that no column takes, and confidences that are not finite, leave the row and its neighbours whole."""
    odd = answer(
        "a",
        verdict="valid",
        seams=(2**64, -1),
        tool_outcomes=(ToolOutcome("find", "valid", 2**64),),
        confidence={"": Confidence(float("inf"), 0.0)},
    )
    put(telemetry, odd, answer("b", verdict="valid"))
    assert telemetry.count().calls == 2
    found = telemetry.call("a")
    assert found is not None
    assert found.call.confidence == odd.confidence
    assert only(telemetry).answers == {**NONE, "valid_first": 2}


def test_foreign_text_comes_back(telemetry: Telemetry) -> None:
    """Tool names and pointers are the model's and the client's own words: no quote or letter in them is lost."""
    words = ["", 'it\'s \\ "quoted"', "/näme~1x/0", "日本語\t\n", "a,b;['c']"]
    told = answer(
        "a",
        verdict="invalid",
        failing=tuple(words),
        tool_outcomes=tuple(ToolOutcome(word, "valid", 1) for word in words),
        confidence={
            word: Confidence(0.5, 0.25, margin) for word, margin in zip(words, (None, 0, 1, -1, 0.5), strict=True)
        },
    )
    put(telemetry, told)
    found = telemetry.call("a")
    assert found is not None
    assert found.call == told
    assert telemetry.tail(CallFilter()) == (told,)
    assert set(only(telemetry).tool_calls) == set(words)
