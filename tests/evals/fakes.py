"""What an evaluation is handed in its tests: an asker that follows a function, and scorers that are plain."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.asking import Request
from trimtab.evals.case import Case
from trimtab.evals.plan import ArmPlan, Plan
from trimtab.evals.sample import Answer, Arm, Mark

Key = tuple[Arm, str, int]
ARMS: tuple[Arm, Arm] = ("base", "candidate")


def plan(cases: int, samples: int = 1, arms: Sequence[Arm] = ARMS, concurrency: int = 4) -> Plan:
    """A plan of so many cases, asked in the order of their numbers."""
    return Plan(
        id="0199",
        task="triage",
        at_ns=1,
        suite=Evals(samples=samples, scorers=(Scorer("exact", "exact"),), concurrency=concurrency),
        data_set="tasks/triage/cases",
        cases="sha256:c",
        order=tuple(f"case-{number:03}" for number in range(cases)),
        arms=tuple(ArmPlan(arm, arm) for arm in arms),
    )


def cases_of(plan: Plan) -> dict[str, Case]:
    """A case for each of a plan's."""
    return {case: Case(case, {"text": case}, expected="yes") for case in plan.order}


def key_of(request: Request) -> Key:
    """What is asked."""
    return request.arm, request.case, request.number


def answer(request: Request, cost_usd: float | None = 0.01) -> Answer:
    """An answer that follows from what is asked, under a call id that does too."""
    text = "yes" if request.body["seed"] % 3 else "no"
    return Answer(f"{request.arm}/{request.case}/{request.number}", "ok", text, status=200, cost_usd=cost_usd)


class FakeAsker:
    """Answers by a function, and counts what it is asked."""

    def __init__(
        self, answers: Callable[[Request], Answer] = answer, before: Iterable[tuple[Request, Answer]] = ()
    ) -> None:
        self._answers = answers
        self._before = tuple(before)
        self._lock = threading.Lock()
        self.asked: Counter[Key] = Counter()
        self.order: list[Key] = []
        self.open = 0
        self.most_open = 0

    def ask(self, request: Request) -> Answer:
        """Follows the function."""
        with self._lock:
            self.asked[key_of(request)] += 1
            self.order.append(key_of(request))
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            return self._answers(request)
        finally:
            with self._lock:
                self.open -= 1

    def answered(self, evaluation: str) -> Iterable[tuple[Request, Answer]]:
        """What it was given."""
        return [(request, found) for request, found in self._before if request.evaluation == evaluation]


class Exact:
    """1 for the expected text."""

    def __init__(self, name: str = "exact", cost_usd: float = 0.0) -> None:
        self.name = name
        self._cost_usd = cost_usd
        self.marked: list[str] = []

    def mark(self, case: Case, answer: Answer) -> Mark:
        """Compares."""
        self.marked.append(answer.call)
        return Mark(self.name, float(answer.text == case.expected), cost_usd=self._cost_usd)


class Longer:
    """The longer of two answers is better."""

    name = "longer"

    def __init__(self) -> None:
        self.compared: list[tuple[str, str]] = []

    def compare(self, case: Case, base: Answer, candidate: Answer) -> tuple[Mark, Mark]:
        """Compares lengths."""
        self.compared.append((base.call, candidate.call))
        better = len(base.text) > len(candidate.text)
        same = len(base.text) == len(candidate.text)
        return Mark("", 0.5 if same else float(better)), Mark("", 0.5 if same else float(not better))
