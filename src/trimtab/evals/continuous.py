"""What is known of a scorer over all slots of a schedule, and whether its cases pass less often than they did.

The first slots are learned from. From then on each slot is held against what was learned before it, and learned from
itself while no alarm holds. An alarm ends when cases pass again as they did, or when somebody takes the new for normal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from trimtab.statistics.rates import Counted
from trimtab.statistics.repeated import RepeatedDetector, learned
from trimtab.statistics.sequential import Decision, State

DROP: Final = 0.05
"""The drop that is looked for, of the success rate."""
PASSED: Final = 0.5
"""A mark of at least this passes."""
LEAST_RUNS: Final = 24
LEAST_MINUTES: Final = 7 * 24 * 60
LEAST_EACH: Final = 5
"""It learns for so many slots, for a week, and until each case was asked so many times on average; but not for longer
than this, if there were so many slots."""
MOST_MINUTES: Final = 28 * 24 * 60
MOST_FAILED: Final = 200
WORST: Final = 5


class Result(NamedTuple):
    """One case of a slot: whether it passed, and in which call."""

    case: str
    passed: bool
    call: str


class Failed(Struct, frozen=True):
    """A call that did not pass, when its slot ended (minutes since 1970), and its case."""

    minute: int
    call: str
    case: str


class Watched(Struct, frozen=True):
    """One scorer of a task. `about` is the digest of suite and data: with others all begins anew.

    `runs` counts the slots that were learned from, `since` is the minute of the first and `minute` that of the last
    one. `baseline` has how many of how many samples of each case passed, `alarmed` the minute of the alarm that holds.
    """

    task: str
    scorer: str
    about: str
    runs: int = 0
    since: int = 0
    minute: int = 0
    baseline: dict[str, Counted] = {}
    state: State | None = None
    alarmed: int = 0
    failed: tuple[Failed, ...] = ()

    @property
    def decision(self) -> Decision | None:
        """The alarm that holds."""
        return self.state.held if self.state is not None else None


def after(watched: Watched, minute: int, results: Sequence[Result], cases: int, false_alarms: float) -> Watched:
    """What is known after a slot that ended at a minute; of no results what was known before.

    `cases` is how many there are in all, `false_alarms` how many a month are borne of this scorer.
    """
    if not results:
        return watched
    seen = counted(results)
    minute = max(minute, watched.minute + 1)
    failed = (*watched.failed, *(Failed(minute, one.call, one.case) for one in results if not one.passed))
    known = replace(watched, minute=minute, since=watched.since or minute, failed=failed[-MOST_FAILED:])
    if not _has_learned(watched, cases):
        return replace(known, runs=watched.runs + 1, baseline=learned([watched.baseline, seen]))
    detector = RepeatedDetector(watched.baseline, DROP, false_alarms)
    state, decision = detector.step(watched.state or detector.begin(watched.minute), minute, seen)
    if decision.alarm:
        return replace(known, state=state, alarmed=watched.alarmed or minute)
    return replace(known, state=state, alarmed=0, runs=watched.runs + 1, baseline=learned([watched.baseline, seen]))


def resolved(watched: Watched, *, accepted: bool) -> Watched:
    """After somebody ended the alarm: what is now is learned as normal, or held against what was learned before."""
    if accepted:
        return Watched(watched.task, watched.scorer, watched.about)
    return replace(watched, state=None, alarmed=0)


def worst(watched: Watched) -> tuple[str, ...]:
    """The calls that show an alarm best: they failed since it began, on the cases that had passed most reliably."""
    decision = watched.decision
    if decision is None:
        return ()
    began = decision.since if decision.since is not None else watched.alarmed
    shown = [one for one in watched.failed if one.minute >= began]

    def order(one: Failed) -> tuple[float, int]:
        of, n = watched.baseline.get(one.case, Counted(0, 1))
        return -of / n, -one.minute

    return tuple(one.call for one in sorted(shown, key=order)[:WORST])


def counted(results: Iterable[Result]) -> Mapping[str, Counted]:
    """How many samples of each case passed."""
    found: dict[str, Counted] = {}
    for one in results:
        of, n = found.get(one.case, Counted(0, 0))
        found[one.case] = Counted(of + one.passed, n + 1)
    return found


def _has_learned(watched: Watched, cases: int) -> bool:
    length = watched.minute - watched.since
    if watched.runs < LEAST_RUNS or length < LEAST_MINUTES:
        return False
    samples = sum(one.n for one in watched.baseline.values())
    return samples >= LEAST_EACH * cases or length >= MOST_MINUTES
