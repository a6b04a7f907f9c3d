"""How calls ended, and which of these ends tell whether the service did its part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from trimtab.record.events import OK

CALLERS: Final = frozenset(
    {"client_gone", "invalid_request", "unknown_task", "unknown_model", "not_found", "method_not_allowed"}
    | {"request_timeout", "headers_too_large", "payload_too_large", "unauthorized", "forbidden", "lock_drift"}
)
"""Outcomes that are the caller's doing: they count as calls, but not for or against availability."""
DEADLINES: Final = ("deadline_connect", "deadline_first_token", "deadline_gap", "deadline_total")
"""Outcomes of calls of which a clock ran out."""


class Succeeded(NamedTuple):
    """`of` ok calls among the `n` that did not end by the caller's doing."""

    of: int
    n: int


def succeeded(outcomes: Mapping[str, int]) -> Succeeded:
    """The calls that went well of those that could, by how calls ended."""
    return Succeeded(outcomes.get(OK, 0), sum(count for outcome, count in outcomes.items() if outcome not in CALLERS))
