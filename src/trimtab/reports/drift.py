"""What was found to have drifted in a window: models, and the definitions, shapes and answers of tools."""

from __future__ import annotations

from msgspec import Struct

from trimtab.store.telemetry import Telemetry

KINDS = {
    "model_identity": "model",
    "tool_definition": "tool definition",
    "tool_shape": "tool shape",
    "tool_answer": "tool answer",
}
"""The changes that are detections of drift, and what people call them."""
MOST_READ = 1000
"""Changes of all kinds that are looked at, the latest."""


class Drifted(Struct, frozen=True):
    """One detection: when (ns since 1970), of what, both sides shortly, and the evidence with its error rate."""

    at_ns: int
    kind: str
    subject: str
    before: str
    after: str
    detail: str


def drifted(telemetry: Telemetry, since_ns: int, until_ns: int) -> tuple[Drifted, ...]:
    """The detections in [since, until), newest first; raises `StoreError` when telemetry cannot be read."""
    changes = telemetry.changes(since_ns, until_ns, MOST_READ)
    return tuple(
        Drifted(one.at_ns, one.kind, one.subject, one.before, one.after, one.detail)
        for one in changes
        if one.kind in KINDS
    )
