"""The signals that a rule on alerts may name, and which comparisons suit each.

`tests/signals` holds the list to what the signals are: a declaration is read without knowing how they are made.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Form = Literal["ratio", "spread", "shares", "amount", "fields", "event"]
"""ratio: how many of how many; spread: a distribution of numbers; shares: one of categories; amount: a mean for each
call or second; fields: what was read of bodies, by field; event: something that is so or is not."""
Unit = Literal["share", "s", "tokens", "bytes", "USD", "calls/s", "attempts", ""]


class Known(NamedTuple):
    """What a signal is made of and counted in; `objective` names what a task's objectives call it, if they do."""

    form: Form
    unit: Unit = ""
    objective: str = ""


COMPARISONS: Final[dict[Form, tuple[str, ...]]] = {
    "ratio": ("below", "above", "change"),
    "spread": ("below", "above", "change", "drift"),
    "shares": ("drift",),
    "amount": ("below", "above", "change"),
    "fields": ("drift",),
    "event": (),
}
"""The comparisons of each form, as they are written; `burn` suits those that objectives speak of."""
SHARE: Final = Known("ratio", "share")
SIGNALS: Final[dict[str, Known]] = {
    "parse_rate": SHARE,
    "parse_rate_after_repair": SHARE,
    "repair_share": SHARE,
    "tool_validity": SHARE,
    "tool_outcomes": Known("shares"),
    "tool_error_rate": SHARE,
    "tools_chosen": Known("shares"),
    "completion": SHARE,
    "accuracy": SHARE,
    "label_lag": Known("spread", "s"),
    "feedback": SHARE,
    "output_length": Known("spread", "tokens"),
    "cut_share": SHARE,
    "refusal_rate": SHARE,
    "repetition_share": SHARE,
    "finish_reasons": Known("shares"),
    "predictions": Known("fields"),
    "confidence": Known("fields"),
    "inputs": Known("fields"),
    "input_length": Known("spread", "tokens"),
    "request_size": Known("spread", "bytes"),
    "request_rate": Known("amount", "calls/s"),
    "availability": Known("ratio", "share", "success"),
    "error_rate": SHARE,
    "outcomes": Known("shares"),
    "cancelled_share": SHARE,
    "deadline_share": SHARE,
    "deadline_connect_share": SHARE,
    "deadline_first_token_share": SHARE,
    "deadline_gap_share": SHARE,
    "deadline_total_share": SHARE,
    "ttft": Known("spread", "s", "ttft"),
    "tpot": Known("spread", "s", "tpot"),
    "longest_gap": Known("spread", "s", "gap"),
    "total": Known("spread", "s", "total"),
    "retry_share": SHARE,
    "fallback_share": SHARE,
    "amplification": Known("amount", "attempts"),
    "cost_per_call": Known("amount", "USD"),
    "cache_hit_share": SHARE,
    "dead_letters": SHARE,
    "records_silent": Known("event"),
    "replica_down": Known("event"),
    "replica_restarted": Known("event"),
    "model_changed": Known("event"),
    "tool_changed": Known("event"),
    "evaluation": Known("event"),
}
