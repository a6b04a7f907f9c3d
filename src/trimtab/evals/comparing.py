"""From the samples of one arm or two to a report: figures, what they say of the margins, and the verdict."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals import calibrated, case_results, deciding, instructions
from trimtab.evals.case import Case
from trimtab.evals.correcting import Labels, corrected, uncorrected
from trimtab.evals.looking import ONCE, Look
from trimtab.evals.measured import Arms, weigh_all
from trimtab.evals.observing import scores
from trimtab.evals.report import ALL_OF, ONE_OF, ArmReport, Exactly, Figure, Metric, Report, Spread
from trimtab.evals.sample import Arm, Sample
from trimtab.evals.scorers.calibrating import Calibration
from trimtab.evals.weighing import Weighed
from trimtab.evals.words import count, plain
from trimtab.statistics import clustered, passes, power
from trimtab.statistics.clustered import Observation

PASSES: Final = 1.0
"""The value from which on a sample passes, for pass@k and pass^k."""
LOOKED: Final = "This is look {} of {}: intervals of differences and the verdict hold over all of them together."
STOPPED: Final = {
    "budget": "The budget was spent:",
    "early": "Enough was known before the end:",
    "interrupted": "It was interrupted:",
}


class Setting(Struct, frozen=True):
    """What is known of an evaluation without its samples.

    Of the arms `calls`, `failed` and `cost_usd` are counted here. `prompts` are the words of the base's prompt and the
    candidate's, where there are two. `changes` are the lock entries in which the arms differ, as words. `stopped` says
    by what it was ended before its time. `judges` says how judges err, by scorer.
    """

    id: str
    task: str
    at_ns: int
    candidate: ArmReport
    exactly: Exactly
    base: ArmReport | None = None
    changes: tuple[str, ...] = ()
    prompts: tuple[str, str] | None = None
    stopped: Literal["", "budget", "early", "interrupted"] = ""
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()
    judges: Mapping[str, Calibration] = {}


def compare(
    setting: Setting,
    evals: Evals,
    cases: Sequence[Case],
    samples: Sequence[Sample],
    look: Look = ONCE,
    labels: Mapping[str, Labels] | None = None,
) -> Report:
    """The report on these samples; those of cases that are not given are left out, and so are calls that failed.

    `look` is that of `EarlyStop` for an evaluation that might have ended early, whether or not it did. `labels` are
    what people said of these answers, by scorer and then by call: with them the scores of judges are corrected, and
    without them by what is known of how these err (`setting.judges`).

    There is a verdict where there is a base. It is inconclusive where nothing can be compared, and where more than a
    twentieth of an arm's calls failed.
    """
    taken = _of(cases, samples)
    arms = Arms(taken, has_base=setting.base is not None)
    known_of = _KnownOfJudges(setting.judges, labels or {}, evals, cases, arms, look)
    weighed = [known_of.corrected(one) for one in weigh_all(evals, cases, taken, arms, look)]
    spread = _spread(evals, cases, arms)
    decided = None
    if setting.base is not None:
        decided = deciding.decide(
            evals,
            deciding.Evidence(
                weighed,
                [_lost(evals, arm, taken) for arm in ("base", "candidate")],
                case_results.turned(evals, cases, arms.base or {}, arms.candidate),
                spread.next_call if spread else "case",
                look,
            ),
        )
    metrics = decided.metrics if decided else tuple(one.metric for one in weighed)
    results = case_results.results(evals, cases, arms.base, arms.candidate)
    return Report(
        setting.id,
        setting.task,
        setting.at_ns,
        _arm(setting.candidate, taken),
        setting.exactly,
        base=None if setting.base is None else _arm(setting.base, taken),
        verdict=decided.verdict if decided else None,
        reasons=decided.reasons if decided else (),
        changes=setting.changes,
        metrics=(*metrics, *_passing(evals, cases, arms)),
        cases=results,
        spread=spread,
        needed=decided.needed if decided else None,
        stopped=setting.stopped,
        duration_s=setting.duration_s,
        cost_usd=_sum(cost for one in taken for cost in (one.answer.cost_usd, *(mark.cost_usd for mark in one.marks))),
        notes=(
            *_notes(setting, evals, cases, samples, arms, look),
            *known_of.words(),
            *case_results.named(results),
        ),
        price=_price(setting, metrics),
    )


def _of(cases: Sequence[Case], samples: Sequence[Sample]) -> list[Sample]:
    known = {one.id for one in cases}
    return [one for one in samples if one.case in known]


class _KnownOfJudges(NamedTuple):
    """What people said of these answers, by scorer and call, and how judges err on others, by scorer."""

    judges: Mapping[str, Calibration]
    labels: Mapping[str, Labels]
    evals: Evals
    cases: Sequence[Case]
    arms: Arms
    look: Look

    def corrected(self, one: Weighed) -> Weighed:
        """A judge's score as people would give it; anything else as it is."""
        name, metric = one.metric.name, one.metric
        if metric.kind != "score" or not one.measure.is_share:
            return one
        chosen = [case for case in self.cases if not metric.slice or metric.slice in case.slices]
        sides = self.arms.base, self.arms.candidate
        if self.labels.get(name):
            return corrected(one, chosen, *sides, self.labels[name], self.evals, self.look)
        if name in self.judges:
            return calibrated.calibrated(one, chosen, *sides, self.judges[name], self.evals, self.look)
        return one

    def words(self) -> list[str]:
        """What is known of each judge."""
        others = replace(self.evals, scorers=tuple(one for one in self.evals.scorers if one.name not in self.judges))
        told = [calibrated.words_of(one) for name, one in self.judges.items() if not self.labels.get(name)]
        return [*told, *uncorrected(others, self.cases, self.arms.base, self.arms.candidate, self.labels)]


def _spread(evals: Evals, cases: Sequence[Case], arms: Arms) -> Spread | None:
    """Where the first score's variance comes from; of the difference of both arms where there are two.

    Samples of one number belong together: they were asked with one seed.
    """
    if not evals.scorers:
        return None
    values = scores(evals)[0].values
    sides: tuple[list[Observation], list[Observation]] = ([], [])
    for case in cases:
        marks = _by_number(values, arms.candidate.get(case.id, ()))
        before = marks if arms.base is None else _by_number(values, arms.base.get(case.id, ()))
        if both := [number for number in marks if number in before]:
            for side, of in zip(sides, (before, marks), strict=True):
                side.append(Observation(case.id, case.group or case.id, tuple(of[number] for number in both)))
    base, candidate = sides
    if not candidate:
        return None
    apart = candidate if arms.base is None else [_apart(*pair) for pair in zip(base, candidate, strict=True)]
    parts = clustered.variance_parts(apart)
    if not math.isfinite(parts.within_cases):
        return None
    between, next_call = parts.between_groups + parts.between_cases, clustered.next_call(parts, parts.samples)
    if arms.base is None:
        return Spread(between, parts.within_cases, next_call)
    pilot = power.spread_of(base, candidate)
    return Spread(between, parts.within_cases, next_call, pilot.design_effect, pilot.cases_per_group, pilot.shapes)


def _apart(base: Observation, candidate: Observation) -> Observation:
    """The difference of each sample."""
    return candidate._replace(values=tuple(map(operator.sub, candidate.values, base.values)))


def _by_number(values: Callable[[Sample], tuple[float, ...]], samples: Iterable[Sample]) -> dict[int, float]:
    return {one.number: marks[0] for one in samples if (marks := values(one))}


def _lost(evals: Evals, arm: Arm, samples: Sequence[Sample]) -> deciding.Lost:
    """What an arm lost; an answer without a mark counts where its case can be marked: where another answer to it is."""
    mine = [one for one in samples if one.arm == arm]
    failures = Counter(one.answer.outcome for one in mine if not one.answer.is_ours)
    unmarked = 0
    for measure in scores(evals)[:1]:
        markable = {one.case for one in samples if measure.values(one)}
        unmarked = sum(one.answer.is_ours and one.case in markable and not measure.values(one) for one in mine)
    return deciding.Lost(arm, len(mine), failures.total(), unmarked, dict(failures))


def _arm(arm: ArmReport, samples: Iterable[Sample]) -> ArmReport:
    mine = [one.answer for one in samples if one.arm == arm.arm]
    failed = sum(not one.is_ours for one in mine)
    return replace(arm, calls=len(mine), failed=failed, cost_usd=_sum([one.cost_usd for one in mine]))


def _sum(costs: Iterable[float | None]) -> float | None:
    """What is known of a sum; None where nothing is."""
    known = [one for one in costs if one is not None]
    return math.fsum(known) if known else None


def _passing(evals: Evals, cases: Sequence[Case], arms: Arms) -> list[Metric]:
    """pass@k and pass^k of the first scorer, where each case has samples enough and all are right or wrong."""
    first = scores(evals)[:1]
    k = evals.samples
    if k < 2 or not first or not first[0].is_share:
        return []
    base, candidate = arms.observed(first[0], cases)
    sides = [[one for one in side or () if len(one.values) >= k] for side in (base, candidate)]
    if not sides[1] or not all(value in {0.0, PASSES} for side in sides for one in side for value in one.values):
        return []
    return [
        _passed(name, [estimate(side, k) if side else None for side in sides])
        for name, estimate in ((f"{ONE_OF}{k}", passes.pass_at), (f"{ALL_OF}{k}", passes.pass_all))
    ]


def _passed(name: str, sides: Sequence[clustered.Estimate | None]) -> Metric:
    base, candidate = (
        None if one is None else Figure(one.value, max(0.0, one.low), min(1.0, one.high), one.cases, one.samples)
        for one in sides
    )
    return Metric(name, "score", "share", more_is_better=True, candidate=candidate, base=base)


def _price(setting: Setting, metrics: Sequence[Metric]) -> str:
    if setting.prompts is None:
        return ""
    others = sum(not one.startswith("prompt") for one in setting.changes)
    return instructions.price(instructions.changed(*setting.prompts), metrics, others=others)


def _notes(
    setting: Setting, evals: Evals, cases: Sequence[Case], samples: Sequence[Sample], arms: Arms, look: Look
) -> list[str]:
    """What a reader of the figures should know beside them."""
    found = [*setting.notes]
    if look.of > 1:
        found.append(LOOKED.format(look.number, look.of))
    known = {one.id for one in cases}
    strange = sum(one.case not in known for one in samples)
    if strange:
        found.append(f"{count(strange, 'answer')} left out: the suite has no such case.")
    if arms.base is not None:
        alone = len(arms.base.keys() ^ arms.candidate.keys())
        if alone:
            found.append(f"{count(alone, 'case')} left out of what is compared: only one arm answered.")
    for arm in ("base", "candidate"):
        failures = Counter(one.answer.outcome for one in samples if one.arm == arm and not one.answer.is_ours)
        if failures:
            kinds = ", ".join(f"{plain(name)} {number}" for name, number in failures.most_common())
            found.append(f"{count(failures.total(), 'call')} of the {arm} failed and count as no answers: {kinds}.")
    for scorer in evals.scorers:
        unmarked = sum(one.value is None for sample in samples for one in sample.marks if one.scorer == scorer.name)
        if unmarked:
            found.append(f"{count(unmarked, 'answer')} could not be marked by {plain(scorer.name)}.")
    if setting.stopped:
        found.append(f"{STOPPED[setting.stopped]} {len(_asked(arms))} of {count(len(cases), 'case')} were asked.")
    return found


def _asked(arms: Arms) -> set[str]:
    return arms.candidate.keys() | (arms.base or {}).keys()
