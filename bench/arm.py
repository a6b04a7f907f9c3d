"""An arm: one way from the load client to the upstream, with the processes that make it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

STUB_MODEL = "gpt-4o-mini"


@dataclass(frozen=True)
class Target:
    """Where requests of an arm go, and what they must carry."""

    port: int
    model: str = STUB_MODEL
    key: str = ""
    path: str = "/v1/chat/completions"
    headers: tuple[str, ...] = ()


def nobody() -> list[int]:
    """No processes."""
    return []


def nothing_left() -> None:
    """No work is left behind by this arm."""


@dataclass(frozen=True)
class Arm:
    """A running way to the upstream.

    `serving` lists the processes whose CPU is the cost of a call, `aside` those that work on records off the path,
    and `settle` waits until what a measurement left behind has been worked off.
    """

    name: str
    target: Target
    serving: Callable[[], Collection[int]] = nobody
    aside: Callable[[], Collection[int]] = nobody
    settle: Callable[[], None] = nothing_left


def direct(upstream_port: int) -> Arm:
    """No proxy at all."""
    return Arm("direct", Target(upstream_port))
