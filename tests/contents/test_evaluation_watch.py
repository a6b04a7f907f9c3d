"""Suites on their schedules: what is asked when, what comes of it, and what a crash or a full gateway leaves."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.contents.place import Place, chat, policy, snapshot
from trimtab.assemble.evaluation_asker import answer_of
from trimtab.assemble.live_evaluations import LiveJudge
from trimtab.clock import SystemClock
from trimtab.data.manifest import Manifest
from trimtab.database.migrate import open_state
from trimtab.declare.evaluating import Evals, Schedule, Scorer
from trimtab.errors import UpstreamError
from trimtab.evals.scorers.ready import Ready, ready
from trimtab.journal.evaluations import LiveEvaluations
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes import evaluation_watch
from trimtab.processes.desk import Desk
from trimtab.processes.evaluation_suite import LiveSuites
from trimtab.processes.evaluation_watch import EvaluationParts, EvaluationWatch, place_of
from trimtab.processes.resend import Told
from trimtab.record.purposes import EVALUATION, apart
from trimtab.signals.alerts.alert import Alert, Evidence
from trimtab.signals.alerts.monitors import Place as AlertPlace

SUITE = Evals(
    cases="tasks/route/cases",
    scorers=(Scorer("exact", "exact"), Scorer("latency", "latency")),
    schedule=Schedule(every_s=3600.0, cases=4, canaries="known"),
)


class Live:
    """A place whose gateway answers each case by what it should say, but for those that are `wrong`."""

    def __init__(self, root: Path) -> None:
        (root / "data").mkdir()
        self.place = Place(root / "data", snapshot=snapshot(policy("route")))
        self.suite = SUITE
        self.wrong: set[str] = set()
        self.status, self.attempts = 200, 0
        self.closed = 0
        self.reading_s = 0.0
        self.text = "{}"
        self.schema: str | None = None
        self.most_bytes = 1 << 20
        self.failure: Exception | None = None
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.alert: Alert | None = None
        self.root = root / "project"
        self._lock = threading.Lock()
        folder = self.root / "tasks" / "route"
        folder.mkdir(parents=True)
        rows = [{"id": f"c{n}", "inputs": {"ticket": f"t{n}"}, "expected": f"t{n}"} for n in range(8)]
        (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.root / "data").mkdir()
        row = '{"id": "k", "inputs": {"ticket": "known"}, "expected": "known"}\n'
        (self.root / "data" / "known.jsonl").write_text(row)
        manifest = Manifest(
            file="data/known.jsonl", digest=f"sha256:{hashlib.sha256(row.encode()).hexdigest()}", rows=1
        )
        (self.root / "data" / "known.json").write_bytes(msgspec.json.encode(manifest))
        self.again()

    def again(self) -> None:
        """Another process takes over."""
        self.watch = EvaluationWatch(
            EvaluationParts(
                lambda: LiveEvaluations(open_state(self.place.directory.state)),
                lambda: Watch(digest="d", tasks={"route": TaskWatch(evals=self.suite)}),
                LiveSuites(self.root, self._prepare, lambda task: self.schema),
                self.ask,
                answer_of,
                self.place.noted,
                self._alert,
                self.place.clock,
            )
        )

    def _prepare(self, task: str, suite: Evals, schema: str | None) -> Ready:
        self.place.clock.advance(self.reading_s)
        made = ready(suite, self.root, LiveJudge(self.ask), SystemClock(), task=task, schema=schema)
        return dataclasses.replace(made, held=(*made.held, self))

    def close(self) -> None:
        """Scorers were ended."""
        self.closed += 1

    async def _alert(self, place: AlertPlace) -> Alert | None:
        return self.alert if self.alert is not None and self.alert.place == place else None

    def ask(self, headers: dict[str, str], body: bytes) -> Told:
        with self._lock:
            said = json.loads(body)
            self.asked.append((headers, said))
            if self.failure is not None:
                raise self.failure
            if self.status != 200:
                return Told(self.status, "refused", b"", self.attempts)
            ticket = said["trimtab"]["inputs"]["ticket"]
            answer = chat(self.text.format("else" if ticket in self.wrong else ticket))
            call = self.place.call(body, answer)
            admitted = replace(call.admitted, task=apart(EVALUATION, "route"), lock="11" * 32)
            self.place.write(replace(call, admitted=admitted))
            return Told(200, call.admitted.call, answer[: self.most_bytes])

    async def step(self, desk: Desk) -> None:
        """Asks, stores what was asked, and marks it."""
        await self.watch.step(desk)
        await self.stored(desk)
        await self.watch.step(desk)
        await self.stored(desk)

    async def stored(self, desk: Desk) -> None:
        await desk.ask(lambda stores: self.place.take_in())

    @property
    def tickets(self) -> list[str]:
        return [body["trimtab"]["inputs"]["ticket"] for _, body in self.asked]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[tuple[Live, Desk]]:
    live = Live(tmp_path)
    made = Desk(live.place.stores, live.place.clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(made.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 60)
    yield live, made
    stop.set()
    await asyncio.wait_for(working, 60)


async def test_a_slot_is_asked_and_scored(desk: tuple[Live, Desk]) -> None:
    """Four cases and a canary, each under the task with its own seed and label; their marks are scores of their calls,
    none of latency, which calls tell themselves.
    """
    live, at = desk
    live.wrong = {"t0", "t1", "t2", "t3"}
    await live.step(at)
    assert len(live.asked) == 5
    headers = [headers for headers, _ in live.asked]
    assert {one["x-trimtab-task"] for one in headers} == {"route"}
    [run] = {one["x-trimtab-run"] for one in headers}
    assert {one["x-trimtab-evaluation"] for one in headers} == {run}
    assert sorted(one["x-trimtab-step"] for one in headers) == ["canary/0", "case/1", "case/2", "case/3", "case/4"]
    assert len({body["seed"] for _, body in live.asked}) == 5
    scores = live.place.scores()
    assert {(one.name, one.source, one.task, one.lock) for one in scores} == {
        ("evaluation:exact", "evaluation", "(evaluation) route", "11" * 32)
    }
    expected = Counter(0.0 if ticket in live.wrong else 1.0 for ticket in live.tickets)
    assert Counter(one.value for one in scores) == expected
    assert [one.value for one in scores if one.label == "canary"] == [1.0]


async def test_a_slot_is_asked_once_and_all_cases_come_round(desk: tuple[Live, Desk]) -> None:
    """Later in the hour, and by the process that follows, nothing more; eight cases are asked once in two hours."""
    live, at = desk
    live.place.clock.advance(3600 - live.place.clock.wall_ns() / 1e9 % 3600 + 1)
    await live.step(at)
    live.place.clock.advance(1800)
    await live.step(at)
    live.again()
    await live.step(at)
    assert len(live.asked) == 5
    live.place.clock.advance(1800)
    await live.step(at)
    counts = Counter(live.tickets)
    assert counts["known"] == 2
    assert sum(counts.values()) == 10
    assert all(counts[f"t{n}"] <= 2 for n in range(8))
    for _ in range(6):
        live.place.clock.advance(3600)
        await live.step(at)
    counts = Counter(live.tickets)
    assert {counts[f"t{n}"] for n in range(8)} <= {3, 4, 5}


async def test_a_slot_that_is_taken_after_its_end_has_its_own_cases(desk: tuple[Live, Desk]) -> None:
    """Reading the suite lasts into the next hour: two hours of four cases are all eight, none of them twice."""
    live, at = desk
    live.suite = replace(SUITE, schedule=Schedule(every_s=3600.0, cases=4))
    live.place.clock.advance(2 * 3600 - live.place.clock.wall_ns() / 1e9 % (2 * 3600) + 3599)
    live.reading_s = 2.0
    await live.step(at)
    await live.step(at)
    assert sorted(live.tickets) == [f"t{n}" for n in range(8)]


async def test_a_killed_process_asks_nothing_twice(desk: tuple[Live, Desk]) -> None:
    """What was answered is marked by the next one, from the bodies that are kept of it."""
    live, at = desk
    await live.watch.step(at)
    assert len(live.asked) == 5
    live.again()
    await live.stored(at)
    await live.step(at)
    assert len(live.asked) == 5
    assert len(live.place.scores("evaluation:exact")) == 5
    assert live.watch.monitors("route")[0].runs == 1


async def test_the_budget_of_a_day(desk: tuple[Live, Desk]) -> None:
    """Seven calls a day are a slot of five and two of the next; the next day has its own."""
    live, at = desk
    live.place.clock.advance(86_400 - live.place.clock.wall_ns() / 1e9 % 86_400 + 1)
    assert SUITE.schedule is not None
    live.suite = replace(SUITE, schedule=replace(SUITE.schedule, calls_a_day=7))
    for _ in range(4):
        await live.step(at)
        live.place.clock.advance(3600)
    assert len(live.asked) == 7
    live.place.clock.advance(21 * 3600)
    await live.step(at)
    assert len(live.asked) == 12


async def test_a_gateway_that_is_full_or_away(desk: tuple[Live, Desk]) -> None:
    """Full, it is asked again for the same cases later in the hour; a call that broke off is not made again."""
    live, at = desk
    live.status = 429
    await live.step(at)
    assert live.place.scores() == []
    live.status, refused = 200, len(live.asked)
    await live.step(at)
    assert len(live.asked) == refused + 5
    assert len(live.place.scores()) == 5
    live.place.clock.advance(3600)
    live.failure = UpstreamError(replica="the gateway", detail="broke off")
    await live.watch.step(at)
    live.failure = None
    broken = len(live.asked)
    await live.step(at)
    await live.step(at)
    assert len(live.asked) == broken + 1
    assert len(live.place.scores()) == 6


async def test_answers_are_held_to_the_schema_in_force(desk: tuple[Live, Desk]) -> None:
    """Once another declaration is in force, by its schema, though suite and cases are the same."""
    live, at = desk
    live.suite = replace(SUITE, scorers=(Scorer("schema", "schema"),), schedule=Schedule(every_s=3600.0, cases=4))
    live.text, live.schema = '"{}"', '{"type": "integer"}'
    await live.step(at)
    assert [one.value for one in live.place.scores()] == [0.0] * 4
    live.place.clock.advance(3600)
    live.schema = '{"type": "string"}'
    await live.step(at)
    assert Counter(one.value for one in live.place.scores()) == {0.0: 4, 1.0: 4}


async def test_a_call_that_was_tried_is_not_made_again(desk: tuple[Live, Desk]) -> None:
    """The model's own limit ends it after an attempt, which may have been paid for."""
    live, at = desk
    live.status, live.attempts = 429, 1
    await live.watch.step(at)
    tried = set(live.tickets)
    live.status = 200
    await live.step(at)
    await live.step(at)
    assert len(live.asked) == 5
    assert max(Counter(live.tickets).values()) == 1
    assert tried < set(live.tickets)


async def test_an_answer_that_was_cut_is_read_from_what_is_kept(
    desk: tuple[Live, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of an answer says nothing of the case."""
    live, at = desk
    live.most_bytes = 40
    monkeypatch.setattr(evaluation_watch, "MOST_ANSWER_BYTES", 40)
    await live.step(at)
    assert [one.value for one in live.place.scores()] == [1.0] * 5


async def test_answers_whose_calls_never_come_keep_no_room(
    desk: tuple[Live, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for the answers of one slot, and bodies are not kept: those of the next slot are marked."""
    live, at = desk
    live.place.snapshot = snapshot(policy("route", "none"))
    monkeypatch.setattr(evaluation_watch, "MOST_KEPT_BYTES", 5 * len(chat("known")))
    await live.watch.step(at)
    live.place.clock.advance(901)
    await live.watch.step(at)
    live.place.clock.advance(3600)
    await live.step(at)
    assert len(live.asked) == 10
    assert [one.value for one in live.place.scores()] == [1.0] * 5


async def test_a_drop_is_found_and_heard_of(desk: tuple[Live, Desk]) -> None:
    """After eight good days half of the cases fail: it falls within six slots, and a person who accepts it ends it."""
    live, at = desk
    assert SUITE.schedule is not None
    every_s = 7 * 3600.0
    live.suite = replace(SUITE, schedule=replace(SUITE.schedule, cases=8, every_s=every_s))
    for _ in range(28):
        await live.step(at)
        live.place.clock.advance(every_s)
    assert live.watch.fallen() == ()
    live.wrong = {"t0", "t1", "t2", "t3"}
    slots = 0
    while not live.watch.fallen() and slots < 6:
        await live.step(at)
        live.place.clock.advance(every_s)
        slots += 1
    [fallen] = live.watch.fallen()
    assert (fallen.task, fallen.scorer) == ("route", "exact")
    asked = {score.call: score for score in live.place.scores() if score.value == 0.0}
    assert fallen.worst
    assert set(fallen.worst) <= asked.keys()
    live.again()
    await live.watch.step(at)
    assert live.watch.fallen() == (fallen,)
    now_ns = live.place.clock.wall_ns()
    live.alert = Alert(
        "a", place_of("route", "exact"), "evaluation", "page", "open", "a", now_ns, now_ns, Evidence("falls")
    )
    await live.watch.hear()
    assert live.watch.fallen() == (fallen,)
    live.alert = replace(live.alert, state="resolved", by="kim", ended_ns=now_ns, accepted=True)
    await live.watch.hear()
    assert live.watch.fallen() == ()
    assert live.watch.monitors("route")[0].baseline == {}


async def test_a_suite_that_cannot_be_read(desk: tuple[Live, Desk], caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, nothing is asked, and once it can be read it goes on."""
    live, at = desk
    path = live.root / "tasks" / "route" / "cases.jsonl"
    rows = path.read_bytes()
    path.unlink()
    await live.watch.step(at)
    await live.watch.step(at)
    assert live.asked == []
    assert [record.getMessage() for record in caplog.records].count("evaluation_waits") == 1
    path.write_bytes(rows)
    await live.step(at)
    assert len(live.asked) == 5


async def test_scorers_of_a_task_without_a_schedule_are_ended(desk: tuple[Live, Desk]) -> None:
    """What they started lives no longer than the schedule, also where the task is not looked at again."""
    live, made = desk
    await live.step(made)
    assert live.closed == 0
    live.suite = replace(SUITE, schedule=None)
    await live.step(made)
    assert live.closed == 1
