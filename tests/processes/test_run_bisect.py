"""The step that decided how a run ended: a demo agent whose wrong step is known, through a whole gateway."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.harness import KEY, RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.cli.runs_bisect import CommandProgram, judge_of
from trimtab.journal.asks import Begin, Begun, Finish, Lease, Note, Open
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import Ended, Result, Started, body_of
from trimtab.journal.reading import log_read, row_of
from trimtab.processes.run_bisect import Driven, Facts, Found, Limits, NoBisect, Search, Trial, places_of
from trimtab.processes.run_forwarder import Forwarder
from trimtab.testing import Answer, Received, Script, ScriptedUpstream, chat_json

TURNS = 6
AGENT = Path(__file__).with_name("bisected_agent.py")


class Misled:
    """A model that is asked turn after turn. In turn `wrong` it says something wrong, always while it is `bad`, else
    with probability `slips`; what it said before it takes for right.
    """

    def __init__(self, wrong: int, slips: float, seed: int) -> None:
        self.wrong, self.slips, self.bad, self.asked = wrong, slips, True, 0
        self._draw = random.Random(seed)

    def answer(self, request: Received) -> Script:
        """What it says."""
        self.asked += 1
        turn = len(json.loads(request.body)["messages"]) // 2
        slips = self.bad or self._draw.random() < self.slips
        word = "wrong" if turn == self.wrong and slips else f"fine {self._draw.random()}"
        return chat_json(Answer(pieces=(word,)))


def converse(url: str, run: str = "", turns: int = TURNS, opening: str = "go") -> int:
    """The agent: asks so many times, and ends well where nothing wrong was said."""
    place = urlsplit(url)
    messages = [{"role": "user", "content": opening}]
    for _ in range(turns):
        line = http.client.HTTPConnection(str(place.hostname), place.port)
        headers = {"authorization": f"Bearer {KEY.decode()}"} | ({"x-trimtab-run": run} if run else {})
        line.request("POST", "/v1/chat/completions", json.dumps({"model": "triage", "messages": messages}), headers)
        answer = line.getresponse()
        said = json.loads(answer.read())
        line.close()
        if answer.status != 200:
            return 2
        word = said["choices"][0]["message"]["content"]
        messages += [{"role": "assistant", "content": word}, {"role": "user", "content": "and then?"}]
    return int(any(message["content"] == "wrong" for message in messages))


class Thread:
    """Drives forks in this process; `does` takes the address."""

    def __init__(self, gateway: str, does: Callable[[str], int] = converse) -> None:
        self._gateway, self._does = gateway, does

    def drive(self, fork: str, fork_seq: int, allowed: Callable[[int], str]) -> Driven:
        with Forwarder(self._gateway, fork, fork_seq, allowed) as forwarder:
            status = self._does(forwarder.url)
        return Driven(status, "", len(forwarder.recorded), forwarder.refused)


class Bench:
    """A gateway, its model, and one run in it that went wrong."""

    def __init__(self, gateway: RunningGateway, model: Misled) -> None:
        self.gateway, self.model = gateway, model
        self.url = f"http://127.0.0.1:{gateway.port}"
        self.journal: BlockingAsking = gateway.journal.keeper.blocking
        self.heard: list[Trial] = []

    async def record(self) -> int:
        """Makes the run; the seq of its wrong step."""
        assert await asyncio.to_thread(converse, self.url, "r") == 1
        self.model.bad = False
        seq: int = log_read(self.journal, "r").steps[self.model.wrong].seq
        return seq

    async def search(self, program: Any = None, *, name: str = "r.bisect", **limits: Any) -> Found:
        """A whole search, by the exit status."""
        made = Search(
            self.journal, "r", name, program or Thread(self.url), judge_of("", None), Limits(**limits), lambda: 1
        )
        return await asyncio.to_thread(made.all, self.heard.append)


async def bench(
    tmp_path: Path, does: Callable[[Bench], Any], wrong: int = 2, slips: float = 0.1, seed: int = 3
) -> None:
    model = Misled(wrong, slips, seed)
    async with ScriptedUpstream() as upstream:
        upstream.always(model.answer)
        gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")))
        gateway.journal = RunJournal(tmp_path)
        async with gateway:
            await does(Bench(gateway, model))


@pytest.mark.parametrize("wrong", [0, 2, TURNS - 1])
async def test_the_wrong_step_is_found(tmp_path: Path, wrong: int) -> None:
    """It is named with how sure that is; no call before a fork reached the model, and every trial is a fork."""

    async def does(made: Bench) -> None:
        seq = await made.record()
        found = await made.search(samples=8)
        assert (found.step, found.label, found.steps) == (seq, "triage", TURNS)
        assert found.sure is not None
        assert found.sure.p_value < 0.05
        assert found.sure.here.low > found.sure.behind.high
        assert made.model.asked == TURNS + found.calls
        assert found.trials == len(made.heard) == sum(place.trials for place in found.places)
        assert all(log_read(made.journal, one.fork).ended is not None for one in made.heard)

    await bench(tmp_path, does, wrong)


async def test_a_search_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    """With a budget of calls it stops there, not one beyond; with more it goes on from the trials that it made."""

    async def does(made: Bench) -> None:
        seq = await made.record()
        first = await made.search(samples=6, most_calls=40)
        assert (first.step, first.calls, made.model.asked) == (0, 40, TURNS + 40)
        assert "40 calls of models were made, and 40 are allowed" in first.told
        told = len(made.heard)
        second = await made.search(samples=6)
        assert second.step == seq
        assert second.trials + second.unused == len(made.heard)
        assert (made.heard[told - 1].good, len({one.fork for one in made.heard})) == (None, len(made.heard))
        third = await made.search(samples=6)
        assert (third.step, third.calls) == (seq, second.calls)

    await bench(tmp_path, does)


async def test_money_is_limited_too(tmp_path: Path) -> None:
    """The call that reaches the limit is the last."""

    async def does(made: Bench) -> None:
        await made.record()
        step = log_read(made.journal, "r").steps[0].result
        assert step is not None
        assert step.cost_pusd
        found = await made.search(samples=6, most_pusd=step.cost_pusd * 10)
        assert (found.step, found.cost_pusd) == (0, step.cost_pusd * 10)
        assert "are allowed" in found.told

    await bench(tmp_path, does)


async def test_what_lies_before_the_first_step(tmp_path: Path) -> None:
    """Where not even fresh answers from the first step on help, that is said, and no other step is tried."""

    async def does(made: Bench) -> None:
        await made.record()
        made.model.bad = True
        found = await made.search(samples=5)
        assert (found.step, found.trials) == (0, 5)
        assert "Not even fresh answers from the first step on" in found.told

    await bench(tmp_path, does)


async def test_a_program_that_does_something_else_tells_nothing(tmp_path: Path) -> None:
    """Trials that did not repeat what came before the fork, or asked nobody, are not counted."""

    async def does(made: Bench) -> None:
        await made.record()
        started = [0]

        def drifts(url: str) -> int:
            started[0] += 1
            return converse(url, opening="go" if started[0] <= 5 else "stop")

        with pytest.raises(NoBisect, match="did not repeat what came before: 0 of 3 calls"):
            await made.search(Thread(made.url, drifts), samples=5)
        with pytest.raises(NoBisect, match="asked no model; do its calls go to OPENAI_BASE_URL"):
            await made.search(Thread(made.url, lambda url: 0), name="r.other")
        assert [one.good for one in made.heard[-3:]] == [None, None, None]

    await bench(tmp_path, does)


async def test_a_command_drives_forks(tmp_path: Path) -> None:
    """A program of its own is run for each trial, with the addresses in its environment."""

    async def does(made: Bench) -> None:
        seq = await made.record()
        program = CommandProgram((sys.executable, str(AGENT)), made.url, 60.0)
        found = await made.search(program, samples=4)
        assert found.step == seq

    await bench(tmp_path, does, slips=0.0)


def test_effects_are_not_done_again_unasked(tmp_path: Path) -> None:
    """A run whose tools write is refused unless that is meant; one that asked no model has nothing to try."""
    journal = RunJournal(tmp_path).keeper.blocking
    journal.do(Open("w", Started(1, "t", through="gateway")))
    with pytest.raises(NoBisect, match="asked no model"):
        places_of(log_read(journal, "w"))
    for kind, effect in (("model", "read"), ("tool", "write"), ("model", "read")):
        begun = journal.do(Begin("w", 0, kind, "pay", "ab" * 32, effect=effect))  # type: ignore[arg-type]
        assert isinstance(begun, Begun)
        journal.do(Finish("w", 0, Result(1, begun.seq, "ok", body_of(b"{}"))))
    with pytest.raises(NoBisect, match=r"what steps 4 \(pay\) do; .* --effects"):
        places_of(log_read(journal, "w"))
    assert [step.seq for step in places_of(log_read(journal, "w"), effects=True)] == [2, 6]


def test_what_is_good() -> None:
    """A condition over what came of it, what a case expects of the last answer, or the exit status."""
    facts = Facts(1, "done", '{"label": "refund"}', {"state": "paid"}, "completed")
    assert judge_of("output.state == 'paid' and exit == 1", None)(facts)
    assert not judge_of("'lost' in answer", None)(facts)
    assert judge_of("", {"label": "refund"})(facts)
    assert not judge_of("", "refund")(facts)
    assert not judge_of("", None)(facts)


async def test_nobody_goes_on_with_what_a_trial_left(tmp_path: Path) -> None:
    """A fork of an agent that its command did not drive to the end is stopped, and counts for nothing."""

    async def does(made: Bench) -> None:
        lease = made.journal.do(Open("s", Started(1, "t"), "me"))
        assert isinstance(lease, Lease)
        begun = made.journal.do(Begin("s", lease.epoch, "model", "triage", "ab" * 32, branch="1"))
        assert isinstance(begun, Begun)
        made.journal.do(Finish("s", lease.epoch, Result(1, begun.seq, "ok", body_of(b"{}"))))
        made.journal.do(Note("s", lease.epoch, Ended(2, "failed")))

        def half(url: str) -> int:
            return converse(url, run="aside", turns=1)

        search = Search(made.journal, "s", "s.bisect", Thread(made.url, half), judge_of("", None), Limits(), lambda: 3)
        with pytest.raises(NoBisect, match=r"asked no model; is it a worker .*until_idle=True"):
            await asyncio.to_thread(search.all, made.heard.append)
        states = [row_of(made.journal, one.fork).state for one in made.heard]
        assert states == ["stopped"] * 3

    await bench(tmp_path, does)
