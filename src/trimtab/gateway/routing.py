"""Which replica a call asks: the one with the least to do among those that work, then the fallbacks in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Final, NamedTuple

from trimtab.declare.project import Model
from trimtab.errors import CircuitOpen
from trimtab.gateway.board import Board
from trimtab.guard import breaker
from trimtab.guard.outcome import Outcome

BYTES_PER_TOKEN: Final = 4
UNSAID_OUTPUT_TOKENS: Final = 512
"""What an answer is taken to cost a replica when the request does not bound it."""
LEAST_RETRY_AFTER_S: Final = 1.0
NOTHING_AVOIDED: Final[tuple[Set[int]]] = (frozenset(),)


class Choice(NamedTuple):
    """A replica that a call may ask. `column` is its place on the board, `trial` the number of the trial, or 0."""

    model: str
    replica: str
    column: int
    trial: int = 0


def estimate_tokens(request_bytes: int, max_output_tokens: int | None) -> int:
    """About how many tokens a call keeps a replica busy with; close enough to compare replicas by."""
    output = UNSAID_OUTPUT_TOKENS if max_output_tokens is None else max_output_tokens
    return request_bytes // BYTES_PER_TOKEN + output


class Router:
    """Chooses replicas for the calls of one worker under one snapshot, and tells the board what became of them.

    After `choose`, `started` follows with no await between, and `ended` exactly once. The models of a call are its
    task's model and the fallbacks; `tried` holds the choices that this call has made before. Several routers of one
    process may share its board: calls under an older snapshot end with the router they began with.
    """

    def __init__(self, board: Board, models: Mapping[str, Model], random: Callable[[], float]) -> None:
        """Names the replicas of `models` on the board; raises `StoreError` when that is full."""
        self._board = board
        self._random = random
        pairs = [(name, url) for name, model in models.items() for url in model.replicas]
        found: dict[str, list[Choice]] = {name: [] for name in models}
        for (name, url), column in zip(pairs, board.columns(pairs), strict=True):
            found[name].append(Choice(name, url, column))
        self._replicas = {name: tuple(choices) for name, choices in found.items()}
        self.replicas = tuple(choice for choices in found.values() for choice in choices)

    def choose(self, models: Sequence[str], tried: Sequence[Choice], now: float) -> Choice:
        """The replica to ask next.

        In the order of `models`: the least outstanding tokens among the closed replicas that this call has not tried,
        ties broken at random; or the trial of a half-open one, which a first attempt prefers, so that replicas come
        back, and a later one takes only for want of a closed one. When all that may be asked have been tried they are
        asked again, the latest only if there is no other. Raises `CircuitOpen` with the time to wait when none may be.
        """
        for avoided in _passes(tried):
            for model in models:
                choice = self._pick(model, avoided, now, trial_first=not tried)
                if choice is not None:
                    return choice
        raise CircuitOpen(model=models[0], retry_after_s=self._retry_after_s(models, now))

    def others(self, models: Sequence[str], tried: Sequence[Choice], now: float) -> bool:
        """Whether a replica is at hand that this call has not tried and may ask at once."""
        asked = {choice.column for choice in tried}
        return any(
            self._board.closed(choice.column) or self._board.trial_free(choice.column, now)
            for model in models
            for choice in self._replicas.get(model, ())
            if choice.column not in asked
        )

    def busy(self, most: int) -> list[str]:
        """The models each of whose replicas has that many calls, of all workers."""
        in_flight = self._board.in_flight
        return [
            model
            for model, choices in self._replicas.items()
            if all(in_flight(choice.column) >= most for choice in choices)
        ]

    def started(self, choice: Choice, tokens: int) -> int:
        """An attempt of about `tokens` tokens goes to the chosen replica; how many all workers have there with it."""
        self._board.acquire(choice.column, tokens)
        return self._board.in_flight(choice.column)

    def answered(self, choice: Choice, now: float) -> None:
        """The first content came: a trial has done its work and need not last as long as its answer."""
        if self._board.holds_trial(choice.column, choice.trial):
            self._board.worked(choice.column, now, trial=True)
            self._board.free_trial(choice.column)

    def ended(self, choice: Choice, tokens: int, outcome: Outcome, now: float) -> None:
        """The attempt is over: votes, frees its trial and takes back what `started` counted."""
        board, column = self._board, choice.column
        trial = board.holds_trial(column, choice.trial)
        vote = breaker.vote(outcome)
        if vote == "fails":
            board.failed(column, now, trial=trial)
        elif vote == "works":
            board.worked(column, now, trial=trial)
        if trial:
            board.free_trial(column)
        board.release(column, tokens)

    def _pick(self, model: str, avoided: Set[int], now: float, *, trial_first: bool) -> Choice | None:
        open_: list[Choice] = []
        closed: list[Choice] = []
        for choice in self._replicas.get(model, ()):
            if choice.column not in avoided:
                (closed if self._board.closed(choice.column) else open_).append(choice)
        if open_ and (trial_first or not closed):
            trial = self._trial(open_, now)
            if trial is not None:
                return trial
        return self._least_loaded(closed) if len(closed) > 1 else closed[0] if closed else None

    def _least_loaded(self, choices: Sequence[Choice]) -> Choice:
        best, least, ties = choices[0], -1, 0
        for choice in choices:
            tokens = self._board.outstanding_tokens(choice.column)
            if tokens < least or not ties:
                best, least, ties = choice, tokens, 1
            elif tokens == least:
                ties += 1
                if self._random() * ties < 1:
                    best = choice
        return best

    def _trial(self, held_back: Sequence[Choice], now: float) -> Choice | None:
        """The trial of the first of these that is half-open and has none."""
        for choice in held_back:
            number = self._board.claim_trial(choice.column, now)
            if number:
                return choice._replace(trial=number)
        return None

    def _retry_after_s(self, models: Sequence[str], now: float) -> float:
        choices = [choice for model in models for choice in self._replicas.get(model, ())]
        soonest = min((self._board.trial_at(choice.column, now) - now for choice in choices), default=0.0)
        return max(LEAST_RETRY_AFTER_S, soonest)

    def __repr__(self) -> str:
        states = {False: "held back", True: "closed"}
        places = (f"{c.model} {c.replica} {states[self._board.closed(c.column)]}" for c in self.replicas)
        return f"Router({'; '.join(places)})"


def _passes(tried: Sequence[Choice]) -> Sequence[Set[int]]:
    """The columns to avoid, first strictly and then less so: all that were tried, the latest, none."""
    if not tried:
        return NOTHING_AVOIDED
    return {choice.column for choice in tried}, {tried[-1].column}, frozenset()
