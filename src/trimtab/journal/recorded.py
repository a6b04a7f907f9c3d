"""What a run's log has of steps of one kind: which answer belongs to a request, and which step one was meant to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from trimtab.journal.entries import Erased, Intent, Logged, Result, Started, StepKind
from trimtab.journal.refusals import Ambiguous

MOST_COMPARED = 64
"""Recorded requests that one is held against to find the one it was meant to be: those nearest in size."""


class Step(Struct, frozen=True):
    """A recorded step: its intent at `seq`, and its result if there is one."""

    seq: int
    intent: Intent
    result: Result | None = None


class RecordedSteps:
    """The steps of a run of one kind, taken in entry by entry; `reached` is the last seq."""

    def __init__(self, run: str, kind: StepKind) -> None:
        self.run = run
        self.task = ""
        self.reached = 0
        self._kind = kind
        self._steps: dict[int, Step] = {}
        self._alike: dict[tuple[str, str], list[int]] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return f"RecordedSteps({self.run}, {len(self)} steps of kind {self._kind})"

    def take(self, entries: Iterable[Logged]) -> None:
        """Takes in further entries, in order; those that were taken before are passed over. An erasure leaves no step
        that could be asked for.
        """
        for logged in entries:
            if logged.seq <= self.reached:
                continue
            self.reached = logged.seq
            match logged.entry:
                case Started(task=task):
                    self.task = task
                case Intent() as intent if intent.step == self._kind:
                    self._steps[logged.seq] = Step(logged.seq, intent)
                    self._alike.setdefault((intent.label, intent.request), []).append(logged.seq)
                case Result() as result if result.of in self._steps:
                    step = self._steps[result.of]
                    self._steps[result.of] = Step(step.seq, step.intent, result)
                case Erased():
                    self._steps.clear()
                    self._alike.clear()

    def find(self, label: str, request: str, branch: str = "") -> Step | None:
        """The step whose answer this request gets; None where there is none. Raises `Ambiguous`.

        Steps in a branch of this name are preferred. An answer that came well is preferred to one that did not, since
        whoever got the other asked again. One whose client left before it began, or whose worker died, is none.
        """
        steps = [self._steps[seq] for seq in self._alike.get((label, request), ())]
        there = [step for step in steps if step.result is not None and not is_none(step.result)]
        there = [step for step in there if step.intent.branch == branch] or there
        good = [step for step in there if step.result is not None and step.result.outcome == "ok"]
        found = good or there
        if len({_answer(step) for step in found}) > 1:
            raise Ambiguous(run=self.run, label=label, count=len(found))
        return found[0] if found else None

    def near(self, label: str, size: int) -> Sequence[Step]:
        """The steps that a request of `size` bytes can have been meant to be: those with the label, or else all; the
        nearest in size first.
        """
        steps = [step for step in self._steps.values() if step.intent.label == label] or list(self._steps.values())
        steps.sort(key=lambda step: abs((step.intent.input.size if step.intent.input else 0) - size))
        return steps[:MOST_COMPARED]


def is_none(result: Result) -> bool:
    """Whether an answer had not begun when its client left, or its worker died."""
    return result.outcome == "cancelled" and not result.status


def _answer(step: Step) -> tuple[str, int, str]:
    result = step.result
    if result is None:
        return "", 0, ""
    return "" if result.output is None else result.output.digest, result.status, result.error


class Request(Struct, frozen=True):
    """A request as it was sent, and in its canonical form."""

    body: bytes
    shown: bytes


def nearest(asked: Request, recorded: Sequence[tuple[Step, Request]]) -> list[tuple[Step, Request]]:
    """The recorded requests that differ the least from this one: in the fewest bytes between what they have in common
    at their beginning and at their end. More than one where they differ alike.
    """
    apart = [min(_apart(asked.shown, request.shown), _apart(asked.body, request.body)) for _, request in recorded]
    return [one for one, far in zip(recorded, apart, strict=True) if far == min(apart)]


def _apart(a: bytes, b: bytes) -> int:
    most = min(len(a), len(b))
    front = _longest(most, lambda size: a[:size] == b[:size])
    back = _longest(most - front, lambda size: a[len(a) - size :] == b[len(b) - size :])
    return len(a) + len(b) - 2 * (front + back)


def _longest(most: int, holds: Callable[[int], bool]) -> int:
    """The greatest size up to `most` for which it holds, if it holds for all smaller ones."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
