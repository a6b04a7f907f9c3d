"""What an evaluation may cost, what it will probably cost, and what it can see: told before it spends anything."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.assemble.evaluation_plan import Prepared
from trimtab.assemble.evaluation_side import Side
from trimtab.clock import Clock
from trimtab.cost import meter
from trimtab.declare.rendering import render
from trimtab.evals.case import Case
from trimtab.evals.cases import body
from trimtab.evals.dispatch import Bound
from trimtab.evals.foreseeing import Foresight, foresee, tells
from trimtab.evals.observing import AMOUNTS
from trimtab.evals.plan import Cell
from trimtab.evals.report import Report
from trimtab.evals.sample import Arm
from trimtab.evals.scorers.judging import question_of

PUSD_A_USD: Final = 1e12
MESSAGE_BYTES: Final = 64
"""Around a message: its role, and what the template puts between."""
JUDGED_TOKENS: Final = 1024
"""What a judge may write where nothing says otherwise."""
QUESTION_BYTES: Final = 4096
"""Around what a judge is shown: its instruction, and the names of the parts."""
BYTES_A_TOKEN: Final = 4
USUAL_OUTPUT: Final = 0.4
"""The part of a limit on output that answers use, where no earlier evaluation tells."""


class Forecast(Struct, frozen=True):
    """What can be said before the first call.

    `expected_usd` and `most_usd` are None where a model has no price or nothing bounds an answer. `sees` is what it
    will be able to tell; None where there is nothing to compare, or the first scorer marks amounts.
    """

    calls: int
    judge_calls: int
    expected_usd: float | None
    most_usd: float | None
    sees: Foresight | None


def forecast(prepared: Prepared, earlier: Iterable[Report], clock: Clock) -> Forecast:
    """What an evaluation will take; `earlier` are reports of the same task, the latest first."""
    plan = prepared.plan
    reports = list(earlier)
    bound = bound_of(prepared, clock)
    bounds = [bound(Cell(arm, case, 0, 0)) for case in plan.order for arm in plan.names]
    judged = sum(bool(one.model) for one in plan.suite.scorers) * plan.calls
    sees = None
    if prepared.base is not None and plan.suite.scorers and plan.suite.scorers[0].kind not in AMOUNTS:
        sees = foresee(plan.suite, len(plan.order), telling(reports), early=plan.early)
    return Forecast(
        calls=plan.calls,
        judge_calls=judged,
        expected_usd=_expected(prepared, reports, clock),
        most_usd=None if None in bounds else math.fsum(one or 0.0 for one in bounds) * plan.suite.samples,
        sees=sees,
    )


def telling(reports: Iterable[Report]) -> Report | None:
    """The report that tells how scores of a task vary: of two arms if there is one."""
    found = [one for one in reports if tells(one)]
    return next((one for one in found if one.base is not None), found[0] if found else None)


def _expected(prepared: Prepared, reports: list[Report], clock: Clock) -> float | None:
    """From what calls of the task cost before; else from what is sent and a part of what may be answered."""
    told = (_mean_cost(one) for one in reports)
    mean = next((one for one in told if one is not None), None)
    if mean is not None:
        return mean * prepared.plan.calls
    total = 0.0
    for arm in prepared.plan.names:
        price = _pricer(prepared.sides[arm], prepared.plan.task, clock)
        for case in _asked(prepared):
            cost = price(case, BYTES_A_TOKEN, USUAL_OUTPUT)
            if cost is None:
                return None
            total += cost * prepared.plan.suite.samples
    return total


def _mean_cost(report: Report) -> float | None:
    arms = [one for one in (report.base, report.candidate) if one is not None]
    calls = sum(one.calls for one in arms)
    costs = [one.cost_usd for one in arms]
    return math.fsum(one or 0.0 for one in costs) / calls if calls and None not in costs else None


def bound_of(prepared: Prepared, clock: Clock) -> Bound:
    """The most that each call can cost, its attempts, repairs and judges included; remembered by arm and case."""
    prices = {arm: _pricer(side, prepared.plan.task, clock) for arm, side in prepared.sides.items()}
    cases = {case.id: case for case in _asked(prepared)}
    judges = _judge_pricer(prepared, clock)
    known: dict[tuple[Arm, str], float | None] = {}

    def bound(cell: Cell) -> float | None:
        key = cell.arm, cell.case
        if key not in known:
            task = prepared.sides[cell.arm].snapshot.tasks[prepared.plan.task]
            repairs = task.output.repairs if task.output is not None and task.output.on_invalid == "repair" else 0
            once = prices[cell.arm](cases[cell.case], 1, 1.0)
            times = task.retry.attempts * (1 + repairs)
            judged = judges(cases[cell.case])
            known[key] = None if once is None or judged is None else once * times + judged
        return known[key]

    return bound


Price = Callable[[Case, int, float], float | None]


def _pricer(side: Side, task: str, clock: Clock) -> Price:
    """Prices one answer to a case, with so many bytes to a token, and such a part of the limit on output."""
    policy = side.snapshot.tasks[task]
    rates = [side.snapshot.rates.get(name, ()) for name in policy.models]
    limit = policy.sampling.max_output_tokens
    declared = side.project.tasks[task]
    day = meter.day(clock.wall_ns())
    overhead = sum(len(tool.input_schema.text) + len(tool.description) + MESSAGE_BYTES for tool in policy.tools)

    def price(case: Case, bytes_a_token: int, part: float) -> float | None:
        sent = len(msgspec.json.encode(body(case, task, 0))) + overhead
        if case.inputs is not None and declared.prompt is not None:
            turns = render(declared.prompt, case.inputs)
            sent += len(msgspec.json.encode(turns)) + MESSAGE_BYTES * len(turns)
        output = None if limit is None else math.ceil(limit * part)
        found = [meter.bound(rate, math.ceil(sent / bytes_a_token), output, day) for rate in rates]
        return None if None in found else max(one or 0 for one in found) / PUSD_A_USD

    return price


def _judge_pricer(prepared: Prepared, clock: Clock) -> Callable[[Case], float | None]:
    """Prices the most that the judges of one answer to a case can cost, attempts included; 0 where there are none."""
    side, task, day = prepared.suite_side, prepared.plan.task, meter.day(clock.wall_ns())
    limits = [one.snapshot.tasks[task].sampling.max_output_tokens or JUDGED_TOKENS for one in prepared.sides.values()]
    answers = 2 * max(limits) * BYTES_A_TOKEN
    scorers = [one for one in prepared.plan.suite.scorers if one.model]

    def price(case: Case) -> float | None:
        shown = _bytes(json.dumps(question_of(case), ensure_ascii=False)) if scorers else 0
        total = 0.0
        for scorer in scorers:
            sent = QUESTION_BYTES + _bytes(scorer.question) + shown + answers
            cost = meter.bound(side.snapshot.rates.get(scorer.model, ()), sent, JUDGED_TOKENS, day)
            if cost is None:
                return None
            total += 2 * side.snapshot.undeclared(scorer.model).retry.attempts * cost / PUSD_A_USD
        return total

    return price


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _asked(prepared: Prepared) -> list[Case]:
    by_id = prepared.cases.by_id()
    return [by_id[name] for name in prepared.plan.order]
