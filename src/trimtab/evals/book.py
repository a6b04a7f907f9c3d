"""What is there of a plan: which samples, what each still lacks, and which cases are finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final, Protocol

from trimtab.evals.asking import Asker, Samples
from trimtab.evals.dispatch import Bound
from trimtab.evals.kept_samples import Key, key_of, with_marks
from trimtab.evals.plan import Cell, Plan, cells
from trimtab.evals.sample import Mark, Sample

BASE: Final = "base"
CANDIDATE: Final = "candidate"


class Stop(Protocol):
    """Decides whether enough is known."""

    def __call__(self, case: str, samples: tuple[Sample, ...]) -> bool:
        """Told of each finished case once, in the order of the plan; its samples are of all arms, by number, marked.

        True: no further case counts. One call at a time; none after the first True. After a crash it is told of the
        finished cases again, from the first.
        """
        ...


class Book:
    """The samples of a run by arm, case and number; `scorers` and `pairings` are the names of the marks they need.

    A sample is ended once it has all its marks, or has failed for good in this run. Not for several threads at once.
    """

    def __init__(self, plan: Plan, scorers: Collection[str], pairings: Collection[str]) -> None:
        self._plan = plan
        self._scorers = tuple(scorers)
        self._pairings = tuple(pairings)
        self._samples: dict[Key, Sample] = {}
        self._ended: set[Key] = set()
        self._compared: set[tuple[str, int]] = set()
        self._left = dict.fromkeys(plan.order, plan.suite.samples * len(plan.arms))
        self._told = 0

    def __repr__(self) -> str:
        return f"Book({len(self._ended)} of {self._plan.calls} samples, {self._told} cases told)"

    @property
    def ended(self) -> int:
        """How many samples are ended."""
        return len(self._ended)

    def begin(self, samples: Iterable[Sample]) -> list[Cell]:
        """Takes what is there already; the calls that are left, in their order: to be asked, or only to be marked."""
        self._samples = {key_of(sample): sample for sample in samples if sample.answer.is_ours}
        left = []
        for cell in cells(self._plan):
            key = key_at(cell)
            sample = self._samples.get(key)
            if sample is None or self.lacking(sample) or (cell.arm == CANDIDATE and self._uncompared(cell)):
                left.append(cell)
            else:
                self.end(cell)
        return left

    def sample(self, cell: Cell) -> Sample | None:
        """The answer that is there, with its marks so far."""
        return self._samples.get(key_at(cell))

    def put(self, sample: Sample) -> None:
        """An answer came."""
        self._samples[key_of(sample)] = sample

    def mark(self, key: Key, *marks: Mark) -> None:
        """Marks came."""
        self._samples[key] = with_marks(self._samples[key], marks)

    def lacking(self, sample: Sample) -> tuple[str, ...]:
        """The scorers that have not marked a sample yet."""
        there = {mark.scorer for mark in sample.marks}
        return tuple(name for name in self._scorers if name not in there)

    def compare(self, cell: Cell) -> tuple[Sample, Sample] | None:
        """Base's and candidate's sample, where both are there and nobody holds them against each other yet."""
        if not self._uncompared(cell) or (cell.case, cell.number) in self._compared:
            return None
        self._compared.add((cell.case, cell.number))
        return self._samples["base", cell.case, cell.number], self._samples["candidate", cell.case, cell.number]

    def release(self, cell: Cell) -> None:
        """They could not be compared now."""
        self._compared.discard((cell.case, cell.number))

    def end(self, cell: Cell) -> None:
        """Nothing more comes of a sample."""
        if key_at(cell) not in self._ended:
            self._ended.add(key_at(cell))
            self._left[cell.case] -= 1

    def turn(self) -> str | None:
        """The next case of the plan, once it is finished; told once."""
        if self._told == len(self._plan.order) or self._left[self._plan.order[self._told]]:
            return None
        self._told += 1
        return self._plan.order[self._told - 1]

    def of_case(self, case: str) -> tuple[Sample, ...]:
        """The samples of a case, by number and arm; those that failed among them."""
        keys = [(arm, case, number) for number in range(self._plan.suite.samples) for arm in self._plan.names]
        return tuple(self._samples[key] for key in keys if key in self._samples)

    def _uncompared(self, cell: Cell) -> bool:
        pair = [self._samples.get((arm, cell.case, cell.number)) for arm in self._plan.names]
        if not self._pairings or len(pair) < len((BASE, CANDIDATE)):
            return False
        there = [{mark.scorer for mark in one.marks} for one in pair if one is not None and one.answer.is_ours]
        return len(there) == len(pair) and any(name not in marks for name in self._pairings for marks in there)


def key_at(cell: Cell) -> Key:
    """The sample that a call is made for."""
    return cell.arm, cell.case, cell.number


def take_up(plan: Plan, asker: Asker, kept: Samples) -> None:
    """Keeps what was asked before a crash, and recorded with its answer, but not kept yet."""
    wanted = {key_at(cell): cell for cell in cells(plan)}
    before = kept.all()
    known = {sample.answer.call for sample in (*before, *kept.failures())}
    there = {key_of(sample) for sample in before if sample.answer.is_ours}
    for request, answer in asker.answered(plan.id):
        key = (request.arm, request.case, request.number)
        if key not in wanted or answer.call in known:
            continue
        known.add(answer.call)
        sample = Sample(*key, seed=wanted[key].seed, answer=answer)
        if answer.is_ours and key not in there:
            there.add(key)
            kept.add(sample)
        else:
            kept.failed(sample)


def judged_calls(samples: Iterable[Sample], pairings: Collection[str]) -> set[str]:
    """The calls of judges that are not to be made again: of a comparison both marks are there."""
    found = [(mark, sample.case, sample.number) for sample in samples for mark in sample.marks]
    halves = Counter((mark.scorer, case, number) for mark, case, number in found)
    return {
        mark.call
        for mark, case, number in found
        if mark.scorer not in pairings or halves[mark.scorer, case, number] == len((BASE, CANDIDATE))
    }


def calls_of(samples: Iterable[Sample]) -> int:
    """How many calls samples took, those of judges included."""
    return sum(1 + sum(bool(mark.call) for mark in sample.marks) for sample in samples)


def costs_of(samples: Iterable[Sample], bound: Bound) -> Iterator[tuple[float, bool]]:
    """What each sample cost in US dollars, its judges included, and whether that is known; else it is the bound."""
    for sample in samples:
        cost = sample.answer.cost_usd
        judged = sum(mark.cost_usd for mark in sample.marks)
        cell = Cell(sample.arm, sample.case, sample.number, sample.seed)
        yield (bound(cell) or 0.0 if cost is None else cost) + judged, cost is not None
