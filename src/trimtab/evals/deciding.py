"""From what was weighed to one verdict, and the reasons for it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.looking import ONCE, Look
from trimtab.evals.report import Metric, Verdict
from trimtab.evals.sample import Arm
from trimtab.evals.weighing import Weighed
from trimtab.evals.words import count, difference_text, margin_text, name_of, plain, worse_text
from trimtab.statistics import decision
from trimtab.statistics.multiplicity import holm

MOST_LOST: Final = 0.05
"""The share of an arm's calls that may fail, or of its answers that a scorer may not be able to mark; beyond it what is
left says too little of what is lost, and the verdict is inconclusive."""
LEAST_TURNED: Final = 3
"""Samples of each arm from which on a case that turned blocks: where three of six are wrong, all three are the
candidate's by chance once in 20 times."""
MOST_NAMED: Final = 5
MOVED: Final = 0.05
"""The probability of telling that something changed beside the score which did not."""
PERCENT_LOST: Final = f"{MOST_LOST * 100:g} %"


class Lost(Struct, frozen=True):
    """What of an arm says nothing: `failed` of its `calls`, and `unmarked` of its answers under the first scorer."""

    arm: Arm
    calls: int
    failed: int
    unmarked: int
    failures: Mapping[str, int] = {}


class Turned(Struct, frozen=True):
    """A case that turned from always right to always wrong under a critical scorer, in so many samples of each arm."""

    case: str
    scorer: str
    samples: int


class Decided(Struct, frozen=True):
    """The verdict with its reasons, the metrics with their decisions, and how many more cases would settle it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    metrics: tuple[Metric, ...]
    needed: int | None = None


class Evidence(Struct, frozen=True):
    """All that a verdict rests on. `weighed` begins with the first scorer of all cases, if it could be weighed.

    `next_call` says whether another case or another sample of a case tells more. `look` is the one of so many looks at
    which it was weighed.
    """

    weighed: Sequence[Weighed]
    lost: Sequence[Lost]
    turned: Sequence[Turned] = ()
    next_call: Literal["case", "sample"] = "case"
    look: Look = ONCE


def decide(evals: Evals, evidence: Evidence) -> Decided:
    """The verdict: what is lost first, then critical cases, then the score, and what may veto it.

    Only the first scorer has to be shown to keep its margin, at `alpha`. It blocks where it is surely beyond it, and so
    does everything else that has a margin (other scorers, guards, slices). Where there is something else, the score has
    half of `alpha` for that (for 0.05, an interval of 95 % that lies wholly beyond the margin), and the rest share
    the other half by Holm's correction: what is fine everywhere is blocked with a probability of at most `alpha`. Where
    there are several looks these share it in equal parts instead, and `alpha` holds over all looks together.
    Critical cases are a rule of the suite and stand outside of `alpha`.
    """
    judged = {one.key: one.verdict for one in evidence.weighed if one.verdict is not None}
    first = evals.scorers[0].name if evals.scorers else ""
    score = judged.pop(first, None)
    bad_keys = blocked(first, score, judged, evals.alpha, evidence.look)
    level = evidence.look.level(evals.alpha)
    decided = tuple(_decided(one, one.key in bad_keys, level) for one in evidence.weighed)
    lost = [words for one in evidence.lost for words in _lost(one)]
    turned = list(_turned(evidence.turned, enough=True))
    unsure = list(_turned(evidence.turned, enough=False))
    bad = [_beyond(one, evals.alpha) for one in evidence.weighed if one.key in bad_keys]
    if lost:
        return Decided("inconclusive", (*lost, *turned, *bad), decided)
    if turned or bad:
        return Decided("block", (*turned, *bad), decided)
    if score is None:
        return Decided("inconclusive", (_nothing(evals, evidence),), decided)
    head, weighed = decided[0], evidence.weighed[0]
    if score.ship > level:
        return Decided(
            "inconclusive", (_open(weighed), *_more(weighed, evidence.next_call), *unsure), decided, head.needed
        )
    if unsure:
        return Decided("inconclusive", (*unsure, _within(weighed, evals.alpha)), decided)
    return Decided("ship", (_within(weighed, evals.alpha), *_others(decided[1:]), *_moved(decided)), decided)


def blocked(
    first: str,
    score: decision.Verdict | None,
    vetoes: Mapping[str, decision.Verdict],
    alpha: float,
    look: Look = ONCE,
) -> set[str]:
    """The keys of what blocks, of the first score and of what may veto it."""
    share = alpha / 2 if score is not None and vetoes else alpha
    of_score = {first} if score is not None and score.block <= look.level(share) else set()
    if look.of > 1:
        level = look.level(share / max(1, len(vetoes)))
        return of_score | {name for name, one in vetoes.items() if one.block <= level}
    of_vetoes = decision.combined({}, vetoes, share).blocked_by
    return of_score | {name for name in vetoes if f"slice {name}" in of_vetoes}


def _decided(one: Weighed, is_blocked: bool, alpha: float) -> Metric:
    if one.verdict is None:
        return one.metric
    if is_blocked:
        return replace(one.metric, decision="block", needed=None)
    return replace(one.metric, decision="ship" if one.verdict.ship <= alpha else "inconclusive")


def _lost(one: Lost) -> list[str]:
    """What is lost of an arm, where that is too much."""
    found = []
    if not one.calls:
        return [
            f"The {one.arm} was asked nothing: see that the suite has cases and that the budget lets calls through."
        ]
    if one.failed > one.calls * MOST_LOST:
        most = sorted(one.failures, key=lambda name: (-one.failures[name], name))[:MOST_NAMED]
        kinds = ", ".join(f"{plain(name)} {one.failures[name]}" for name in most)
        found.append(
            f"{one.failed} of {count(one.calls, 'call')} of the {one.arm} failed for reasons that say nothing of the "
            f"answers ({kinds}); no more than {PERCENT_LOST} may. See to these and run it again."
        )
    answers = one.calls - one.failed
    if one.unmarked > answers * MOST_LOST:
        found.append(
            f"{one.unmarked} of {count(answers, 'answer')} of the {one.arm} could not be marked by the first scorer; "
            f"no more than {PERCENT_LOST} may be. The samples say why."
        )
    return found


def _turned(turned: Sequence[Turned], *, enough: bool) -> list[str]:
    """The critical cases that turned, with samples enough to block or with fewer."""
    found = [one for one in turned if (one.samples >= LEAST_TURNED) == enough]
    if not found:
        return []
    names = ", ".join(f"{plain(one.case)} ({plain(one.scorer)})" for one in found[:MOST_NAMED])
    if len(found) > MOST_NAMED:
        names += f" and {len(found) - MOST_NAMED} more"
    words = f"{count(len(found), 'critical case')} turned from right to wrong: {names}."
    if not enough:
        words += f" With fewer than {LEAST_TURNED} samples that may be chance: --samples {LEAST_TURNED} settles it."
    return [words]


def _within(one: Weighed, alpha: float) -> str:
    """Why a metric is fine."""
    return f"{_told(one)}; {_surely(one, 'at most', 1, alpha)}, within the margin of {margin_text(one.metric)}."


def _beyond(one: Weighed, alpha: float) -> str:
    """Why a metric blocks."""
    return f"{_told(one)}; {_surely(one, 'at least', 0, alpha)}, beyond the margin of {margin_text(one.metric)}."


def _open(one: Weighed) -> str:
    return f"{_told(one)}; that may lie on either side of the margin of {margin_text(one.metric)}."


def _told(one: Weighed) -> str:
    return f"{name_of(one.metric)}: {difference_text(one.metric)}"


def _surely(one: Weighed, word: str, end: int, alpha: float) -> str:
    worse = one.worse[end] if one.worse else 0.0
    return f"{worse_text(one.metric, worse, word)} with {(1 - alpha) * 100:g} % confidence"


def _more(one: Weighed, next_call: Literal["case", "sample"]) -> list[str]:
    """What would settle it, the cheaper way first."""
    if one.more is None:
        return []
    known = one.more
    cases = "" if known.cases is None else f"about {count(max(1, known.cases), 'more case')}"
    samples = "" if known.samples is None else f"about {count(max(1, known.samples), 'more sample')} of each case"
    ways = [way for way in ((samples, cases) if next_call == "sample" else (cases, samples)) if way]
    if not ways:
        return ["No number of cases would settle it while the difference stays where it is, at the margin itself."]
    told = " or ".join(ways)
    return [f"{told[0].upper()}{told[1:]} would settle it, if the difference stays as it is."]


def _others(metrics: Sequence[Metric]) -> list[str]:
    """Vetoes that did not block but were not shown to be fine either, in one sentence."""
    names = [name_of(one) for one in metrics if one.decision == "inconclusive"]
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return [f"Not shown to be worse, nor to keep its margin: {', '.join(names[:MOST_NAMED])}{more}."]


def _moved(metrics: Sequence[Metric]) -> list[str]:
    """What changed beside the score where no margin says whether that is borne, in one sentence."""
    tested = [one for one in metrics if one.kind == "guard" and one.margin is None and one.p_value is not None]
    adjusted = holm([one.p_value or 0.0 for one in tested])
    moved = [one for one, p_value in zip(tested, adjusted, strict=True) if p_value <= MOVED]
    if not moved:
        return []
    told = "; ".join(f"{name_of(one)} {difference_text(one)}" for one in moved)
    return [f"Beside it changed, without a margin that decides: {told}."]


def _nothing(evals: Evals, evidence: Evidence) -> str:
    if not evals.scorers:
        return "The suite has no scorer: add one under evals.scorers in task.toml."
    if not evidence.weighed:
        return "No answer was marked: there is nothing to compare."
    return f"No case was marked by {plain(evals.scorers[0].name)} in both arms: there is nothing to compare."
