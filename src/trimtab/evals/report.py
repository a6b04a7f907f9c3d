"""What came of an evaluation: figures with intervals, the verdict, and all that is needed to run it again exactly."""

from __future__ import annotations

import sys
from typing import Any, Final, Literal

from msgspec import Struct

from trimtab.evals.sample import Arm
from trimtab.statistics.power import Shape

UNBOUNDED: Final = sys.float_info.max
"""The end of an interval on a side that nothing bounds, as with one case alone; JSON has no infinity."""
Verdict = Literal["ship", "block", "inconclusive"]
EXIT_STATUS: dict[Verdict, int] = {"ship": 0, "block": 1, "inconclusive": 2}
FORMAT_VERSION = 1
ONE_OF: Final = "pass@"
ALL_OF: Final = "pass^"
"""How metrics begin that stand beside a first score of right or wrong: one of k samples is right, all are."""


class Figure(Struct, frozen=True):
    """A value with its 95 % interval; `cases` and `samples` are how many it is of."""

    value: float
    low: float
    high: float
    cases: int
    samples: int


class Metric(Struct, frozen=True):
    """A scorer, or what stands beside it (`parse_rate`, `tool_validity`, `length`, `refusal_rate`, `cost`, `latency`).

    `difference` is candidate less base, paired by case, in the metric's unit; where `is_ratio`, candidate over base.
    `slice` is empty for all cases. `decision` is None for one that decides nothing. `needed` is how many more cases
    would settle it, None where that is settled or cannot be told. `method` names the interval.
    """

    name: str
    kind: Literal["score", "guard"]
    unit: str
    more_is_better: bool
    candidate: Figure | None = None
    base: Figure | None = None
    difference: Figure | None = None
    is_ratio: bool = False
    margin: float | None = None
    p_value: float | None = None
    decision: Verdict | None = None
    needed: int | None = None
    smallest_effect: float | None = None
    slice: str = ""
    method: str = ""


class CaseResult(Struct, frozen=True):
    """One case under the first scorer: its mean in each arm (None where no sample of it was marked).

    `state` is `flaky` where its samples differ more than the others' do, `saturated` where all are right in both arms,
    `failing` where all are wrong.
    """

    case: str
    group: str
    slices: tuple[str, ...] = ()
    base: float | None = None
    candidate: float | None = None
    state: Literal["", "flaky", "saturated", "failing"] = ""


class ArmReport(Struct, frozen=True):
    """One of the two that are compared: where it comes from, under which lock, and what it spent."""

    arm: Arm
    source: str
    lock: str
    snapshot: str
    prompt: str = ""
    models: dict[str, str] = {}
    calls: int = 0
    failed: int = 0
    cost_usd: float | None = None


class Spread(Struct, frozen=True):
    """Where the first scorer's variance comes from, and whether the next call is better spent on a case or a sample.

    Of two arms it is that of their difference, with what else tells how many cases a comparison needs, as in
    `trimtab.statistics.power.Spread`.
    """

    between_cases: float
    within_cases: float
    next_call: Literal["case", "sample"]
    design_effect: float = 1.0
    cases_per_group: float = 1.0
    shapes: tuple[Shape, ...] = ()


class Exactly(Struct, frozen=True):
    """What is needed to run it again: digests of suite and cases, seeds, judges with their pins, package versions.

    `labels` are the digests of what people said of answers, by the scorer that it corrects.
    """

    suite: str
    cases: str
    seed: int
    samples: int
    judges: dict[str, str] = {}
    packages: dict[str, str] = {}
    trimtab: str = ""
    labels: dict[str, str] = {}


class Report(Struct, frozen=True):
    """An evaluation that has ended (or was stopped: `stopped` says by what).

    `changes` are the lock entries in which the arms differ, as words; `reasons` say in words why the verdict is what it
    is. `metrics` begins with the first scorer. Without a base there is no verdict. `price` says in a sentence what the
    changed words of the prompt did to length, cost and score, where they changed.
    """

    id: str
    task: str
    at_ns: int
    candidate: ArmReport
    exactly: Exactly
    base: ArmReport | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    spread: Spread | None = None
    needed: int | None = None
    stopped: Literal["", "budget", "early", "interrupted"] = ""
    duration_s: float = 0.0
    cost_usd: float | None = None
    notes: tuple[str, ...] = ()
    price: str = ""
    version: int = FORMAT_VERSION
    extra: dict[str, Any] = {}
