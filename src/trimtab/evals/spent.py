"""Cases that tell little any more: saturated, failing or flaky in one evaluation after another."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from trimtab.evals.report import Report

STEADY = ("saturated", "failing")


class Spent(Struct, frozen=True):
    """The cases that were asked in each of the last `evaluations`, and in all of them always right or always wrong; and
    those that were flaky in any. `asked` counts cases that were in each.
    """

    evaluations: int
    asked: int
    saturated: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()


def spent(reports: Sequence[Report]) -> Spent:
    """What the latest reports of one task say of its cases."""
    if not reports:
        return Spent(0, 0)
    states = [{one.case: one.state for one in report.cases} for report in reports]
    common = [case for case in states[0] if all(case in one for one in states)]
    steady = [tuple(case for case in common if all(one[case] == state for one in states)) for state in STEADY]
    flaky = tuple(sorted({case for one in states for case, state in one.items() if state == "flaky"}))
    return Spent(len(reports), len(common), steady[0], steady[1], flaky)
