"""A share of users' calls is scored by the scorers of their task's suite that need no expected answer.

Which calls is decided by their ids, so that every host, and whoever looks again, chooses the same ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.declare.evaluating import Evals
from trimtab.declare.evaluations import needs_expected
from trimtab.errors import StoreError, TrimtabError
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.ready import Ready
from trimtab.journal.evaluations import LiveEvaluations, Online
from trimtab.policy.watch import Watch
from trimtab.processes.changes import Changes
from trimtab.processes.contents import Glance
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.evaluation_suite import Prepare, SchemaOf, watches
from trimtab.processes.logs import event
from trimtab.record.events import OK, Score, Settled
from trimtab.signals.readings.sampling import rank
from trimtab.signals.scores import about, score_id
from trimtab.store.telemetry import Batch

EVERY_S: Final = 5.0
AT_ONCE: Final = 20
DAY_NS: Final = 86_400_000_000_000
STORED_NS: Final = 900 * 1_000_000_000
"""How long a call may take to be stored; after that it is let go."""
PREFIX: Final = "online:"
"""What stands before a scorer's name in the scores of users' calls."""

log = logging.getLogger("trimtab.control")
T = TypeVar("T")


@dataclass(frozen=True)
class OnlineParts:
    """What scoring of users' calls works with; `answer` makes an answer of a recorded call and its body."""

    open_store: Callable[[], LiveEvaluations]
    watch: Callable[[], Watch]
    prepare: Prepare
    schema: SchemaOf
    answer: Callable[[Settled, bytes], Answer]
    changes: Changes
    clock: Clock


class OnlineSample:
    """Chooses the calls; used from the thread of telemetry, with a store of its own."""

    def __init__(self, store: LiveEvaluations, watch: Callable[[], Watch], clock: Clock) -> None:
        self._store = store
        self._watch = watch
        self._clock = clock

    def __repr__(self) -> str:
        return f"OnlineSample({self._store!r})"

    def keep(self, batch: Batch, token: str) -> None:
        """Puts the chosen calls of a batch in line, as far as their day has room; a call once, whatever batch it is in.

        Raises `StoreError`.
        """
        tasks = self._watch().tasks
        now_ns = self._clock.wall_ns()
        day = now_ns // DAY_NS
        for call in sorted(batch.calls, key=lambda one: one.at_ns):
            watched = tasks.get(call.admitted.task)
            evals = watched.evals if watched is not None else None
            if evals is None or evals.online is None or call.outcome != OK or not is_chosen(call, evals):
                continue
            if self._store.asked_on(day, call.admitted.task, "online") < evals.online.calls_a_day:
                self._store.put_online(Online(call.admitted.call, call.admitted.task, now_ns), day)


def is_chosen(call: Settled, evals: Evals) -> bool:
    """Whether a call is one of the share that is scored."""
    return evals.online is not None and rank(f"online {call.admitted.call}") < evals.online.sample


def scored_online(evals: Evals) -> Evals:
    """The suite with those of its scorers that can mark users' answers, and pass or fail them."""
    usable = tuple(one for one in evals.scorers if watches(one) and not needs_expected(one))
    return replace(evals, scorers=usable)


class OnlineScoring:
    """Scores the calls that wait for it. `run` works until it is cancelled."""

    def __init__(self, parts: OnlineParts) -> None:
        self._parts = parts
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="online")
        self._store: LiveEvaluations | None = None
        self._ready: dict[str, tuple[Evals, str | None, Ready]] = {}
        self._trouble = ""

    def __repr__(self) -> str:
        return f"OnlineScoring({', '.join(sorted(self._ready))})"

    async def run(self, desk: Desk) -> None:
        """Scores for ever; what fails is said in the log and done again."""
        try:
            while True:
                try:
                    await self.step(desk)
                except StoreError as failure:
                    self._say(str(failure))
                except Exception:
                    log.exception("online_scoring_broke")
                await asyncio.sleep(EVERY_S)
        finally:
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)

    async def step(self, desk: Desk) -> None:
        """Scores some of the calls that wait; one that cannot be scored for a quarter of an hour is let go.

        Raises `StoreError`.
        """
        store = await self._do(self._opened)
        watch = self._parts.watch()
        await self._do(self._retain, {name for name, one in watch.tasks.items() if one.evals and one.evals.online})
        waiting = await self._do(store.waiting, AT_ONCE)
        if not waiting:
            return
        found = await desk.ask(lambda stores: _glances(stores, waiting))
        for one in waiting:
            watched, glance = watch.tasks.get(one.task), found.get(one.call)
            evals = watched.evals if watched is not None else None
            is_scored = evals is None or evals.online is None or await self._is_scored(evals, glance)
            if is_scored or self._parts.clock.wall_ns() - one.added_ns >= STORED_NS:
                await self._do(store.scored, one.call)

    async def _is_scored(self, evals: Evals, seen: _Seen | None) -> bool:
        """Whether a call is stored, and all that can be marked of it is."""
        if seen is None:
            return False
        try:
            await self._do(self._score, evals, seen)
        except StoreError:
            raise
        except TrimtabError as wrong:
            self._say(str(wrong))
            return False
        except Exception:
            log.exception("online_scoring_broke")
            return False
        return True

    def _say(self, detail: str) -> None:
        """Says what keeps it from working, once."""
        if detail != self._trouble:
            self._trouble = detail
            event(log, logging.WARNING, "online_scoring_waits", detail=detail)

    def _score(self, evals: Evals, seen: _Seen) -> None:
        """Marks one answer and records the marks; one that was not kept whole has none."""
        if seen.body is None:
            return
        answer = replace(self._parts.answer(seen.end, seen.body), text=seen.text)
        marks = (one.mark(seen.case, answer) for one in self._scorers(seen.end.admitted.task, evals).scorings)
        now_ns, call = self._parts.clock.wall_ns(), seen.end.admitted.call
        self._parts.changes.record(
            *(
                about(
                    seen.end,
                    Score(
                        score_id("online", call, mark.scorer), now_ns, f"{PREFIX}{mark.scorer}", "evaluation",
                        value=mark.value, explanation=f"asked in call {mark.call}" if mark.call else "",
                    ),
                )
                for mark in marks
                if mark.value is not None
            )
        )  # fmt: skip

    def _scorers(self, task: str, evals: Evals) -> Ready:
        suite, schema, known = scored_online(evals), self._parts.schema(task), self._ready.get(task)
        if known is not None and known[:2] == (suite, schema):
            return known[2]
        made = self._parts.prepare(task, suite, schema)
        if known is not None:
            known[2].close()
        self._ready[task] = (suite, schema, made)
        return made

    def _retain(self, tasks: Container[str]) -> None:
        """Ends what scorers of other tasks than these started."""
        for task in [one for one in self._ready if one not in tasks]:
            self._ready.pop(task)[2].close()

    def _opened(self) -> LiveEvaluations:
        if self._store is None:
            self._store = self._parts.open_store()
        return self._store

    def _close(self) -> None:
        for _, _, made in self._ready.values():
            made.close()
        if self._store is not None:
            self._store.close()

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


@dataclass(frozen=True)
class _Seen:
    """A call with what was asked, and its answer's body and text where that was kept whole."""

    end: Settled
    case: Case
    body: bytes | None
    text: str


def _glances(stores: Stores, waiting: tuple[Online, ...]) -> Mapping[str, _Seen]:
    """What is stored of the calls that wait."""
    if stores.judging is None:
        raise StoreError(store="telemetry", detail="bodies are not read here")
    found = {}
    for one in waiting:
        detail = stores.telemetry.call(one.call)
        if detail is not None:
            is_full = stores.judging.redaction(detail.call) == "full"
            found[one.call] = _seen(stores.judging.glance(detail.call), is_full=is_full)
    return found


def _seen(glance: Glance, *, is_full: bool) -> _Seen:
    """A preview shows a short text whole, and no tool calls."""
    asked, said, call = glance.question, glance.reply, glance.call
    messages: tuple[dict[str, Any], ...] = ({"role": "user", "content": asked.text},) if asked is not None else ()
    inputs = asked.inputs if asked is not None and asked.inputs else None
    is_whole = said.whole and (is_full or not call.tool_calls) if said is not None else is_full and glance.is_kept
    return _Seen(
        call,
        Case(call.admitted.call, inputs, () if inputs else messages),
        glance.read(call.response_body) if is_whole else None,
        said.text if said is not None else "",
    )
