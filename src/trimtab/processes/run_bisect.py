"""The step of a run that decided how it ended: forks at its steps are driven anew, and judged.

Each trial is a fork, and what came of it stands in the log of the search, which is a run too: a search that was
interrupted goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from trimtab.console.run_desk import Wanted
from trimtab.data.drawn import MOST_CASE_BYTES
from trimtab.data.spoken import answered
from trimtab.errors import TrimtabError
from trimtab.journal.asks import Note, Open
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import Ended, Started, State, body_of
from trimtab.journal.reading import body_read, log_read, row_of
from trimtab.journal.refusals import RunUnknown
from trimtab.journal.steps import Log, Step
from trimtab.processes.run_acts import forked, ordered
from trimtab.statistics.turning import Next, Tally, Turning, following, turning

EFFECTS: Final = frozenset({"write", "idempotent"})
MOST_UNUSED: Final = 3
"""Trials in a row that tell nothing, after which the search gives up."""


class NoBisect(TrimtabError):
    """Run {run} cannot be searched so: {detail}."""


class Facts(Struct, frozen=True):
    """What a trial came to, for whoever judges it: the command's exit status and output, and what the fork came to."""

    exit: int
    stdout: str
    answer: object = None
    output: object = None
    state: str = ""
    error: str = ""


class Driven(Struct, frozen=True):
    """How a program drove a fork: `recorded` are the steps of models that it was answered from before the fork."""

    exit: int
    stdout: str
    recorded: int
    refused: str = ""


class Trial(Struct, frozen=True):
    """A trial in the log of a search: at which step, in which fork, and how it ended; `good` is None for one that
    tells nothing, with why.
    """

    step: int
    fork: str
    good: bool | None
    calls: int = 0
    cost_pusd: int = 0
    why: str = ""


class PlaceTried(Struct, frozen=True):
    """A step at which forks were made, and how many of them ended well."""

    step: int
    label: str
    good: int
    trials: int


class Found(Struct, frozen=True):
    """What a search came to. `step` is the one that decided, 0 where none is known; `told` says it in words."""

    run: str
    search: str
    step: int
    label: str
    sure: Turning | None
    confidence: float
    places: tuple[PlaceTried, ...]
    steps: int
    trials: int
    unused: int
    calls: int
    cost_pusd: int
    told: str


ASKS_NONE = {
    True: "do its calls go to OPENAI_BASE_URL?",
    False: "is it a worker that takes up what waits, work(agent, until_idle=True)?",
}
"""What a command that did nothing is asked, by whether the run was made of calls to the gateway alone."""


class Program(Protocol):
    """Whatever drives a fork once."""

    def drive(self, fork: str, fork_seq: int, allowed: Callable[[int], str]) -> Driven:
        """Drives it to its end; `allowed` says before each call why no more may be made, if so, when so many were."""


class Limits(Struct, frozen=True):
    """How far a search goes: trials at a step, confidence, calls of models and picodollars in all; None is no limit."""

    samples: int = 10
    confidence: float = 0.95
    most_calls: int | None = None
    most_pusd: int | None = None
    every: bool = False
    effects: bool = False


class Search:
    """One search. `judge` tells whether what a trial came to is good; `name` is that of the search's own run."""

    def __init__(
        self,
        journal: BlockingAsking,
        run: str,
        name: str,
        program: Program,
        judge: Callable[[Facts], bool],
        limits: Limits,
        now_ns: Callable[[], int],
    ) -> None:
        self._journal, self._program, self._judge = journal, program, judge
        self._limits, self._now_ns = limits, now_ns
        self._log = log_read(journal, run)
        self._name = name
        self._places = places_of(self._log, effects=limits.effects)
        self._trials = self._begun()

    def __repr__(self) -> str:
        return f"Search({self._name}, {len(self._trials)} trials)"

    def all(self, heard: Callable[[Trial], None]) -> Found:
        """Makes trials until there is an answer, or no more may be made. Raises `NoBisect`."""
        limits = self._limits
        while True:
            wanted = following(
                self._tallies(), len(self._places), limits.samples, limits.confidence, every=limits.every
            )
            if wanted.place is None:
                return self._found(wanted, "")
            stopped = self._spent()
            if stopped:
                return self._found(Next(None), stopped)
            trial = self._try(self._places[wanted.place])
            self._keep(trial)
            heard(trial)
            if trial.good is None and self._spent():
                continue
            latest = self._trials[-MOST_UNUSED:]
            if len(latest) == MOST_UNUSED and all(one.good is None for one in latest):
                raise NoBisect(run=self._log.run, detail=f"{MOST_UNUSED} trials in a row told nothing: {trial.why}")

    # A trial

    def _try(self, place: Step) -> Trial:
        fork = self._new_fork(place.seq)
        made = forked(self._journal, Wanted(self._log.run, fork, place.seq), self._now_ns())
        before = sum(1 for step in self._log.steps if step.intent.call and step.seq < place.seq)
        try:
            driven = self._program.drive(fork, place.seq, lambda made: self._spent(fork, made))
        finally:
            ended = self._close(fork, made.through)
        log, row = log_read(self._journal, fork), row_of(self._journal, fork)
        calls = live_calls(log, place.seq)
        good, why = None, driven.refused
        if not why and not calls:
            why = f"the command asked no model; {ASKS_NONE[made.through == 'gateway']}"
        elif not why and made.through == "gateway" and driven.recorded < before:
            why = f"it did not repeat what came before: {driven.recorded} of {before} calls were the recorded ones"
        elif not why and not ended:
            why = "the command ended before its fork had; is it a worker that goes on until nothing is left?"
        if not why:
            good = self._judge(self._facts(driven, log, row.state, row.error))
            why = f"exit status {driven.exit}"
        return Trial(place.seq, fork, good, calls, row.cost_pusd, why)

    def _close(self, fork: str, through: str) -> bool:
        """Sees to it that nobody goes on with a fork; whether it had ended, which one of calls alone never has."""
        if log_read(self._journal, fork).ended is not None:
            return True
        if through == "gateway":
            self._journal.do(Note(fork, 0, Ended(self._now_ns(), "completed")))
            return True
        ordered(self._journal, "stop", "bisect", "its trial is over", run=fork)
        return False

    def _facts(self, driven: Driven, log: Log, state: str, error: str) -> Facts:
        answers = [step.result.output for step in log.steps if step.intent.step == "model" and step.result is not None]
        said = answered(body_read(self._journal, log.run, answers[-1]), MOST_CASE_BYTES) if answers else None
        output = body_read(self._journal, log.run, log.ended.output) if log.ended is not None else None
        return Facts(driven.exit, driven.stdout, said, _json(output), state, error)

    def _new_fork(self, seq: int) -> str:
        """The next id that is not taken: one that was begun and interrupted is left."""
        number = sum(1 for one in self._trials if one.step == seq)
        while True:
            number += 1
            fork = f"{self._name}.{seq}.{number}"
            try:
                row_of(self._journal, fork)
            except RunUnknown:
                return fork

    # What is kept

    def _begun(self) -> list[Trial]:
        """The trials of the search so far; begins it where there is none."""
        started = self._log.started
        task = started.task if started is not None else ""
        self._journal.do(Open(self._name, Started(self._now_ns(), task, "bisect", through="gateway")))
        states = [one.entry for one in log_read(self._journal, self._name).others if isinstance(one.entry, State)]
        read = (body_read(self._journal, self._name, state.value) for state in states)
        return [msgspec.json.decode(content, type=Trial) for content in read if content is not None]

    def _keep(self, trial: Trial) -> None:
        self._trials.append(trial)
        content = msgspec.json.encode(trial)
        body = body_of(content)
        state = State(self._now_ns(), f"trial {len(self._trials)}", body)
        self._journal.do(Note(self._name, 0, state, content if body.inline is None else b""))

    def _tallies(self) -> dict[int, Tally]:
        number = {step.seq: place for place, step in enumerate(self._places)}
        found: dict[int, Tally] = {}
        for trial in self._trials:
            if trial.good is not None and trial.step in number:
                tally = found.get(number[trial.step], Tally())
                found[number[trial.step]] = Tally(tally.good + trial.good, tally.trials + 1)
        return found

    # What it may cost

    def _spent(self, fork: str = "", made: int = 0) -> str:
        """Why no more calls may be made, with the `made` of a fork that is driven now; empty where they may."""
        limits = self._limits
        calls, cost = sum(one.calls for one in self._trials), sum(one.cost_pusd for one in self._trials)
        if fork and (limits.most_calls is not None or limits.most_pusd is not None):
            log = log_read(self._journal, fork)
            calls += max(made, live_calls(log, log.started.fork_seq if log.started is not None else 0))
            cost += row_of(self._journal, fork).cost_pusd
        if limits.most_calls is not None and calls >= limits.most_calls:
            return f"{calls} calls of models were made, and {limits.most_calls} are allowed"
        if limits.most_pusd is not None and cost >= limits.most_pusd:
            return f"{cost / 1e12:.4f} USD were spent, and {limits.most_pusd / 1e12:.4f} are allowed"
        return ""

    def _found(self, wanted: Next, stopped: str) -> Found:
        tallies, places, confidence = self._tallies(), self._places, self._limits.confidence
        sure = turning(tallies, wanted.at, len(places), confidence) if wanted.at >= 0 else None
        step = places[wanted.at] if wanted.at >= 0 else None
        used = Counter(one.good is None for one in self._trials)
        return Found(
            run=self._log.run,
            search=self._name,
            step=step.seq if step is not None else 0,
            label=step.intent.label if step is not None else "",
            sure=sure,
            confidence=confidence,
            places=tuple(
                PlaceTried(places[place].seq, places[place].intent.label, *tally)
                for place, tally in sorted(tallies.items())
            ),
            steps=len(places),
            trials=used[False],
            unused=used[True],
            calls=sum(one.calls for one in self._trials),
            cost_pusd=sum(one.cost_pusd for one in self._trials),
            told=_told(step, sure, confidence, stopped),
        )


def _told(step: Step | None, sure: Turning | None, confidence: float, stopped: str) -> str:
    if stopped:
        return f"Nothing is known yet: {stopped}. Searched again with more, it goes on from here."
    if step is None or sure is None:
        return "Not even fresh answers from the first step on bring the outcome back: what decided lies before it."
    named = f"step {step.seq} ({step.intent.label})"
    if sure.p_value > 1 - confidence:
        return f"It looks like {named}, which is not settled (p {sure.p_value:.2g}); ask for more samples."
    later = "" if sure.falling else " Shares rose again later on: others may have decided too; --every tries them all."
    return f"It was decided at {named}: asked anew there the outcome comes back, behind it no more.{later}"


def places_of(log: Log, *, effects: bool = False) -> tuple[Step, ...]:
    """The steps of models at which a run is forked, in order. Raises `NoBisect` for a run that has none, and for one
    whose trials would do effects again.
    """
    places = tuple(step for step in log.steps if step.intent.step == "model" and step.result is not None)
    if not places:
        raise NoBisect(run=log.run, detail="it asked no model, so that nothing could be answered otherwise")
    done = [step for step in log.steps if step.intent.effect in EFFECTS and step.intent.step == "tool"]
    behind = [step for step in done if step.seq > places[0].seq]
    if behind and not effects:
        named = ", ".join(f"{step.seq} ({step.intent.label})" for step in behind[:5])
        detail = f"each trial would do again what steps {named} do; have the command use stand-ins, and say --effects"
        raise NoBisect(run=log.run, detail=detail)
    return places


def live_calls(log: Log, fork_seq: int) -> int:
    """The calls of models that a fork made itself."""
    return sum(1 for step in log.steps if step.intent.step == "model" and step.seq >= fork_seq)


def _json(content: bytes | None) -> object:
    try:
        return msgspec.json.decode(content) if content else None
    except (msgspec.DecodeError, RecursionError):
        return None
