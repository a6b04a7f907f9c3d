"""What background calls need besides what every call does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from trimtab.declare.background import Background


@dataclass(frozen=True)
class BackgroundParts:
    """`settings` are declared, `receivers` the names of those that may be told that a call is over."""

    settings: Background = field(default_factory=Background)
    receivers: Callable[[], Collection[str]] = tuple
