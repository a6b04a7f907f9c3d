"""What the board tells people: the workers of a host, and its replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trimtab.guard.breaker import State

Enforces = Literal["", "fully", "weakly", "not"]
"""Whether a replica's engine constrains answers to a schema: with every keyword that was tried, some, or none."""


@dataclass(frozen=True)
class WorkerView:
    """One gateway worker; `heartbeat_age_s` is None until its first heartbeat."""

    row: int
    slot: int
    pid: int
    epoch: str
    heartbeat_age_s: float | None
    open_calls: int
    open_connections: int
    draining: bool


@dataclass(frozen=True)
class ReplicaView:
    """One replica of a model, over all workers.

    `failures_in_a_row` counts since the last success, `window_failures` and `window_votes` within the breaker's
    window, `openings` since the board was made. `retry_in_s` is the time until a trial may ask it, None while closed;
    `healthy` what the latest health check said, None if it has not been checked lately. `enforces` is what the latest
    enforcement probe proved of schemas, "" if none has.
    """

    model: str
    url: str
    state: State
    in_flight: int
    outstanding_tokens: int
    failures_in_a_row: int
    window_failures: int
    window_votes: int
    openings: int
    retry_in_s: float | None
    healthy: bool | None
    enforces: Enforces = ""


@dataclass(frozen=True)
class BoardView:
    """The whole board at one moment."""

    workers: tuple[WorkerView, ...]
    replicas: tuple[ReplicaView, ...]
