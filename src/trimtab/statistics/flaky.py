"""Cases by what their samples say: flaky, saturated, hard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from trimtab.statistics.clustered import Observation


class CaseKind(Struct, frozen=True):
    """What a case is, with how many of its samples passed and the p-value where it was tested."""

    case: str
    kind: Literal["flaky", "saturated", "hard", ""]
    passed: int
    samples: int
    p_value: float


def kinds(observations: Sequence[Observation], noise: float = 0.01, alpha: float = 0.05) -> list[CaseKind]:
    """The kind of each case, in the order given."""
    raise NotImplementedError
