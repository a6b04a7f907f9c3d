"""What calls of runs hold to: keeper that is down, drivers that lost their lease, orders, clients that leave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.gateway.harness import KEY, RunningGateway, read_response, task
from tests.gateway.test_runs import HELLO, LONG, opened
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.gateway.http import answer as answers
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.own_calls import Nowhere
from trimtab.journal.asks import Ask, Begin, Claim, Direct, Finish, Lease, Note, Open, Told
from trimtab.journal.entries import Ended, Started
from trimtab.journal.erasing import Erase
from trimtab.record.events import Settled
from trimtab.testing import Answer, Script, ScriptedUpstream, chat_json, chat_stream
from trimtab.testing.scripts import Hang

STREAMED = {**HELLO, "stream": True}


def cut_short(answer: Answer) -> Script:
    """A stream that goes silent after its first words."""
    whole = chat_stream(answer)
    return Script(steps=(*whole.steps[:4], Hang()))


async def driven(gateway: RunningGateway, run: str = "r-1", owner: str = "driver") -> int:
    """Begins a run as a driver does; its epoch."""
    lease = await gateway.journal.do(Open(run, Started(1, task="triage"), owner))
    assert isinstance(lease, Lease)
    return lease.epoch


async def test_keeper_down_stops_calls_of_runs_alone(tmp_path: Path) -> None:
    """A call of a run is told so and no replica is asked; any other call goes on."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            gateway.journal.broken = JournalUnavailable(detail="keeper.sock: no such file")
            refused = await gateway.post(HELLO, x_trimtab_run="r-1")
            replay = await gateway.post(HELLO, x_trimtab_replay="r-1")
            good = await gateway.post(HELLO)
            asked = len(upstream.requests)
            gateway.journal.broken = None
            later = await gateway.post(HELLO, x_trimtab_run="r-1")
    assert [(one.status, one.json()["error"]["code"]) for one in (refused, replay)] == [
        (503, "journal_unavailable")
    ] * 2
    assert (good.status, asked, later.status) == (200, 1, 200)
    assert refused.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_does_not_end_before_its_result_is_kept(tmp_path: Path, stream: bool) -> None:
    """Where the result cannot be written, no client takes the answer for whole."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_stream(LONG) if stream else chat_json(LONG))
        async with opened(tmp_path, upstream.url) as gateway:
            gateway.journal.broken_at = Finish
            answer = await gateway.post({**HELLO, "stream": stream}, x_trimtab_run="r-1")
            [settled] = (await gateway.events()).settled
    assert settled.outcome == "journal_unavailable"
    if stream:
        assert not answer.whole
        assert b"[DONE]" not in answer.body
        assert b"journal_unavailable" in answer.body
    else:
        assert (answer.status, answer.json()["error"]["code"]) == (503, "journal_unavailable")


async def test_a_call_whose_end_was_lost_is_closed(tmp_path: Path) -> None:
    """The worker says what it has open: the step whose result nobody could write is abandoned, and taken again."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            gateway.journal.broken_at = Finish
            await gateway.post(HELLO, x_trimtab_run="r-1")
            gateway.journal.broken_at = None
            await gateway.pipeline.hold_runs()
            (young,) = gateway.journal.log("r-1").steps
            gateway.journal.clock.ahead_s = 60
            await gateway.pipeline.hold_runs()
            (lost,) = gateway.journal.log("r-1").steps
            await gateway.post(HELLO, x_trimtab_run="r-1")
            (again,) = gateway.journal.log("r-1").steps
    assert [one.state for one in (young, lost, again)] == ["open", "abandoned", "ok"]


async def test_the_bytes_are_on_the_disk_before_the_result_names_them(tmp_path: Path) -> None:
    """A pack that cannot be synced is told as the journal's failure, and no result is written."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(LONG))
        async with opened(tmp_path, upstream.url) as gateway:

            def full() -> None:
                raise StoreError(store=tmp_path, detail="no room")

            gateway.bodies.sync = full  # type: ignore[method-assign]
            answer = await gateway.post(HELLO, x_trimtab_run="r-1")
            asked = [type(ask) for ask in gateway.journal.asked]
            del gateway.bodies.sync
    assert (answer.status, answer.json()["error"]["code"]) == (503, "journal_unavailable")
    assert asked == [Open, Begin]


async def test_a_driver_that_lost_its_lease_takes_no_step(tmp_path: Path) -> None:
    """The call of an older epoch is refused before a replica is asked."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            epoch = await driven(gateway)
            headers = {"x_trimtab_run": "r-1", "x_trimtab_branch": "main"}
            good = await gateway.post(HELLO, x_trimtab_lease=str(epoch), **headers)
            old = await gateway.post(HELLO, x_trimtab_lease=str(epoch - 1), **headers)
            none = await gateway.post(HELLO, x_trimtab_lease="first", **headers)
            asked = len(upstream.requests)
    assert (good.status, asked) == (200, 1)
    assert (old.status, old.json()["error"]["code"], old.headers["x-should-retry"]) == (409, "run_stopped", "false")
    assert (none.status, none.json()["error"]["code"]) == (400, "invalid_request")


async def test_a_step_that_comes_again_gets_its_recorded_answer(tmp_path: Path) -> None:
    """A driver that takes the run up again is given what was answered, and told where it asks for something else."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            epoch = await driven(gateway)
            headers = {"x_trimtab_run": "r-1", "x_trimtab_branch": "main", "x_trimtab_step": "greet"}
            first = await gateway.post(HELLO, x_trimtab_lease=str(epoch), **headers)
            gateway.journal.expire()
            lease = await gateway.journal.do(Claim("another", "r-1"))
            again = await gateway.post(HELLO, x_trimtab_lease=str(lease.epoch), **headers)
            other = {**HELLO, "temperature": 0.5}
            differs = await gateway.post(other, x_trimtab_lease=str(lease.epoch), **headers)
            asked = len(upstream.requests)
            log = gateway.journal.log("r-1")
    assert (asked, again.body, again.headers["x-trimtab-seq"]) == (1, first.body, first.headers["x-trimtab-seq"])
    error = differs.json()["error"]
    assert (differs.status, error["code"]) == (409, "replay_divergence")
    assert "(greet): request.temperature is new: 0.5" in error["message"]
    [step] = log.steps
    assert step.diverged is not None
    assert step.diverged.difference == "request.temperature is new: 0.5"


async def test_stopping_a_run_ends_its_open_calls(tmp_path: Path) -> None:
    """An order ends the stream that is under way and refuses the next call; calls of other runs go on."""
    async with ScriptedUpstream() as upstream:
        upstream.add(cut_short(Answer()), cut_short(Answer()))
        async with opened(tmp_path, upstream.url, deadline=task("x", "small").deadline) as gateway:
            stopped, first = await gateway.send(STREAMED, x_trimtab_run="r-1")
            goes_on, writer = await gateway.send(STREAMED, x_trimtab_run="r-2")
            await upstream.received(2)
            await goes_on.readuntil(b"Hello")
            told = await gateway.journal.do(Direct("stop", "ana", run="r-1"))
            gateway.pipeline.ordered(told.runs, "stop", "ana")
            answer = await read_response(stopped)
            refused = await gateway.post(HELLO, x_trimtab_run="r-1")
            open_calls = gateway.pipeline.open_calls
            first.close()
            writer.close()
            await gateway.events()
    assert not answer.whole or answer.status == 409
    assert b"run_stopped" in answer.body
    assert (refused.status, refused.json()["error"]["code"]) == (409, "run_stopped")
    assert b"says ana" in answer.body
    assert open_calls == 1


async def test_an_answer_whose_driver_has_gone_is_asked_for_again(tmp_path: Path) -> None:
    """A client that leaves amid the stream has no answer: taken up again, the step goes to a replica."""
    async with ScriptedUpstream() as upstream:
        upstream.add(cut_short(Answer()), chat_stream())
        async with opened(tmp_path, upstream.url) as gateway:
            epoch = await driven(gateway)
            headers = {"x_trimtab_run": "r-1", "x_trimtab_branch": "main"}
            reader, writer = await gateway.send(STREAMED, x_trimtab_lease=str(epoch), **headers)
            await reader.readuntil(b"Hello")
            writer.close()
            while gateway.journal.log("r-1").steps[0].result is None:
                await asyncio.sleep(0)
            gateway.journal.expire()
            lease = await gateway.journal.do(Claim("another", "r-1"))
            again = await gateway.post(STREAMED, x_trimtab_lease=str(lease.epoch), **headers)
            asked = len(upstream.requests)
            [step] = gateway.journal.log("r-1").steps
    assert (asked, again.status, again.whole) == (2, 200, True)
    assert step.result is not None
    assert step.result.outcome == "ok"


async def test_an_answer_that_its_client_never_saw_is_none_in_a_replay(tmp_path: Path) -> None:
    """What was left before it began cannot be given again: a replay says so, and names the step."""
    async with ScriptedUpstream() as upstream:
        upstream.add(cut_short(Answer()))
        async with opened(tmp_path, upstream.url) as gateway:
            _, writer = await gateway.send(HELLO, x_trimtab_run="r-1")
            await upstream.received(1)
            writer.close()
            while gateway.journal.log("r-1").steps[0].result is None:
                await asyncio.sleep(0)
            answer = await gateway.post(HELLO, x_trimtab_replay="r-1")
            (step,) = gateway.journal.log("r-1").steps
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (409, "replay_divergence")
    assert f"step {step.seq} (triage): it has no answer" in error["message"]


async def test_a_driver_that_went_on_without_an_answer_gets_none_again(tmp_path: Path) -> None:
    """It left one before it began and took another step: taken up again, its connection closes without an answer."""
    async with ScriptedUpstream() as upstream:
        upstream.add(cut_short(Answer()), chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            epoch = await driven(gateway)
            headers = {"x_trimtab_run": "r-1", "x_trimtab_branch": "main"}
            _, writer = await gateway.send(HELLO, x_trimtab_lease=str(epoch), **headers)
            await upstream.received(1)
            writer.close()
            while gateway.journal.log("r-1").steps[0].result is None:
                await asyncio.sleep(0)
            left = str(gateway.journal.log("r-1").steps[0].seq)
            await gateway.post({**HELLO, "user": "b"}, x_trimtab_lease=str(epoch), x_trimtab_after=left, **headers)
            gateway.journal.expire()
            lease = await gateway.journal.do(Claim("another", "r-1"))
            reader, writer = await gateway.send(HELLO, x_trimtab_lease=str(lease.epoch), **headers)
            told = await reader.read()
            writer.close()
            asked = len(upstream.requests)
    assert (told, asked) == (b"", 2)


async def test_what_was_erased_is_not_given_again(tmp_path: Path) -> None:
    """Nor by a worker that had read the run before, whether it had ended by then or not."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            for run in ("goes-on", "over"):
                await gateway.post(HELLO, x_trimtab_run=run, x_trimtab_user="zoe")
            await gateway.journal.do(Note("over", 0, Ended(1, "completed")))
            before = [await gateway.post(HELLO, x_trimtab_replay=run) for run in ("goes-on", "over")]
            while (await gateway.journal.do(Erase("zoe", "e1", "ann"))).run:
                continue
            after = [await gateway.post(HELLO, x_trimtab_replay=run) for run in ("goes-on", "over")]
    assert [one.status for one in before] == [200, 200]
    assert [(one.status, one.json()["error"]["code"]) for one in after] == [(409, "replay_divergence")] * 2


class Leaving:
    """A journal that has gone, and whose clients leave as they are about to be told so."""

    def __init__(self, answer: answers.Answer) -> None:
        self._answer = answer

    async def do(self, ask: Ask) -> Told:
        asyncio.get_running_loop().call_soon(self._answer.lose)
        raise JournalUnavailable(detail="keeper has gone")


async def test_a_client_that_leaves_as_it_is_refused_has_one_end(tmp_path: Path) -> None:
    """A replay is counted and settled once, whoever was first."""
    headers = {b"x-trimtab-replay": b"r", b"authorization": b"Bearer " + KEY}
    answer = answers.Answer(Nowhere(), "POST", "1.1")
    async with opened(tmp_path, "http://127.0.0.1:1") as gateway:
        gateway.journal.keeper = Leaving(answer)
        path, body = "/v1/chat/completions", json.dumps(HELLO).encode()
        now_s = gateway.clock.monotonic()
        gateway.pipeline.handle(Request("POST", path.encode(), path, Headers(headers), body, now_s, "", "1.1"), answer)
        while gateway.pipeline.open_calls > 0:
            await asyncio.sleep(0)
        assert (gateway.pipeline.open_calls, len(gateway.recorded(Settled))) == (0, 1)
