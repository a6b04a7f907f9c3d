"""Runs of agents for pages: one that failed, its fork, one of calls alone, one that means harm, a long one."""

from __future__ import annotations

import json
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.console.seeding import HOSTILE
from trimtab.clock import Clock
from trimtab.console.run_desk import Wanted
from trimtab.journal.asks import Ask, AskReview, Begin, Begun, Claim, Finish, Lease, Note, Open
from trimtab.journal.client import BlockingAsking, BlockingLocalKeeper
from trimtab.journal.entries import Asked, Body, Checked, Ended, Result, Started, State, Tried, body_of
from trimtab.journal.proposals import Background, context_of
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs, open_runs_to_read
from trimtab.journal.runs.reader import RunReader
from trimtab.journal.runs.store import RunStore
from trimtab.processes.run_acts import forked
from trimtab.processes.run_room import RunRoom

SECOND = 1_000_000_000
FAILED, FORK, CALLS, HARM, LONG, CHILD = "run-failed", "run-fork", "run-calls", "run/harm", "run-long", "run-child"
PARKED = "run-parked"
ASKS, REVIEW = "run-asks", "review-1"
BAD = " ".join(HOSTILE).replace("\0", "\x01").replace("\ud800", "\ufffd")
ASKED = {"model": "extract", "messages": [{"role": "user", "content": "Where is order 12?"}]}


class Past:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at_ns = 0

    def wall_ns(self) -> int:
        """The time it stands at."""
        return self.at_ns

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.at_ns / 1e9


class Agent:
    """Writes one run at its own times, in commits of `at_once` asks."""

    def __init__(self, store: RunStore, run: str, began_ns: int, *, at_once: int = 1, **started: Any) -> None:
        self._store, self._run, self._at_once, self._asks = store, run, at_once, list[Ask]()
        self._clock, self._after = store._clock, 0
        assert isinstance(self._clock, Past)
        self._clock.at_ns = self._at_ns = began_ns
        through = started.get("through", "sdk")
        (lease,) = store.do([Open(run, Started(began_ns, **started), "driver" if through == "sdk" else "")])
        assert isinstance(lease, Lease), lease
        self._epoch, self._head = lease.epoch, lease.head

    def step(self, kind: Any, label: str, asked: Any, answered: Any, *, s: float = 1.0, **more: Any) -> int:
        """Takes a step of `s` seconds; its seq."""
        request, answer = _body(asked), _body(answered)
        digest = request[0].digest
        branch = more.pop("branch", "main" if self._epoch else "")
        begin = Begin(
            self._run, self._epoch, kind, label, digest, *request, branch=branch, after=self._after if branch else 0,
            call=f"{self._run}-{self._head}" if kind == "model" else "", effect=more.pop("effect", "read"),
        )  # fmt: skip
        seq = self._head + 1
        self._ask(begin)
        self._clock.at_ns = self._at_ns = self._at_ns + int(s * SECOND)
        result = Result(self._at_ns, seq, more.pop("outcome", "ok"), answer[0], took_s=s, **more)
        self._ask(Finish(self._run, self._epoch, result, answer[1]))
        self._after = seq
        return seq

    def begin(self, label: str, effect: Any) -> int:
        """Begins a step that has no result; its seq."""
        digest = sha256(label.encode()).hexdigest()
        self._ask(Begin(self._run, self._epoch, "tool", label, digest, branch="main", after=self._after, effect=effect))
        return self._head

    def note(self, entry: Any) -> None:
        """Notes a check, a state or the end."""
        self._ask(Note(self._run, self._epoch, entry))

    def _ask(self, ask: Ask) -> None:
        self._asks.append(ask)
        self._head += 1
        if len(self._asks) >= self._at_once:
            self.write()

    def write(self) -> None:
        """Commits what was collected."""
        for told in self._store.do(self._asks):
            assert type(told).__name__ in ("Begun", "Written"), told
        self._asks = []


def _body(value: Any) -> tuple[Body, bytes]:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    body = body_of(content)
    return body, b"" if body.inline is not None else content


def runs(store: RunStore, now_ns: int, *, steps: int = 0) -> None:
    """Writes the runs; the long one has so many steps."""
    keeper = BlockingLocalKeeper(store)
    if steps:
        _long(store, now_ns - 12_000 * SECOND, steps)
    _failed(store, now_ns - 3000 * SECOND)
    child = Agent(store, CHILD, now_ns - 2900 * SECOND, task="refund", parent=FAILED, parent_seq=5)
    child.step("tool", "look up", {"order": 12}, "order 12 is open")
    forked(keeper, Wanted(FAILED, FORK, 5, b'"order 12 is closed"', {"model": "large"}), now_ns - 2000 * SECOND)
    calls = Agent(store, CALLS, now_ns - 1000 * SECOND, task="route", through="gateway", conversation="support/42")
    for number in range(3):
        calls.step("model", "route", {**ASKED, "seed": number}, _said("parcels"), cost_pusd=10**9)
    _harm(store, now_ns - 900 * SECOND)
    _parked(store, keeper, now_ns - 800 * SECOND)
    _asks(store, keeper, now_ns - 700 * SECOND)


def _failed(store: RunStore, began_ns: int) -> None:
    agent = Agent(store, FAILED, began_ns, task="extract", end_user="ana")
    agent.step("model", "plan", ASKED, _said("look it up", '{"order": 12}'), s=2, cost_pusd=5 * 10**9, input_tokens=30)
    agent.step("tool", "look up", {"order": 12}, "order 12 is open", s=0.2)
    tried = (Tried("transport", "upstream_error", began_ns, "http://a"), Tried("transport", "ok", began_ns, "http://b"))
    seq = agent.step("model", "answer", {**ASKED, "temperature": 0}, _said("refunded"), s=3, tried=tried)
    agent.note(Checked(began_ns + 6 * SECOND, seq, "limit", passed=False, detail="over 100 USD", action="fail"))
    agent.note(State(began_ns + 6 * SECOND, "order", body_of(b'"open"')))
    agent.note(Ended(began_ns + 7 * SECOND, "failed", error="check_failed", detail="limit: over 100 USD"))


def _said(text: str, call: str = "") -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if call:
        message["tool_calls"] = [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": call}}]
    return {"id": f"x-{text}", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _harm(store: RunStore, began_ns: int) -> None:
    agent = Agent(store, HARM, began_ns, task=BAD, name=BAD, conversation=BAD, end_user=BAD)
    asked = {"model": BAD, "messages": [{"role": BAD, "content": BAD}]}
    agent.step("model", BAD, asked, _said(BAD, BAD), branch=BAD)
    seq = agent.step("tool", BAD, {BAD: BAD}, BAD.encode(), branch=BAD, outcome="error",
                     error=BAD, detail=BAD)  # fmt: skip
    agent.note(Checked(began_ns, seq, BAD, passed=False, detail=BAD))
    agent.note(State(began_ns, BAD, body_of(BAD.encode())))
    agent.note(Ended(began_ns + SECOND, "failed", error=BAD, detail=BAD))


def _parked(store: RunStore, keeper: BlockingAsking, began_ns: int) -> None:
    agent = Agent(store, PARKED, began_ns, task="refund")
    agent.begin("pay", "write")
    store._clock.at_ns = began_ns + 60 * SECOND  # type: ignore[attr-defined]
    lease = keeper.do(Claim("another", PARKED))
    assert isinstance(lease, Lease)
    digest = sha256(b"pay").hexdigest()
    keeper.do(Begin(PARKED, lease.epoch, "tool", "pay", digest, branch="main", effect="write"))


def _asks(store: RunStore, keeper: BlockingAsking, began_ns: int) -> None:
    agent = Agent(store, ASKS, began_ns, task="refund")
    digest = sha256(b"review refund").hexdigest()
    begun = keeper.do(Begin(ASKS, agent._epoch, "step", "review refund", digest, branch="main", tool="refund"))
    assert isinstance(begun, Begun)
    asked = Asked(began_ns, REVIEW, begun.seq, "b1", BAD[:400])
    context = context_of(Background("Pays money back", (BAD[:200],), (BAD[:200],)))
    keeper.do(AskReview(ASKS, agent._epoch, asked, body_of(b'{"amount_usd":900}'), context))


def _long(store: RunStore, began_ns: int, steps: int) -> None:
    agent = Agent(store, LONG, began_ns, task="extract", at_once=100)
    for number in range(steps):
        kind = "tool" if number % 3 else "model"
        failed = number == steps // 2
        agent.step(kind, f"s{number % 5}", {"number": number}, {"said": number}, s=1.0,
                   outcome="error" if failed else "ok", error="deadline_total" if failed else "")  # fmt: skip
    agent.write()


class Held:
    """Bodies in memory, as a reader sees them."""

    def __init__(self, bodies: MemoryBodies) -> None:
        self.read = bodies.load


def room(path: Path, clock: Clock, *, steps: int = 0) -> RunRoom:
    """A journal of these runs as control has it; nobody else has it open."""
    bodies = written(path, clock, steps=steps)
    store = RunStore(open_runs(path), bodies, clock)
    return RunRoom(lambda: RunReader(open_runs_to_read(path), Held(bodies)), BlockingLocalKeeper(store), clock)


def written(path: Path, clock: Clock, *, steps: int = 0) -> MemoryBodies:
    """A journal of these runs in a file; its bodies."""
    bodies = MemoryBodies()
    with closing(RunStore(open_runs(path), bodies, Past())) as store:
        runs(store, clock.wall_ns(), steps=steps)
    return bodies
