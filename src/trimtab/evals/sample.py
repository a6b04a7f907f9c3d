"""What one call for a case came to: its answer, and what each scorer made of it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Arm = Literal["base", "candidate"]


class ToolCall(Struct, frozen=True):
    """A tool that the answer asks for; `arguments` as the model wrote them, which need not be JSON."""

    name: str
    arguments: str


class Answer(Struct, frozen=True, omit_defaults=True):
    """An answer as the gateway gave and recorded it.

    `outcome` is `ok` or the code of the error. `verdict` is that of the task's contract (`valid`, `invalid`,
    `truncated`, `refused`; empty where it has none), `tool_outcomes` those of each tool call. `length_tokens` is the
    answer's own length, without what went into repairs. Times are in seconds, `cost_usd` in US dollars over all
    attempts; None is unknown.
    """

    call: str
    outcome: str
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    verdict: str = ""
    tool_outcomes: tuple[str, ...] = ()
    repairs: int = 0
    model: str = ""
    status: int = 0
    detail: str = ""
    input_tokens: int | None = None
    length_tokens: int | None = None
    cost_usd: float | None = None
    ttft_s: float | None = None
    total_s: float | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the answer says something of the task, and is not a failure of what lies around it.

        A contract that was broken, or a limit that was reached, is the task's own; a server that is away is not.
        """
        return self.outcome in {"ok", "output_invalid", "tool_call_invalid"}


class Mark(Struct, frozen=True, omit_defaults=True):
    """What a scorer made of an answer; None, with a reason, where it could not tell.

    `call` is the call of the judge, `cost_usd` what it cost.
    """

    scorer: str
    value: float | None
    why: str = ""
    call: str = ""
    cost_usd: float = 0.0


class Sample(Struct, frozen=True):
    """One answer to one case by one arm: `number` counts from 0, `seed` is what was sent."""

    arm: Arm
    case: str
    number: int
    seed: int
    answer: Answer
    marks: tuple[Mark, ...] = ()
