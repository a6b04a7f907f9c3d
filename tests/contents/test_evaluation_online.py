"""Users' calls that are scored: which ones, by what, and how many a day."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.contents.place import Place, asked, chat, policy, snapshot
from trimtab.assemble.evaluation_asker import answer_of
from trimtab.assemble.live_evaluations import LiveJudge
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.evaluating import Evals, Online, Scorer
from trimtab.errors import EvaluationRefused
from trimtab.evals.scorers.ready import Ready, ready
from trimtab.journal.evaluations import LiveEvaluations
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.desk import Desk
from trimtab.processes.evaluation_online import OnlineParts, OnlineSample, OnlineScoring, scored_online
from trimtab.processes.resend import Told
from trimtab.record.redact import Redaction
from trimtab.signals.readings.sampling import rank
from trimtab.store.telemetry import Batch

SUITE = Evals(
    scorers=(
        Scorer("exact", "exact"),
        Scorer("polite", "contains", pattern="please"),
        Scorer("says", "contains", pattern="thanks"),
        Scorer("cost", "cost"),
        Scorer("helps", "rubric", model="small", question="Does it help?"),
    ),
    online=Online(sample=1.0, calls_a_day=1000),
)


TASKS = ("route", "sort", "file")


class Scoring:
    """A place whose calls are scored; its judge says yes to all."""

    def __init__(self, root: Path, redaction: Redaction = "full") -> None:
        root.mkdir(exist_ok=True)
        self.place = Place(root, snapshot=snapshot(*(policy(task, redaction) for task in TASKS)))
        self.suite = SUITE
        self.judged: list[bytes] = []
        self.schema: str | None = None
        self.closed = 0
        self.refused: dict[str, Exception] = {}
        state = self.place.directory.state
        self.sample = OnlineSample(LiveEvaluations(open_state(state)), self.watch, self.place.clock)
        self.scoring = OnlineScoring(
            OnlineParts(
                lambda: LiveEvaluations(open_state(state)),
                self.watch,
                lambda task, suite, schema: self.prepare(root, suite, task, schema),
                lambda task: self.schema,
                answer_of,
                self.place.noted,
                self.place.clock,
            )
        )

    def watch(self) -> Watch:
        return Watch(tasks=dict.fromkeys(TASKS, TaskWatch(evals=self.suite)))

    def prepare(self, root: Path, suite: Evals, task: str, schema: str | None) -> Ready:
        if task in self.refused:
            raise self.refused[task]
        made = ready(suite, root, LiveJudge(self.judge), SystemClock(), task="route", schema=schema)
        return dataclasses.replace(made, held=(*made.held, self))

    def close(self) -> None:
        """Scorers were ended."""
        self.closed += 1

    def judge(self, headers: dict[str, str], body: bytes) -> Told:
        assert headers == {"x-trimtab-task": "(judge)"}
        self.judged.append(body)
        return Told(200, "j1", chat("yes"))

    async def put(self, desk: Desk, *calls: Any) -> None:
        self.place.write(*calls)
        self.sample.keep(Batch(tuple(calls)), "one")
        await desk.ask(lambda stores: self.place.take_in())

    async def scores(self, desk: Desk) -> list[tuple[str, str, float | None]]:
        for _ in range(8):
            await self.scoring.step(desk)
        await desk.ask(lambda stores: self.place.take_in())
        return sorted((one.call, one.name, one.value) for one in self.place.scores() if one.name.startswith("online:"))


async def working(made: Scoring) -> AsyncIterator[Desk]:
    desk = Desk(made.place.stores, made.place.clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(desk.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 60)
    yield desk
    stop.set()
    await asyncio.wait_for(work, 60)


@pytest.fixture
async def scoring(tmp_path: Path) -> AsyncIterator[tuple[Scoring, Desk]]:
    made = Scoring(tmp_path / "data")
    async for desk in working(made):
        yield made, desk


async def test_a_users_answer_is_scored_by_what_needs_no_expected_one(scoring: tuple[Scoring, Desk]) -> None:
    """By a pattern and a judge; not by what was expected, nor by its cost. The score is of the call and its task."""
    made, desk = scoring
    call = made.place.call(asked("Where is it?"), chat("many thanks"))
    await made.put(desk, call)
    name = call.admitted.call
    assert await made.scores(desk) == [
        (name, "online:helps", 1.0), (name, "online:polite", 0.0), (name, "online:says", 1.0)
    ]  # fmt: skip
    [body] = made.judged
    assert b"Where is it?" in body
    assert {(one.task, one.source, one.settled_ns) for one in made.place.scores()} >= {
        ("route", "evaluation", call.at_ns)
    }


async def test_which_calls_and_how_many_a_day(scoring: tuple[Scoring, Desk]) -> None:
    """Those of the lowest hashes, until the day is full; again after midnight. A batch that comes again adds none."""
    made, desk = scoring
    online = Online(sample=0.3, calls_a_day=5)
    made.suite = replace(SUITE, scorers=SUITE.scorers[1:2], online=online)
    calls = [made.place.call(asked(), chat("please")) for _ in range(60)]
    chosen = [one.admitted.call for one in calls if rank(f"online {one.admitted.call}") < 0.3]
    assert len(chosen) > 10
    first, second = [name for name in chosen if int(name, 16) <= 40], [name for name in chosen if int(name, 16) > 40]
    await made.put(desk, *calls[:40])
    made.sample.keep(Batch(tuple(calls[:40])), "one")
    made.place.clock.advance(86_400)
    await made.put(desk, *calls[40:])
    assert [call for call, _, _ in await made.scores(desk)] == sorted(first[:5] + second[:5])


async def test_answers_are_held_to_the_schema_in_force(scoring: tuple[Scoring, Desk]) -> None:
    """Once another declaration is in force, by its schema, though the suite is the same."""
    made, desk = scoring
    made.suite = replace(SUITE, scorers=(Scorer("schema", "schema"),))
    before, after = made.place.call(asked(), chat({"a": 1})), made.place.call(asked(), chat({"a": 1}))
    made.schema = '{"required": ["b"]}'
    await made.put(desk, before)
    assert await made.scores(desk) == [(before.admitted.call, "online:schema", 0.0)]
    made.schema = '{"required": ["a"]}'
    await made.put(desk, after)
    assert (await made.scores(desk))[1:] == [(after.admitted.call, "online:schema", 1.0)]


async def test_our_own_calls_and_failures_are_not_scored(scoring: tuple[Scoring, Desk]) -> None:
    """Neither those of evaluations nor what failed, nor an answer that was not kept."""
    made, desk = scoring
    failed = made.place.call(asked(), b"", outcome="internal")
    ours = made.place.call(asked(), chat("please"), task="(evaluation) route")
    lost = made.place.ended(response_body="ab" * 32, size=9)
    await made.put(desk, failed, ours, lost)
    assert await made.scores(desk) == []


async def test_a_preview_is_scored_where_it_shows_all(tmp_path: Path) -> None:
    """A short text is, a long one is not."""
    made = Scoring(tmp_path / "data", "preview")
    made.suite = replace(SUITE, scorers=SUITE.scorers[1:2])
    async for desk in working(made):
        short = made.place.call(asked(), chat("please"))
        long = made.place.call(asked(), chat("please" * 100))
        await made.put(desk, short, long)
        assert await made.scores(desk) == [(short.admitted.call, "online:polite", 1.0)]


async def test_a_suite_that_cannot_be_made_ready_holds_up_no_other_task(tmp_path: Path) -> None:
    """Its calls wait for a quarter of an hour, while those of others are scored; then they are let go."""
    made = Scoring(tmp_path / "data")
    made.suite = replace(SUITE, scorers=SUITE.scorers[1:2])
    made.refused = {"sort": EvaluationRefused(task="sort", detail="its judge is not there"), "file": KeyError("x")}
    async for desk in working(made):
        sort, file, route = (made.place.call(asked(), chat("please"), task=task) for task in ("sort", "file", "route"))
        await made.put(desk, sort, file, route)
        assert await made.scores(desk) == [(route.admitted.call, "online:polite", 1.0)]
        with contextlib.closing(LiveEvaluations(open_state(made.place.directory.state))) as kept:
            assert [one.call for one in kept.waiting(9)] == [sort.admitted.call, file.admitted.call]
            made.place.clock.advance(899)
            await made.scoring.step(desk)
            assert len(kept.waiting(9)) == 2
            made.place.clock.advance(1)
            await made.scoring.step(desk)
            assert kept.waiting(9) == ()


async def test_scorers_of_a_task_that_is_scored_no_more_are_ended(scoring: tuple[Scoring, Desk]) -> None:
    """What they started lives no longer than that, also where no call waits."""
    made, desk = scoring
    made.suite = replace(SUITE, scorers=SUITE.scorers[1:2])
    await made.put(desk, made.place.call(asked(), chat("please")))
    await made.scores(desk)
    assert made.closed == 0
    made.suite = replace(made.suite, online=None)
    await made.scoring.step(desk)
    assert made.closed == 1


def test_the_scorers_that_can() -> None:
    """In their order."""
    assert [one.name for one in scored_online(SUITE).scorers] == ["polite", "says", "helps"]
