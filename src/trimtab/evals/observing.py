"""What is measured of an answer: its scores, and what stands beside them always."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Arm, Sample
from trimtab.statistics.clustered import Observation

REFUSALS: Final = ("refusal", "content_filter")
"""Finish reasons by which models' APIs tell a refusal."""
AMOUNTS: Final[Mapping[str, str]] = {"latency": "s", "cost": "USD"}
"""Kinds of scorers whose marks are amounts of which less is better, with their units."""

Values = Callable[[Sample], tuple[float, ...]]


class Measure(Struct, frozen=True):
    """Something that is measured of each sample: none, one or several values of it.

    A case counts with the mean of its values, and every case counts the same. Where `is_ratio`, arms are compared by
    the ratio of their means and `margin` is a part (0.1 is a tenth); otherwise by the difference. `is_share` says that
    values lie from 0 to 1.
    """

    name: str
    kind: Literal["score", "guard"]
    unit: str
    values: Values
    more_is_better: bool = True
    is_ratio: bool = False
    is_share: bool = False
    margin: float | None = None


def scores(evals: Evals) -> list[Measure]:
    """The scorers of a suite, the first one first.

    Each has its own margin, else the suite's, which does not fit amounts: these decide nothing without their own.
    """
    return [_score(one, evals.margin) for one in evals.scorers]


def _score(scorer: Scorer, margin: float) -> Measure:
    if scorer.kind in AMOUNTS:
        unit = AMOUNTS[scorer.kind]
        return Measure(scorer.name, "score", unit, _marks(scorer.name), more_is_better=False, margin=scorer.margin)
    own = margin if scorer.margin is None else scorer.margin
    return Measure(scorer.name, "score", "share", _marks(scorer.name), is_share=True, margin=own)


def _marks(name: str) -> Values:
    def marks(sample: Sample) -> tuple[float, ...]:
        return tuple(one.value for one in sample.marks if one.scorer == name and one.value is not None)

    return marks


def guards(evals: Evals, samples: Iterable[Sample]) -> list[Measure]:
    """What stands beside the score, as `docs/signals.md` defines it for users' calls; `evals.guards` has the margins.

    Refusals count by verdict if any of these answers has one, that is where there is a contract, else by finish reason.
    """
    refused = _refused_by_verdict if any(one.answer.verdict for one in samples) else _refused_by_reason
    found = (
        _share("parse_rate", _parsed),
        _share("tool_validity", _tools),
        replace(_share("refusal_rate", refused), more_is_better=False),
        _amount("length", "tokens", lambda one: one.length_tokens),
        _amount("cost", "USD", lambda one: one.cost_usd),
        _amount("latency", "s", lambda one: one.total_s),
    )
    return [replace(one, margin=evals.guards.get(one.name)) for one in found]


def _share(name: str, values: Callable[[Answer], tuple[float, ...]]) -> Measure:
    return Measure(name, "guard", "share", lambda sample: values(sample.answer), is_share=True)


def _amount(name: str, unit: str, value: Callable[[Answer], float | None]) -> Measure:
    def values(sample: Sample) -> tuple[float, ...]:
        found = value(sample.answer)
        return () if found is None else (float(found),)

    return Measure(name, "guard", unit, values, more_is_better=False, is_ratio=True)


def _parsed(answer: Answer) -> tuple[float, ...]:
    """Valid at the first time of asking, among answers that had a schema to keep."""
    return (float(answer.verdict == "valid" and not answer.repairs),) if answer.verdict else ()


def _tools(answer: Answer) -> tuple[float, ...]:
    return tuple(float(one == "valid") for one in answer.tool_outcomes)


def _refused_by_verdict(answer: Answer) -> tuple[float, ...]:
    return (float(answer.verdict == "refused"),) if answer.verdict else ()


def _refused_by_reason(answer: Answer) -> tuple[float, ...]:
    return (float(answer.finish_reason in REFUSALS),) if answer.finish_reason else ()


def observed(values: Values, cases: Iterable[Case], samples: Mapping[str, Sequence[Sample]]) -> list[Observation]:
    """The values of each case that has any, in the order of the cases; `samples` are one arm's, by case."""
    found = []
    for case in cases:
        of_case = tuple(value for one in samples.get(case.id, ()) for value in values(one))
        if of_case:
            found.append(Observation(case.id, case.group or case.id, of_case))
    return found


def by_case(samples: Iterable[Sample], arm: Arm) -> dict[str, list[Sample]]:
    """An arm's samples that say something of the task, by case and in order; a sample that comes twice counts once.

    Calls that failed by what lies around the task are left out: they are no wrong answers.
    """
    seen: dict[tuple[str, int], Sample] = {}
    for one in samples:
        if one.arm == arm and one.answer.is_ours:
            seen.setdefault((one.case, one.number), one)
    found: dict[str, list[Sample]] = {}
    for (case, _), one in sorted(seen.items(), key=lambda item: item[0][1]):
        found.setdefault(case, []).append(one)
    return found
