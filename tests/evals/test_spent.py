"""Cases that tell little any more."""

from __future__ import annotations

from msgspec.structs import replace

from tests.evals.renderings.reports import BLOCKED
from trimtab.evals.report import CaseResult
from trimtab.evals.spent import Spent, spent


def test_what_is_the_same_in_all_is_named() -> None:
    """A case counts as saturated or failing only where it was so in each; flaky in one is enough."""
    first = replace(
        BLOCKED,
        cases=(
            CaseResult("a", "", (), 1.0, 1.0, "saturated"),
            CaseResult("b", "", (), 1.0, 1.0, "saturated"),
            CaseResult("c", "", (), 0.0, 0.0, "failing"),
            CaseResult("d", "", (), 0.4, 0.6, "flaky"),
            CaseResult("new", "", (), 1.0, 1.0, "saturated"),
        ),
    )
    second = replace(
        BLOCKED,
        cases=(
            CaseResult("a", "", (), 1.0, 1.0, "saturated"),
            CaseResult("b", "", (), 1.0, 0.5, ""),
            CaseResult("c", "", (), 0.0, 0.0, "failing"),
            CaseResult("d", "", (), 1.0, 1.0, "saturated"),
        ),
    )
    assert spent([first, second]) == Spent(2, 4, ("a",), ("c",), ("d",))
    assert spent([]) == Spent(0, 0)
