"""How an evaluation reaches what it evaluates, and what it writes down: contracts that are handed in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Arm, Mark, Sample


class Request(Struct, frozen=True):
    """One call that is to be made: the body of a chat completion, and the labels it is recorded under."""

    evaluation: str
    arm: Arm
    case: str
    number: int
    task: str
    body: dict[str, Any]


class Asker(Protocol):
    """Makes calls through the gateway of an arm. Many threads may ask at once."""

    def ask(self, request: Request) -> Answer:
        """The answer, once it is settled and recorded; blocks.

        Raises `Wait` where it is to be asked again later, and `trimtab.errors.GatewayGone` where the gateway does not
        answer at all. A failure of the call itself is an `Answer` whose `outcome` says so.
        """
        ...

    def answered(self, evaluation: str) -> Iterable[tuple[Request, Answer]]:
        """What was asked before and is recorded with its answer: so a crash repeats no sample that was paid for."""
        ...


class Wait(Exception):
    """The gateway lets in no more for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


class Judge(Protocol):
    """Asks a judging model; the calls are recorded and paid for like others."""

    def judge(self, model: str, body: dict[str, Any], seed: int) -> Answer:
        """The judge's answer; blocks. Raises like `Asker.ask`."""
        ...


class Scoring(Protocol):
    """A scorer that is ready to work."""

    @property
    def name(self) -> str:
        """What its marks are called."""
        ...

    def mark(self, case: Case, answer: Answer) -> Mark:
        """What it makes of an answer. Never raises for what a model wrote: that is a 0, or None with a reason."""
        ...


class Pairing(Protocol):
    """A scorer that holds two answers to a case against each other, ready to work."""

    @property
    def name(self) -> str:
        """What its marks are called."""
        ...

    def compare(self, case: Case, base: Answer, candidate: Answer) -> tuple[Mark, Mark]:
        """The marks of both: 1 and 0 where one is better, a half each where neither is. Never raises like `mark`."""
        ...


class Samples(Protocol):
    """The samples of an evaluation, kept durably: what was added is there after a crash, once the method returns."""

    def add(self, sample: Sample) -> None:
        """Keeps an answer with its marks so far; a later one for the same arm, case and number takes its place."""
        ...

    def mark(self, arm: Arm, case: str, number: int, *marks: Mark) -> None:
        """Keeps marks of an answer that is kept; a later one of the same scorer takes its place."""
        ...

    def failed(self, sample: Sample) -> None:
        """Keeps a call that is made again, because its failure says nothing of the task."""
        ...

    def failures(self) -> tuple[Sample, ...]:
        """The calls that were made again."""
        ...

    def all(self) -> tuple[Sample, ...]:
        """All that were kept."""
        ...
