"""Drivers, persons, deploys and crashes around one action, in a random order, beside a model of what may happen."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

from tests.journal_runs.world import World
from trimtab.journal.asks import AskReview, Begin, Begun, Claim, Decide, Refused, Review, Reviews, Sweep, Written
from trimtab.journal.bindings import binding
from trimtab.journal.deciding import Choice, Said, decision
from trimtab.journal.entries import Asked, Decided, ReviewVerdict, body_of
from trimtab.journal.refusals import JournalRefusal

TOOL = "refund"
SCHEMA = '{"type":"object","properties":{"amount":{"type":"integer","maximum":999}},"required":["amount"]}'
HOUR_S = 3600.0


class Story:
    """One run. `went` counts effects by what they are bound to, `allowed` what persons approved of."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.draw = random.Random(number)
        self.run = f"s{number}"
        self.epoch = world.open(self.run, f"d{number}").epoch
        self.old_epochs: list[int] = []
        self.amount, self.lock, self.definition, self.requests = 5, "L0", "D0", 0
        self.bindings: list[str] = []
        self.seen: list[Review] = []
        self.waiting: dict[str, Review] = {}
        self.allowed: Counter[str] = Counter()
        self.went: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.of = self._step("step", "may I", "").seq
        self.ask()

    def play(self, length: int = 24) -> list[str]:
        """What went wrong in so many events; nothing if all is well."""
        acts = [
            self.ask, self.person, self.person, self.person, self.twice, self.stale, self.act, self.act, self.act,
            self.deploy, self.other_arguments, self.crash, self.restart, self.time, self.fenced,
        ]  # fmt: skip
        for _ in range(length):
            self.draw.choice(acts)()
        for binds in {*self.bindings, *self.allowed}:
            self._begin(binds)
        return self.wrong

    @property
    def binds(self) -> str:
        """What the action is bound to as it is now."""
        return binding(TOOL, self.definition, {"amount": self.amount}, self.lock)

    def ask(self) -> None:
        """The driver puts the action before a person; whatever waited under another binding is superseded."""
        binds, otherwise = self.binds, self.draw.choice(("approved", "rejected"))
        ask = AskReview(
            self.run,
            self.epoch,
            Asked(self.world.now, "", self.of, binds),
            body_of(json.dumps({"amount": self.amount}).encode()),
            expires_ns=self.world.now + int(self.draw.uniform(1, 20) * HOUR_S * 1e9),
            otherwise=otherwise,  # type: ignore[arg-type]
        )
        told = self.world.ask(ask)
        if not isinstance(told, Reviews):
            self.wrong.append(f"asking gave {told}")
            return
        (review,) = told.reviews
        self.bindings.append(binds)
        self.seen.append(review)
        if review.verdict is None and review.review not in self.waiting:
            self.waiting = {review.review: review}

    def person(self) -> None:
        """Somebody decides on something that they saw, lately or long ago."""
        self._decide(self.draw.choice(self.seen), self.draw.choice(("ana", "ben")))

    def twice(self) -> None:
        """Two persons decide at once."""
        review = self.seen[-1]
        self._decide(review, "ana")
        self._decide(review, "ben")

    def stale(self) -> None:
        """A decision comes that is bound to another action than its review: nothing may come of it."""
        review = self.draw.choice(self.seen)
        told = self.world.ask(Decide(Decided(self.world.now, review.review, "approved", "eve"), "0" * 64))
        if not isinstance(told, Refused):
            self.wrong.append("a decision on another action was taken")

    def act(self) -> None:
        """The driver, or a program gone astray, goes ahead with the action as it is now, or as it was once."""
        self._begin(self.draw.choice([self.binds, *self.bindings, *self.allowed]))

    def deploy(self) -> None:
        """Another lock, or another definition of the tool."""
        if self.draw.random() < 0.5:
            self.lock = f"L{self.draw.randrange(5)}"
        else:
            self.definition = f"D{self.draw.randrange(3)}"

    def other_arguments(self) -> None:
        """The action changes."""
        self.amount = self.draw.randrange(1, 9)

    def crash(self) -> None:
        """The driver dies, and another one takes the run over."""
        self.world.clock.advance(31.0)
        lease = self.world.ask(Claim(f"d{self.draw.random()}", self.run))
        self.old_epochs.append(self.epoch)
        self.epoch = lease.epoch  # type: ignore[union-attr]

    def restart(self) -> None:
        """The writer of the journal restarts."""
        if self.draw.random() < 0.2:
            self.world.again()

    def time(self) -> None:
        """Hours go by; what expires is decided as was declared."""
        self.world.clock.advance(self.draw.uniform(0, 8) * HOUR_S)
        self.world.ask(Sweep())
        for review in list(self.waiting.values()):
            if review.expires_ns is not None and review.expires_ns <= self.world.now:
                self._settled(review.review, review.otherwise, review.binds)

    def fenced(self) -> None:
        """A driver that was taken for dead wakes up."""
        if not self.old_epochs:
            return
        told = self.world.ask(self._beginning(self.draw.choice(self.old_epochs), self.binds))
        if not isinstance(told, Refused) or told.error != "LeaseLost":
            self.wrong.append("a driver that lost its lease acted")

    def _decide(self, review: Review, by: str) -> None:
        choice: Choice = self.draw.choice(("approve", "edit", "reject"))
        amount = self.draw.choice((1, 500, 1000))
        said = Said(choice, by, "operator", review.binds, "so it is", json.dumps({"amount": amount}))
        try:
            ask = decision(review, said, (SCHEMA,), self.world.now)
        except JournalRefusal:
            if review.verdict is None and not (choice == "edit" and amount == 1000):
                self.wrong.append("a good decision was refused")
            return
        if choice == "edit" and amount == 1000:
            self.wrong.append("an edit was taken that the schema forbids")
        told = self.world.ask(ask)
        taken = isinstance(told, Written) and told.changed
        if taken != (review.review in self.waiting):
            self.wrong.append(f"{choice} of a review that {'waits' if not taken else 'is decided'} gave {told}")
        if taken:
            decided = ask.decided
            self._settled(review.review, decided.verdict, decided.binds or review.binds)

    def _settled(self, review: str, verdict: ReviewVerdict, binds: str) -> None:
        self.waiting.pop(review, None)
        if verdict in ("approved", "edited"):
            self.allowed[binds] += 1

    def _begin(self, binds: str) -> None:
        told = self.world.ask(self._beginning(self.epoch, binds))
        went = isinstance(told, Begun) and told.found == "go"
        if went != (self.went[binds] < self.allowed[binds]):
            self.wrong.append(f"an action that {'was not' if went else 'was'} approved of gave {told}")
        if went:
            self.went[binds] += 1

    def _beginning(self, epoch: int, binds: str, step: Any = "tool", label: str = "pay") -> Begin:
        self.requests += 1
        return Begin(self.run, epoch, step, label, f"{self.requests:08x}", effect="write", tool=TOOL, binds=binds)

    def _step(self, step: Any, label: str, binds: str) -> Begun:
        told = self.world.ask(self._beginning(self.epoch, binds, step, label))
        assert isinstance(told, Begun), told
        return told
