"""Suites are asked of the live system on their schedules, through the gateway that serves users.

A slot of time is taken once, with the cases that are asked in it; what is asked is noted before, so that neither a
crash nor a restart asks it twice. Once all of a slot is answered, recorded and marked, each scorer's past says whether
cases pass less often than they did. What a slot did not get done before the next one is let go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from trimtab.clock import Clock
from trimtab.declare.evaluating import Evals, Schedule
from trimtab.errors import StoreError, TrimtabError, UpstreamError
from trimtab.evals.case import Case
from trimtab.evals.cases import body
from trimtab.evals.continuous import PASSED, Result, Watched, after, resolved, worst
from trimtab.evals.plan import seed_of
from trimtab.evals.sample import Answer
from trimtab.evals.scheduled import chosen, slot_of
from trimtab.journal.evaluations import Ask, LiveEvaluations, Monitored, Slot, State
from trimtab.policy.watch import Watch
from trimtab.processes.changes import Changes
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.evaluation_suite import LiveSuite, LiveSuites
from trimtab.processes.logs import event
from trimtab.processes.resend import Ask as Gateway
from trimtab.processes.resend import Told
from trimtab.record.events import OK as GOOD
from trimtab.record.events import Score, Settled
from trimtab.signals.alerts.alert import Alert
from trimtab.signals.alerts.monitors import Place
from trimtab.signals.scores import about, score_id
from trimtab.statistics.sequential import Decision

EVERY_S: Final = 5.0
AT_ONCE: Final = 4
"""Cases asked at a time: users' calls come first."""
MOST_ANSWER_BYTES: Final = 4 << 20
MOST_KEPT_BYTES: Final = 64 << 20
"""Of one answer, and of all that are to be marked; more is read from the bodies that are kept of calls."""
RECORDED_S: Final = 900.0
"""How long an answered call may take to be stored; after that it counts as failed."""
KEPT_S: Final = 7 * 86_400
DAY_S: Final = 86_400
MINUTE_NS: Final = 60_000_000_000
OK: Final = 200
LATER: Final = frozenset({429, 503})
RULE: Final = "evaluation_falls"
PREFIX: Final = "evaluation:"
"""What stands before a scorer's name in scores, so that none is taken for another judgement."""
CANARY: Final = "(canary) "

log = logging.getLogger("trimtab.control")
T = TypeVar("T")

_watched = msgspec.msgpack.Decoder(Watched)


class Fallen(NamedTuple):
    """That the cases of a task pass less often by a scorer than they did, with the calls that show it."""

    task: str
    scorer: str
    decision: Decision
    found: int
    worst: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationParts:
    """What scheduled evaluations work with.

    `answer` makes an answer of a recorded call and its body, `alert` tells the alert of a place, if there is one.
    """

    open_store: Callable[[], LiveEvaluations]
    watch: Callable[[], Watch]
    suites: LiveSuites
    ask: Gateway
    answer: Callable[[Settled, bytes], Answer]
    changes: Changes
    alert: Callable[[Place], Awaitable[Alert | None]]
    clock: Clock


class EvaluationWatch:
    """The scheduled evaluations of one host. `run` works until it is cancelled."""

    def __init__(self, parts: EvaluationParts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evaluations")
        self._askers = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="evaluation")
        self._store: LiveEvaluations | None = None
        self._monitors: dict[tuple[str, str], Watched] = {}
        self._bodies: dict[str, bytes] = {}
        self._trouble: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"EvaluationWatch({len(self._monitors)} scorers, {len(self.fallen())} fallen)"

    def fallen(self) -> tuple[Fallen, ...]:
        """What passes less often than it did."""
        return tuple(
            Fallen(one.task, one.scorer, one.decision, one.alarmed, worst(one))
            for one in list(self._monitors.values())
            if one.decision is not None
        )

    def monitors(self, task: str) -> tuple[Watched, ...]:
        """What is known of the scorers of a task."""
        return tuple(one for key, one in sorted(self._monitors.items()) if key[0] == task)

    async def run(self, desk: Desk) -> None:
        """Evaluates as scheduled, and hears what people say of its alarms."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._for_ever(lambda: self.step(desk)))
                group.create_task(self._for_ever(self.hear))
        finally:
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)
            self._askers.shutdown(wait=False, cancel_futures=True)

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except StoreError as failure:
                self._say("", str(failure))
            except Exception:
                log.exception("evaluation_broke")
            await asyncio.sleep(EVERY_S)

    async def step(self, desk: Desk) -> None:
        """Looks at each task that has a schedule. Raises `StoreError`."""
        store = await self._do(self._opened)
        watch = self._parts.watch()
        scheduled = {name: one.evals for name, one in watch.tasks.items() if one.evals and one.evals.schedule}
        if watch.digest:
            await self._do(self._drop, store, lambda one: one.task not in scheduled)
            await self._do(self._parts.suites.retain, scheduled)
        for task, evals in sorted(scheduled.items()):
            try:
                start_s = self._start_s(evals)
                suite = await self._do(self._parts.suites.read, task, evals, start_s)
                await self._evaluate(desk, store, suite, start_s)
                self._trouble.pop(task, None)
            except StoreError:
                raise
            except TrimtabError as wrong:
                self._say(task, str(wrong))

    async def hear(self) -> None:
        """What people said of alarms: an alert that they resolved is one no more. Raises `StoreError`."""
        for one in [found for found in list(self._monitors.values()) if found.alarmed]:
            alert = await self._parts.alert(place_of(one.task, one.scorer))
            if alert is None or alert.is_active or not alert.by or alert.ended_ns < one.alarmed * MINUTE_NS:
                continue
            await self._do(self._resolve, one, alert.accepted)

    def _resolve(self, one: Watched, accepted: bool) -> None:
        key = one.task, one.scorer
        if self._monitors.get(key) is one:
            fresh = resolved(one, accepted=accepted)
            self._opened().keep(_stored(fresh))
            self._monitors[key] = fresh

    def _start_s(self, evals: Evals) -> int:
        """When the slot began that it is now."""
        every_s = (evals.schedule or Schedule()).every_s
        return int(slot_of(self._clock.wall_ns() / 1e9, every_s) * every_s)

    async def _evaluate(self, desk: Desk, store: LiveEvaluations, suite: LiveSuite, start_s: int) -> None:
        """Goes on with what is open of a task, and takes the slot that has begun."""
        current = Slot(suite.task, start_s, suite.about)
        await self._do(self._take, store, suite, current)
        for slot in await self._do(store.open_slots, suite.task):
            is_over = slot != current
            asks = await self._do(store.asks, slot)
            if not is_over:
                await self._ask_all(store, suite, slot, [one for one in asks if one.state == "planned"])
                asks = await self._do(store.asks, slot)
            await self._mark_all(desk, store, suite, slot, [one for one in asks if one.state == "answered"])
            await self._do(self._end, store, suite, slot, is_over)

    def _take(self, store: LiveEvaluations, suite: LiveSuite, slot: Slot) -> None:
        """Takes a slot, with as many cases as the day has room for; nothing where it was taken."""
        now_s = int(self._clock.wall_ns() // 10**9)
        schedule, day = suite.schedule, now_s // DAY_S
        number = round(slot.start_s / schedule.every_s)
        cases = chosen(tuple(suite.cases.values()), suite.suite.seed, number, schedule.cases)
        canaries = chosen(tuple(suite.canaries.values()), suite.suite.seed, number, 1)[:1]
        wanted = [(case, True) for case in canaries] + [(case, False) for case in cases]
        room = (schedule.calls_a_day - store.asked_on(day, suite.task, "schedule")) // suite.calls_each
        asks = [Ask(place, case.id, canary) for place, (case, canary) in enumerate(wanted[: max(0, room)])]
        if store.take(slot, asks, day, len(asks) * suite.calls_each):
            if len(asks) < len(wanted):
                event(log, logging.WARNING, "evaluation_over_budget", task=suite.task, left_out=len(wanted) - len(asks))
            store.forget(now_s - KEPT_S, day - 2)

    async def _ask_all(self, store: LiveEvaluations, suite: LiveSuite, slot: Slot, asks: Sequence[Ask]) -> None:
        """Asks what is planned, some at a time; what is left when the gateway lets in no more is asked later."""
        for first in range(0, len(asks), AT_ONCE):
            some = asks[first : first + AT_ONCE]
            done = await asyncio.gather(*(self._ask(store, suite, slot, one) for one in some))
            if not all(done):
                return

    async def _ask(self, store: LiveEvaluations, suite: LiveSuite, slot: Slot, ask: Ask) -> bool:
        """Asks one case; whether the gateway lets in more."""
        case = suite.case(ask.name, canary=ask.canary)
        if case is None:
            await self._do(store.settle, slot, ask._replace(state="failed"))
            return True
        if not await self._do(store.asking, slot, ask.place, self._clock.wall_ns()):
            return True
        headers, content = request(suite, slot, ask, case)
        try:
            told = await asyncio.get_running_loop().run_in_executor(self._askers, self._parts.ask, headers, content)
        except UpstreamError as failure:
            self._say(suite.task, str(failure))
            await self._do(store.settle, slot, ask._replace(state="failed"))
            return False
        is_full = told.status in LATER
        if told.status == OK:
            self._keep(told)
        is_refused = is_full and not told.attempts
        state: State = "planned" if is_refused else "answered" if told.call else "failed"
        await self._do(store.settle, slot, ask._replace(state=state, call="" if is_refused else told.call))
        return not is_full

    def _keep(self, told: Told) -> None:
        """Keeps an answer until its call is stored, as far as memory should go; one that was read whole."""
        kept = sum(map(len, self._bodies.values()))
        if len(told.body) < MOST_ANSWER_BYTES and kept + len(told.body) <= MOST_KEPT_BYTES:
            self._bodies[told.call] = told.body

    async def _mark_all(
        self, desk: Desk, store: LiveEvaluations, suite: LiveSuite, slot: Slot, asks: Sequence[Ask]
    ) -> None:
        """Marks the answers whose calls are stored, records the marks, and then keeps them."""
        calls = [ask.call for ask in asks]
        ends = await desk.ask(lambda stores: _ends(stores, calls)) if calls else {}
        for ask in asks:
            found = ends.get(ask.call)
            if found is not None:
                await self._do(self._mark, store, suite, slot, ask, *found)
            elif self._clock.wall_ns() - ask.at_ns > RECORDED_S * 1e9:
                await self._do(store.settle, slot, ask._replace(state="failed"))
                self._bodies.pop(ask.call, None)

    def _mark(
        self, store: LiveEvaluations, suite: LiveSuite, slot: Slot, ask: Ask, end: Settled, kept: bytes | None
    ) -> None:
        content = self._bodies.get(ask.call, kept)
        case = suite.case(ask.name, canary=ask.canary)
        answer = self._parts.answer(end, content or b"")
        is_known = answer.is_ours and (content is not None or end.outcome != GOOD)
        marks = suite.marks(case, answer) if case is not None and is_known else {}
        told = [_score(end, ask, name, value, self._clock.wall_ns()) for name, value in marks.items()]
        self._parts.changes.record(*told)
        store.settle(slot, ask._replace(state="marked" if marks else "failed", marks=marks))
        self._bodies.pop(ask.call, None)

    def _end(self, store: LiveEvaluations, suite: LiveSuite, slot: Slot, is_over: bool) -> None:
        """Ends a slot of which nothing is left to do, and looks at what it says; one that is over asks no more."""
        asks = store.asks(slot)
        if any(one.state == "answered" or (one.state == "planned" and not is_over) for one in asks):
            return
        if slot.about != suite.about:
            store.done(slot, ())
            return
        self._drop(store, lambda one: one.task == suite.task and one.scorer not in suite.watched)
        minute = self._clock.wall_ns() // MINUTE_NS
        known = [self._after(suite, name, asks, minute) for name in suite.watched]
        store.done(slot, [_stored(one) for one in known])
        for one in known:
            if one.alarmed and not self._of(suite, one.scorer).alarmed:
                event(log, logging.WARNING, "evaluation_fell", task=one.task, scorer=one.scorer)
            self._monitors[one.task, one.scorer] = one

    def _of(self, suite: LiveSuite, scorer: str) -> Watched:
        """What is known of a scorer; nothing where suite or data were others."""
        known = self._monitors.get((suite.task, scorer))
        if known is None or known.about != suite.about:
            return Watched(suite.task, scorer, suite.about)
        return known

    def _after(self, suite: LiveSuite, scorer: str, asks: Sequence[Ask], minute: int) -> Watched:
        results = [
            Result(f"{CANARY}{one.name}" if one.canary else one.name, one.marks[scorer] >= PASSED, one.call)
            for one in asks
            if scorer in one.marks
        ]
        rate = suite.schedule.false_alarms / len(suite.watched)
        return after(self._of(suite, scorer), minute, results, len(suite.cases) + len(suite.canaries), rate)

    def _drop(self, store: LiveEvaluations, which: Callable[[Watched], bool]) -> None:
        """Lets go of scorers that are watched no more."""
        for key, one in list(self._monitors.items()):
            if which(one):
                store.drop(*key)
                del self._monitors[key]

    def _opened(self) -> LiveEvaluations:
        if self._store is None:
            store = self._parts.open_store()
            store.interrupted()
            self._monitors = {(one.task, one.scorer): one for one in _read(store)}
            self._store = store
        return self._store

    def _close(self) -> None:
        self._parts.suites.close()
        if self._store is not None:
            self._store.close()

    def _say(self, task: str, detail: str) -> None:
        """Says what keeps it from working, once."""
        if self._trouble.get(task) != detail:
            self._trouble[task] = detail
            event(log, logging.WARNING, "evaluation_waits", task=task, detail=detail)

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def place_of(task: str, scorer: str) -> Place:
    """Where the alert on a scorer is."""
    return Place(task, RULE, "", scorer)


def request(suite: LiveSuite, slot: Slot, ask: Ask, case: Case) -> tuple[dict[str, str], bytes]:
    """The headers and body with which a case is asked; each slot has a seed of its own."""
    name = f"schedule-{suite.task}-{slot.start_s}"
    headers = {
        "x-trimtab-evaluation": name,
        "x-trimtab-task": suite.task,
        "x-trimtab-run": name,
        "x-trimtab-step": f"{'canary' if ask.canary else 'case'}/{ask.place}",
    }
    return headers, msgspec.json.encode(body(case, suite.task, seed_of(suite.suite.seed, case.id, slot.start_s)))


def _score(end: Settled, ask: Ask, scorer: str, value: float, at_ns: int) -> Score:
    identity = score_id("evaluation", end.admitted.call, scorer)
    told = Score(identity, at_ns, f"{PREFIX}{scorer}", "evaluation", value=value, label="canary" if ask.canary else "")
    return about(end, told)


def _ends(stores: Stores, calls: Sequence[str]) -> Mapping[str, tuple[Settled, bytes | None]]:
    """The calls that are stored, with their answers as far as they are kept."""
    found = {}
    for call in calls:
        detail = stores.telemetry.call(call)
        if detail is not None:
            judging = stores.judging
            is_kept = judging is not None and judging.redaction(detail.call) == "full"
            glance = judging.glance(detail.call) if judging is not None and is_kept else None
            found[call] = (detail.call, glance.read(detail.call.response_body) if glance is not None else None)
    return found


def _read(store: LiveEvaluations) -> Sequence[Watched]:
    """What this release can read of what is known; the rest is learned anew."""
    found = []
    for content in store.monitors():
        try:
            found.append(_watched.decode(content))
        except msgspec.DecodeError:
            continue
    return found


def _stored(one: Watched) -> Monitored:
    return Monitored(one.task, one.scorer, msgspec.msgpack.encode(one))
