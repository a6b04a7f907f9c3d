"""The shares of answers and tool calls are what their definitions say, and read so on a terminal."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from tests.reports.test_report import WINDOW, calls, report_of
from tests.store.samples import call
from trimtab.record.events import Outcome, Settled, ToolOutcome
from trimtab.reports.contracts import MOST_TOOLS, ContractReport, Share
from trimtab.reports.report import Report
from trimtab.reports.terminal import report_text

NINE_TENTHS = (0.6990, 0.9721)
"""Wilson's 95 % interval of 18 of 20; that of 2 of 20 is its mirror image."""
ONE_TENTH = (0.0279, 0.3010)
NONE_OF_20 = (0.0, 0.1611)


def contract_of(*events: Settled) -> ContractReport:
    (one,) = report_of(*events).tasks
    (contract,) = one.contracts
    return contract


def prompted(prompt: str, name: str, **fields: Any) -> Settled:
    ended = call(name, **fields)
    return replace(ended, admitted=replace(ended.admitted, prompt=prompt))


def tool_calls(name: str, *outcomes: Outcome) -> Settled:
    return call(f"{name}{outcomes}", tool_outcomes=tuple(ToolOutcome(name, outcome, 1) for outcome in outcomes))


def words(report: Report, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(report_text(report))
    return " ".join(out.getvalue().split())


def facts(share: Share) -> tuple[int, int, float]:
    return share.count, share.n, share.share


def test_a_task_without_a_contract_has_none() -> None:
    """Nothing is said of answers and tools where there was nothing to keep."""
    report = report_of(*calls(5))
    assert report.tasks[0].contracts == ()
    for word in ("answers", "tool", "repetition", "resumed", "asked again", "Wilson"):
        assert word not in words(report)


def test_answers_are_shares_of_those_that_had_a_schema_to_keep() -> None:
    """18 valid, 2 after repair; a call without a verdict is not among the 20."""
    contract = contract_of(
        *(call(f"v{number}", verdict="valid") for number in range(18)),
        *(call(f"r{number}", verdict="valid", repairs=number + 1) for number in range(2)),
        call("x", outcome="upstream_error"),
    )
    assert facts(contract.answers["valid_first"]) == (18, 20, 0.9)
    assert facts(contract.answers["repaired"]) == (2, 20, 0.1)
    intervals = {result: (share.low, share.high) for result, share in contract.answers.items()}
    assert intervals["valid_first"] == pytest.approx(NINE_TENTHS, abs=1e-4)
    assert intervals["repaired"] == pytest.approx(ONE_TENTH, abs=1e-4)
    for result in ("rejected", "passed_invalid", "truncated", "refused"):
        assert intervals[result] == pytest.approx(NONE_OF_20, abs=1e-4)
    assert contract.repairs == 3
    assert (contract.tool_calls, contract.tools) == ({}, ())


def test_tool_calls_are_shares_of_all_and_of_each_tools() -> None:
    """20 calls of one tool, 2 of them not valid, beside a tool called once; the one called most stands first."""
    contract = contract_of(
        tool_calls("send", "schema_invalid"),
        *(tool_calls("find", "valid", "valid") for _ in range(9)),
        tool_calls("find", "bad_json", "bad_json"),
        tool_calls("made_up", "unknown_tool"),
    )
    assert [tool.tool for tool in contract.tools] == ["find", "(unknown)", "send"]
    found = contract.tools[0].outcomes
    assert {outcome: facts(share) for outcome, share in found.items()} == {
        "valid": (18, 20, 0.9),
        "bad_json": (2, 20, 0.1),
        "unknown_tool": (0, 20, 0.0),
        "schema_invalid": (0, 20, 0.0),
    }
    assert (found["valid"].low, found["valid"].high) == pytest.approx(NINE_TENTHS, abs=1e-4)
    counts = {outcome: share.count for outcome, share in contract.tool_calls.items()}
    assert counts == {"valid": 18, "bad_json": 2, "unknown_tool": 1, "schema_invalid": 1}
    assert contract.tool_calls["valid"].n == 22
    assert contract.answers == {}


def test_tools_that_are_told_apart_are_bounded() -> None:
    """However many tools clients offer, those called least stand together, and nothing is lost of the whole."""
    often = [tool_calls(f"tool{number:03}", "valid", "valid") for number in range(MOST_TOOLS)]
    rarely = [tool_calls(f"rare{number:03}", "bad_json") for number in range(3)]
    contract = contract_of(*rarely, *often)
    assert len(contract.tools) == MOST_TOOLS + 1
    last = contract.tools[-1]
    assert (last.tool, facts(last.outcomes["bad_json"])) == ("(other)", (3, 3, 1.0))
    assert contract.tool_calls["valid"].n == 2 * MOST_TOOLS + 3


def test_prompts_stand_apart_on_request() -> None:
    """By prompt each has its own shares, in alphabetical order; otherwise they are one."""
    events = [
        prompted("b" * 64, "1", verdict="valid"),
        prompted("a" * 64, "2", verdict="invalid"),
        prompted("a" * 64, "3", verdict="valid"),
        call("4", verdict="valid"),
    ]
    (whole,) = report_of(*events).tasks[0].contracts
    assert facts(whole.answers["valid_first"]) == (3, 4, 0.75)
    apart = report_of(*events, scope=replace(WINDOW, by_prompt=True))
    assert [(one.prompt[:1], facts(one.answers["valid_first"])) for one in apart.tasks[0].contracts] == [
        ("", (1, 1, 1.0)),
        ("a", (1, 2, 0.5)),
        ("b", (1, 1, 1.0)),
    ]
    told = words(apart)
    assert "no declared prompt answers valid first time 100 % (20.7-100), n 1" in told
    assert f"prompt {'a' * 12} answers valid first time 50 % (9.45-90.5), n 2" in told
    assert "no declared prompt" not in words(report_of(*events))


def test_models_stand_apart_on_request() -> None:
    """Each model's section has the shares of its own answers."""
    events = [call("1", verdict="valid"), call("2", verdict="invalid", model="large")]
    report = report_of(*events, scope=replace(WINDOW, by_model=True))
    rates = {one.model: one.contracts[0].answers["valid_first"].share for one in report.tasks}
    assert rates == {"small": 1.0, "large": 0.0}


def test_a_report_says_what_became_of_answers() -> None:
    """Each share stands with its interval and its n, in the words of the field."""
    told = words(
        report_of(
            *(call(f"v{number}", verdict="valid") for number in range(18)),
            call("r", verdict="valid", repairs=2),
            call("j", verdict="invalid", repairs=2, outcome="output_invalid"),
        )
    )
    assert "answers valid first time 90 % (69.9-97.2), n 20" in told
    assert "valid after repair 5 % (0.888-23.6), n 20" in told
    assert "rejected 5 % (0.888-23.6), n 20" in told
    assert "passed invalid 0 % (0-16.1), n 20" in told
    assert "truncated 0 % (0-16.1), n 20" in told
    assert "refused 0 % (0-16.1), n 20" in told
    assert "asked again 4" in told
    assert "Intervals are Wilson's, 95 %." in told


def test_a_report_says_what_became_of_tool_calls() -> None:
    """By tool and outcome; of outcomes that never occurred only `valid` is told."""
    one = words(
        report_of(*(tool_calls("find", "valid", "valid") for _ in range(9)), tool_calls("find", *["bad_json"] * 2))
    )
    assert "tool find valid 90 % (69.9-97.2), n 20 bad_json 10 % (2.79-30.1), n 20" in one
    assert "all tools" not in one
    assert "unknown_tool" not in one
    two = words(report_of(tool_calls("find", "valid"), tool_calls("send", "schema_invalid")))
    assert "all tools valid 50 % (9.45-90.5), n 2 schema_invalid 50 % (9.45-90.5), n 2" in two
    assert "tool send valid 0 % (0-79.3), n 1 schema_invalid 100 % (20.7-100), n 1" in two
    assert "tool (unknown) unknown_tool 100 % (20.7-100), n 1" in words(report_of(tool_calls("go", "unknown_tool")))


def test_a_report_says_what_was_repeated_and_resumed() -> None:
    """Counts, and nothing of answers or tools beside them."""
    told = words(
        report_of(
            call("a", repetition="loop"),
            call("b", repetition="loop", repetition_stopped=True),
            call("c", repetition="collapse", repetition_stopped=True),
            call("d", seams=(5, 9)),
        )
    )
    assert "repetition flagged 1 stopped 2" in told
    assert "resumed 1 (seams 2)" in told
    assert "valid first time" not in told


def test_names_of_tools_are_text() -> None:
    """A tool's name is the client's word: a terminal shows it and does not obey it."""
    out = io.StringIO()
    report = report_of(tool_calls("[bold red]x[/bold red]\x1b[31m\n" + "y" * 5000, "valid"))
    Console(file=out, width=80, highlight=False).print(report_text(report))
    shown = "".join(out.getvalue().split())
    assert r"tool[boldred]x[/boldred]\x1b[31m\nyyy" in shown.replace("valid100%(20.7-100),n1", "")
    assert "\x1b" not in out.getvalue()
    assert "100 % (20.7-100), n 1" in out.getvalue()
    assert out.getvalue().count("y") < 250


def test_json_says_the_same() -> None:
    """The JSON of a report with contracts decodes to the report."""
    report = report_of(call("a", verdict="valid"), tool_calls("find", "valid"), call("b", seams=(1,)))
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
