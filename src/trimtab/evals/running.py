"""Makes the calls of a plan: many at a time, none twice, within a budget, and again where not the task failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.errors import DataInvalid, EvaluationStuck, GatewayGone
from trimtab.evals.asking import Asker, Pairing, Request, Samples, Scoring, Wait
from trimtab.evals.book import Book, Stop, calls_of, costs_of, key_at, take_up
from trimtab.evals.case import Case
from trimtab.evals.cases import body
from trimtab.evals.dispatch import Bound, Dispatch, Limits
from trimtab.evals.kept_samples import Key, key_of
from trimtab.evals.plan import Cell, Plan
from trimtab.evals.progress import Outcome, Pace, Progress
from trimtab.evals.sample import Mark, Sample

LOOK_S: Final = 0.25
"""How often progress is told, and at the latest looked whether a wait is over."""


def run(  # noqa: PLR0913  each is handed in by the one place that joins them
    plan: Plan,
    cases: Mapping[str, Case],
    asker: Asker,
    scorings: Sequence[Scoring],
    kept: Samples,
    clock: Clock,
    *,
    limits: Limits | None = None,
    pairings: Sequence[Pairing] = (),
    bound: Bound | None = None,
    stop: Stop | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Asks what is not there yet, marks it and keeps it; returns when all is there, or it was stopped.

    What `asker` tells was answered before is taken from there. Samples that failed in an earlier run are asked again.
    Ctrl-C lets the open calls end, and then returns with `interrupted`; a second one does not wait. Raises
    `EvaluationStuck` where nothing is answered any more, `DataInvalid` where `cases` lacks one of the plan, and what
    `kept` and `scorings` raise; what was kept stays, and the same call goes on there.
    """
    missing = next((case for case in plan.order if case not in cases), None)
    if missing is not None:
        raise DataInvalid(name=plan.data_set, detail=f"it has no case {missing}, which the plan asks")
    take_up(plan, asker, kept)
    limits = limits or Limits(plan.suite.concurrency, plan.suite.budget_usd)
    paired = tuple(pairings) if len(plan.arms) > 1 else ()
    parts = _Parts(plan, cases, asker, tuple(scorings), paired, kept, clock)
    return _Run(parts, limits, bound or _unknown, stop).run(progress)


def _unknown(_: Cell) -> None:
    return None


class _Parts(NamedTuple):
    """What a run works with."""

    plan: Plan
    cases: Mapping[str, Case]
    asker: Asker
    scorings: tuple[Scoring, ...]
    pairings: tuple[Pairing, ...]
    kept: Samples
    clock: Clock


class _Run:
    """One run: the threads that ask, and what they share under one lock, which is also how they wait."""

    def __init__(self, parts: _Parts, limits: Limits, bound: Bound, stop: Stop | None) -> None:
        self._parts = parts
        self._stop = stop
        self._changed, self._telling = threading.Condition(), threading.Lock()
        self._failure: BaseException | None = None
        self._finished: list[str] = []
        self._working = 0
        now, kept = parts.clock.monotonic(), parts.kept
        self._book = Book(parts.plan, [one.name for one in parts.scorings], [one.name for one in parts.pairings])
        left = self._book.begin(kept.all())
        self._before, self._began = self._book.ended, now
        costs = list(costs_of((*kept.all(), *kept.failures()), bound))
        self._unpriced = sum(not known for _, known in costs)
        dearest = max((cost for cost, known in costs if known), default=None)
        self._dispatch = Dispatch(left, limits, bound, now, sum(cost for cost, _ in costs), dearest)
        self._pace = Pace(parts.plan.calls, self._before, now)

    def run(self, progress: Callable[[Progress], None] | None) -> Outcome:
        """Starts the threads, waits for them and tells how it goes."""
        self._tell_finished()
        self._working = min(self._dispatch.limits.concurrency, self._parts.plan.calls - self._before)
        for _ in range(self._working):
            threading.Thread(target=self._work, daemon=True).start()
        while self._working:
            try:
                with self._changed:
                    self._changed.wait_for(self._is_over, LOOK_S)
                self._show(progress)
            except BaseException as failure:  # noqa: BLE001  raised once the open calls have ended
                self._halt(failure)
        if self._failure is not None:
            raise self._failure
        self._show(progress)
        return self._outcome()

    def _is_over(self) -> bool:
        return not self._working

    def _show(self, progress: Callable[[Progress], None] | None) -> None:
        if progress is not None:
            with self._changed:
                now = self._parts.clock.monotonic()
                told = self._pace.progress(self._dispatch, self._book.ended, self._unpriced, now)
            progress(told)

    def _halt(self, failure: BaseException) -> None:
        """Ends for Ctrl-C, or for what is raised once the open calls have ended; raises where those do not count."""
        with self._changed:
            if isinstance(failure, KeyboardInterrupt) and self._dispatch.stopped == "interrupted":
                raise failure
            if not isinstance(failure, KeyboardInterrupt):
                self._failure = self._failure or failure
            self._dispatch.stop("interrupted")
            self._changed.notify_all()

    def _outcome(self) -> Outcome:
        everything = (*self._parts.kept.all(), *self._parts.kept.failures())
        return Outcome(
            samples=tuple(sample for case in self._finished for sample in self._book.of_case(case)),
            cases=tuple(self._finished),
            stopped="" if len(self._finished) == len(self._parts.plan.order) else self._dispatch.stopped,
            calls=calls_of(everything),
            failed=self._pace.failed,
            retried=self._dispatch.retried,
            kept=self._before,
            spent_usd=self._dispatch.spent_usd,
            unpriced=self._unpriced + self._dispatch.unpriced,
            duration_s=self._parts.clock.monotonic() - self._began,
        )

    def _work(self) -> None:
        try:
            while (cell := self._take()) is not None:
                self._one(cell)
        except BaseException as failure:  # noqa: BLE001  raised by the thread that waits for all
            self._halt(failure)
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _take(self) -> Cell | None:
        """The next call, once its time has come; None at the end. Raises `EvaluationStuck`."""
        with self._changed:
            while True:
                now = self._parts.clock.monotonic()
                why = self._dispatch.stuck(now)
                if why:
                    silent = self._dispatch.silent_s(now)
                    raise EvaluationStuck(waited_s=silent, detail=why, id=self._parts.plan.id)
                step = self._dispatch.next(now)
                if step is None or isinstance(step, Cell):
                    return step
                self._changed.wait(min(step, LOOK_S))

    def _one(self, cell: Cell) -> None:
        """One call, from the question to the last mark. An answer that is there already is not asked for."""
        with self._changed:
            sample = self._book.sample(cell)
        try:
            if sample is None:
                sample = self._ask(cell)
            if sample is not None:
                self._mark(cell, sample)
        except Wait as wait:
            seconds = wait.seconds
            self._then(lambda now: self._dispatch.wait(cell, seconds, now))
        except GatewayGone as gone:
            why = str(gone)
            self._then(lambda now: self._dispatch.gone(cell, now, why))
        self._tell_finished()

    def _ask(self, cell: Cell) -> Sample | None:
        """An answer that is kept, or None where the call failed."""
        plan = self._parts.plan
        asked = body(self._parts.cases[cell.case], plan.task, cell.seed)
        answer = self._parts.asker.ask(Request(plan.id, cell.arm, cell.case, cell.number, plan.task, asked))
        sample = Sample(cell.arm, cell.case, cell.number, cell.seed, answer)
        if not answer.is_ours:
            self._fail(cell, sample)
            return None
        self._parts.kept.add(sample)
        with self._changed:
            self._book.put(sample)
            self._dispatch.pay(cell, answer.cost_usd)
        return sample

    def _fail(self, cell: Cell, sample: Sample) -> None:
        answer = sample.answer
        why = f"{answer.outcome}: {answer.detail}" if answer.detail else answer.outcome
        with self._changed:
            again = self._dispatch.may_again(cell, answer)
            self._dispatch.pay(cell, answer.cost_usd)
        if again:
            self._parts.kept.failed(sample)
            self._then(lambda now: self._dispatch.again(cell, now, why))
            return
        self._parts.kept.add(sample)
        with self._changed:
            self._book.put(sample)
            self._book.end(cell)
            self._pace.ended(self._parts.clock.monotonic(), failed=True)
        self._then(lambda now: self._dispatch.failed(cell, now, why))

    def _mark(self, cell: Cell, sample: Sample) -> None:
        """The marks of a sample by itself, and those of it and its counterpart together."""
        case, key = self._parts.cases[cell.case], key_at(cell)
        with self._changed:
            lacking = self._book.lacking(sample)
        free = []
        for scoring in self._parts.scorings:
            if scoring.name in lacking:
                mark = replace(scoring.mark(case, sample.answer), scorer=scoring.name)
                if mark.call or mark.cost_usd:
                    self._keep(cell, key, mark)
                else:
                    free.append(mark)
        self._keep(cell, key, *free)
        self._compare(cell, case)
        with self._changed:
            self._book.end(cell)
            self._pace.ended(self._parts.clock.monotonic(), failed=False)
        self._then(lambda now: self._dispatch.done(cell, now))

    def _compare(self, cell: Cell, case: Case) -> None:
        with self._changed:
            pair = self._book.compare(cell)
        if pair is None:
            return
        try:
            there = {mark.scorer for mark in pair[0].marks} & {mark.scorer for mark in pair[1].marks}
            for pairing in self._parts.pairings:
                if pairing.name not in there:
                    marks = pairing.compare(case, pair[0].answer, pair[1].answer)
                    for one, mark in zip(pair, marks, strict=True):
                        self._keep(cell, key_of(one), replace(mark, scorer=pairing.name))
        except BaseException:
            with self._changed:
                self._book.release(cell)
            raise

    def _keep(self, cell: Cell, key: Key, *marks: Mark) -> None:
        if marks:
            self._parts.kept.mark(*key, *marks)
            with self._changed:
                self._book.mark(key, *marks)
                self._dispatch.pay(cell, sum(mark.cost_usd for mark in marks))

    def _then(self, tell: Callable[[float], None]) -> None:
        """Tells how a call ended, and wakes those that wait for it."""
        with self._changed:
            tell(self._parts.clock.monotonic())
            self._changed.notify_all()

    def _tell_finished(self) -> None:
        """Asks after each finished case, in the order of the plan, whether enough is known."""
        with self._telling:
            while True:
                with self._changed:
                    enough = self._dispatch.stopped == "early"
                    case = None if enough else self._book.turn()
                    samples = self._book.of_case(case) if case is not None else ()
                if case is None:
                    return
                self._finished.append(case)
                if self._stop is not None and self._stop(case, samples):
                    with self._changed:
                        self._dispatch.stop("early")
                        self._changed.notify_all()
