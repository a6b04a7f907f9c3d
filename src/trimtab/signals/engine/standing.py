"""How one replica stands: as the gateways see it, as it sees itself, and whether it is the model that was locked."""

from __future__ import annotations

from msgspec import Struct

from trimtab.signals.engine.gap import Gap
from trimtab.signals.engine.view import EngineView


class ReplicaStanding(Struct, frozen=True):
    """One replica of a model.

    `breaker` is `closed`, `open` or `half_open`, empty while nobody asked it; `retry_in_s` the time until a trial may
    ask it. `healthy` is None if it was not checked lately. `failures` of the `votes` in the breaker's window failed.
    `enforces` tells what was proved of schemas: `fully`, `weakly`, `not`, or empty. `engine` is None where its own
    metrics are not read, `gap` where they are not or were not long enough. `identity` is `same`, `suspected`,
    `changed`, or `unknown` where it was not tested.
    """

    model: str
    replica: str
    breaker: str = ""
    in_flight: int = 0
    outstanding_tokens: int = 0
    failures: int = 0
    votes: int = 0
    openings: int = 0
    retry_in_s: float | None = None
    healthy: bool | None = None
    enforces: str = ""
    engine: EngineView | None = None
    gap: Gap | None = None
    identity: str = "unknown"
    identity_detail: str = ""
    identity_checked_ns: int = 0
