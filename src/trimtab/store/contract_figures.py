"""How calls are counted by what became of their answers and tool calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from trimtab.record.events import OK, Outcome, Settled, ToolOutcome

AnswerResult = Literal["valid_first", "repaired", "rejected", "passed_invalid", "truncated", "refused"]
"""What became of an answer that had a schema to keep; each has exactly one.

`valid_first` and `repaired` keep it, the latter after the model was asked again; `passed_invalid` breaks it and was
delivered all the same, `rejected` breaks it and was not; `truncated` and `refused` are the verdicts of that name.
"""

ToolResult = Outcome
"""How one tool call stood against the tools it could use."""

ANSWER_RESULTS: tuple[AnswerResult, ...] = get_args(AnswerResult)
TOOL_RESULTS: tuple[ToolResult, ...] = get_args(ToolResult)
UNKNOWN_TOOL = "(unknown)"
"""Where calls of tools that nobody offered are counted, whatever the model called them."""


@dataclass(frozen=True)
class ContractFigures:
    """The counts of one task (and model, prompt and lock, where the query asked for that) over the window.

    `answers` has every result. `tool_calls` are by tool and outcome, those of repaired attempts among them. `repairs`
    is how often models were asked again; `flagged` and `stopped` count answers with degenerate repetition, `resumed`
    answers that another replica went on with, at `seams` places in all.
    """

    task: str
    model: str = ""
    prompt: str = ""
    lock: str = ""
    answers: dict[AnswerResult, int] = field(default_factory=dict)
    repairs: int = 0
    tool_calls: dict[str, dict[ToolResult, int]] = field(default_factory=dict)
    flagged: int = 0
    stopped: int = 0
    resumed: int = 0
    seams: int = 0


def result_of(call: Settled) -> AnswerResult | None:
    """What became of a call's answer; None where it had no schema to keep or never came."""
    match call.verdict:
        case "":
            return None
        case "valid":
            return "repaired" if call.repairs else "valid_first"
        case "invalid":
            return "passed_invalid" if call.outcome == OK else "rejected"
        case _:
            return call.verdict


def tool_of(outcome: ToolOutcome) -> str:
    """The tool a tool call is counted under."""
    return UNKNOWN_TOOL if outcome.outcome == "unknown_tool" else outcome.tool


def is_counted(call: Settled) -> bool:
    """Whether a call has anything of this but tool calls, which are counted one by one."""
    return bool(call.verdict or call.repetition or call.seams or call.repairs)
