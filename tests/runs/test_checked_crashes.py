"""Checks of a driver that loses its journal anywhere: what was found stays found, and nobody is asked it again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runs.checked_agents import ANSWERS, DECLARED, SHAPES
from tests.runs.test_crashes import RUN, call, one_result_each, steps
from trimtab.errors import JournalUnavailable
from trimtab.journal.entries import Checked, Intent, Result
from trimtab.testing import LocalRuns

Found = list[tuple[str, str, bool, str]]


def verdicts(runs: LocalRuns) -> Found:
    """Each verdict with the label of its step, in an order that does not depend on timing."""
    log = runs.log(RUN)
    found = [one for one in log if isinstance(one, Checked)]
    labels = {seq: one.label for seq, one in enumerate(log, 1) if isinstance(one, Intent)}
    return sorted((labels[one.of], one.check, one.passed, one.action) for one in found)


def open_calls(runs: LocalRuns) -> int:
    """Models' steps that have no result."""
    if RUN not in runs.runs():
        return 0
    log = runs.log(RUN)
    done = {one.of for one in log if isinstance(one, Result)}
    return sum(isinstance(one, Intent) and one.step == "model" and seq not in done for seq, one in enumerate(log, 1))


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_driver_may_die_at_any_boundary_of_checks(shape: str, answered: bool) -> None:
    """Wherever it dies, each verdict is there once, and no judge, sample or repair with an answer is asked again."""
    function, arguments = SHAPES[shape]
    with LocalRuns(ANSWERS, checks=DECLARED) as runs:
        expected, expected_steps = call(function, arguments, runs), steps(runs)
        expected_verdicts, asked = verdicts(runs), len(runs.models.asked)
    cut, done = 0, False
    while not done:
        with LocalRuns(ANSWERS, checks=DECLARED) as runs:
            runs.lose(cut, answered=answered)
            may_ask = asked
            try:
                outcome: Any = call(function, arguments, runs)
                done = True
            except JournalUnavailable:
                may_ask += open_calls(runs)
                runs.again()
                outcome = call(function, arguments, runs)
            assert outcome == expected, f"after {cut} asks"
            assert steps(runs) == expected_steps, f"after {cut} asks"
            assert verdicts(runs) == expected_verdicts, f"after {cut} asks"
            assert len(runs.models.asked) <= may_ask, f"after {cut} asks"
            assert one_result_each(runs)
        cut += 1
    assert cut > 10
