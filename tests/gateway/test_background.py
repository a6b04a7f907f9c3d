"""Background calls through a whole gateway: submitted, made, polled, cancelled; what fails is tried again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.gateway.backgrounds import ASKED, HELLO, RESPONSE, Backgrounds
from tests.gateway.harness import KEY, ClientKey, RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.declare.background import Background
from trimtab.declare.project import Retry
from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Ask, Begin, Finish, Sweep, Told
from trimtab.journal.background import Redrive, Settle, Taken
from trimtab.journal.ledger import ledgers
from trimtab.testing import Answer, Hang, Script, ScriptedUpstream, chat_json, error_answer, json_answer
from trimtab.testing.faults import failing, rate_limited

LONG = Answer(pieces=tuple(f"word {number} " for number in range(300)))
HUNG = Script((Hang(),))


@pytest.mark.parametrize("said", [Answer(), LONG], ids=["short", "long"])
async def test_a_call_is_submitted_and_polled(tmp_path: Path, said: Answer) -> None:
    """The client is told an id at once, and then the very answer, with its status, type and bytes; it is booked to the
    key that submitted it, as a step of a run of its own.
    """
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(said))
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            plain = await gateway.post(HELLO)
            run = await gateway.submit(x_trimtab_step="greet", x_trimtab_user="u-1")
            answer = await gateway.over(run)
            found = await gateway.until(run, status="completed")
            _, settled = (await gateway.events()).settled
            log = gateway.journal.log(run)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", plain.body)
    assert answer.headers["x-trimtab-background"] == "completed"
    assert (found["attempts"], found["task"], found["error"]) == (1, "triage", None)
    admitted = settled.admitted
    assert (admitted.key, admitted.task, admitted.run, admitted.step) == ("tester", "triage", run, "greet")
    assert (admitted.end_user, admitted.redrive_of, settled.cost_pusd is not None) == ("u-1", run, True)
    assert [(step.intent.label, step.intent.branch) for step in log.steps] == [("greet", "background")]
    assert log.started is not None
    assert (log.started.through, log.started.end_user) == ("background", "u-1")


async def test_a_client_of_openai_submits_and_polls(tmp_path: Path) -> None:
    """The official client, unchanged: queued at first, then completed with the output, under one id all the time."""
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer(RESPONSE))
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            client = openai.AsyncOpenAI(api_key=KEY.decode(), base_url=f"http://127.0.0.1:{gateway.port}/v1")
            first = await client.responses.create(model="triage", input="hi", background=True, metadata={"a": "b"})
            queued = await client.responses.retrieve(first.id)
            async with gateway.working_as(gateway.work):
                await gateway.until(first.id, status="completed")
            done = await client.responses.retrieve(first.id)
            await client.close()
            [sent] = upstream.requests
    assert (first.status, first.background, first.output, first.metadata) == ("queued", True, [], {"a": "b"})
    assert (queued.status, queued.id, queued.error) == ("queued", first.id, None)
    assert (done.status, done.id, done.background, done.output_text) == ("completed", first.id, True, "Hello there.")
    assert done.usage is not None
    assert done.usage.total_tokens == 8
    assert json.loads(sent.body) == {"model": "served-small", "input": "hi", "metadata": {"a": "b"}}


async def test_a_client_of_openai_cancels(tmp_path: Path) -> None:
    """What waits and what is being made are cancelled, at once; a second time changes nothing."""
    async with ScriptedUpstream() as upstream:
        upstream.always(HUNG)
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            gateway.journal.keeper.blocking.hears.append(
                lambda given: gateway.pipeline.ordered(given.runs, given.order, given.by)
            )
            client = openai.AsyncOpenAI(api_key=KEY.decode(), base_url=f"http://127.0.0.1:{gateway.port}/v1")
            first = await client.responses.create(model="triage", input="hi", background=True)
            await gateway.until(first.id, status="in_progress")
            async with asyncio.timeout(30):
                while not upstream.requests:
                    await asyncio.sleep(0.005)
            cancelled = await client.responses.cancel(first.id)
            again = await client.responses.cancel(first.id)
            async with asyncio.timeout(30):
                while gateway.work.under_way:
                    await asyncio.sleep(0.005)
            later = await client.responses.retrieve(first.id)
            row = gateway.journal.log(first.id)
            await client.close()
    assert [one.status for one in (cancelled, again, later)] == ["cancelled"] * 3
    assert row.ended is not None
    assert row.ended.state == "cancelled"


async def test_an_incomplete_response_says_so(tmp_path: Path) -> None:
    """The status is that of the answer itself."""
    cut = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer(cut))
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            run = (await gateway.post(ASKED, "/v1/responses")).json()["id"]
            await gateway.until(run, status="incomplete")
            told = (await gateway.ask("GET", f"/v1/responses/{run}")).json()
    assert (told["id"], told["status"], told["incomplete_details"]) == (run, "incomplete", cut["incomplete_details"])


async def test_messages_too(tmp_path: Path) -> None:
    """A call of Anthropic's API waits like any, and its answer has that API's shape."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            run = await gateway.submit({**HELLO, "max_tokens": 100}, "/v1/messages", anthropic_version="2023-06-01")
            answer = await gateway.over(run)
    assert (answer.status, answer.json()["type"], answer.json()["role"]) == (200, "message", "assistant")


async def test_others_do_not_see_it(tmp_path: Path) -> None:
    """Another key is told the same as of an id that nobody has; an admin sees it, and no key at all is refused."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            gateway.keys[b"tt_other"] = ClientKey("other")
            gateway.keys[b"tt_admin"] = ClientKey("ana", role="admin")
            gateway.keys[b"tt_view"] = ClientKey("vic", role="viewer")
            run = await gateway.submit()
            paths = [f"/v1/background/{run}", f"/v1/background/{run}/status"]
            others = [await gateway.ask("GET", path, authorization="Bearer tt_other") for path in paths]
            stolen = await gateway.ask("POST", f"/v1/background/{run}/cancel", authorization="Bearer tt_other")
            nobody = await gateway.ask("GET", "/v1/background/bg_0", authorization="Bearer tt_other")
            admin = await gateway.ask("GET", paths[0], authorization="Bearer tt_admin")
            viewer = await gateway.ask("GET", paths[0], authorization="Bearer tt_view")
            keyless = await gateway.ask("GET", paths[0], authorization="")
            own = await gateway.status(run)
    assert [one.status for one in (*others, stolen, nobody)] == [404] * 4
    assert others[0].body == nobody.body.replace(b"bg_0", run.encode())
    assert (admin.status, viewer.status, keyless.status, own["status"]) == (202, 403, 401, "queued")


async def test_the_same_submission_twice_is_one_call(tmp_path: Path) -> None:
    """Under one Idempotency-Key, whichever answer was lost; another request under it is refused."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            first = await gateway.submit(idempotency_key="order-7")
            await gateway.over(first)
            again = await gateway.submit(idempotency_key="order-7")
            other = await gateway.submit(idempotency_key="order-8")
            await gateway.over(other)
            body = {**HELLO, "temperature": 0.5}
            differs = await gateway.post(body, x_trimtab_background="true", idempotency_key="order-7")
            asked = len(upstream.requests)
    assert (again, other != first, asked) == (first, True, 2)
    assert (differs.status, differs.json()["error"]["code"]) == (400, "invalid_request")


async def test_a_client_that_vanishes_loses_nothing(tmp_path: Path) -> None:
    """It hangs up right after its request, and finds the call under its Idempotency-Key."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            headers = {"x_trimtab_background": "true", "idempotency_key": "k"}
            _, writer = await gateway.send(HELLO, **headers)
            await writer.drain()
            writer.close()
            async with asyncio.timeout(30):
                while not upstream.requests:
                    await asyncio.sleep(0.005)
            run = await gateway.submit(idempotency_key="k")
            answer = await gateway.over(run)
            asked = len(upstream.requests)
    assert (answer.status, asked) == (200, 1)


async def test_failures_are_tried_again_and_then_dead(tmp_path: Path) -> None:
    """Each try follows the one before it after a while; the last error is the answer, and a re-drive under the same id
    makes a new start.
    """
    declared = Background(attempts=2)
    async with ScriptedUpstream() as upstream:
        upstream.always(failing(500))
        async with Backgrounds(tmp_path, upstream.url, declared=declared, retry=Retry(attempts=1)) as gateway:
            run = await gateway.submit()
            async with asyncio.timeout(30):
                while not any(isinstance(ask, Settle) for ask in gateway.journal.asked):
                    await asyncio.sleep(0.005)
            waiting = await gateway.until(run, status="queued", attempts=1)
            gateway.later(5)
            answer = await gateway.over(run)
            dead = await gateway.status(run)
            upstream.always(chat_json())
            await gateway.journal.do(Redrive(run, "ana"))
            gateway.work.nudge()
            again = await gateway.over(run)
            letters = [event.admitted.redrive_of for event in (await gateway.events()).settled]
            log = gateway.journal.log(run)
    assert waiting["error"] is None
    assert (answer.status, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert answer.headers["x-should-retry"] == "false"
    assert (dead["status"], dead["attempts"], dead["error"]["code"]) == ("failed", 2, "upstream_error")
    assert (again.status, letters) == (200, [run] * 3)
    assert [step.result.outcome for step in log.steps if step.result] == ["error", "error", "ok"]


async def test_what_cannot_be_tried_now_is_no_failure(tmp_path: Path) -> None:
    """A model that is rate limited makes calls wait, and costs them no try."""
    declared = Background(attempts=1)
    async with ScriptedUpstream() as upstream:
        upstream.always(rate_limited())
        async with Backgrounds(tmp_path, upstream.url, declared=declared) as gateway:
            run = await gateway.submit()
            async with asyncio.timeout(30):
                while not any(isinstance(ask, Settle) for ask in gateway.journal.asked):
                    await asyncio.sleep(0.005)
            waiting = await gateway.until(run, status="queued", attempts=0)
            upstream.always(chat_json())
            gateway.later(60)
            answer = await gateway.over(run)
    assert (waiting["attempts"], answer.status) == (0, 200)


@pytest.mark.parametrize(("upstreams", "status", "code"), [(error_answer(400, "no such thing"), 400, None)])
async def test_a_request_that_is_wrong_is_not_tried_again(
    tmp_path: Path, upstreams: Script, status: int, code: Any
) -> None:
    """The server's own words are the answer."""
    async with ScriptedUpstream() as upstream:
        upstream.always(upstreams)
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            run = await gateway.submit()
            answer = await gateway.over(run)
            asked = len(upstream.requests)
    assert (answer.status, asked) == (status, 1)
    assert b"no such thing" in answer.body


async def test_a_key_that_was_revoked_meanwhile_makes_no_call(tmp_path: Path) -> None:
    """Who may call is looked at when the call is made."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            run = await gateway.submit()
            gateway.keys.clear()
            gateway.keys[b"tt_admin"] = ClientKey("ana", role="admin")
            async with gateway.working_as(gateway.work):
                answer = await gateway.over(run, authorization="Bearer tt_admin")
            asked = len(upstream.requests)
    assert (answer.status, answer.json()["error"]["code"], asked) == (401, "unauthorized", 0)


async def test_a_worker_that_vanished_is_followed(tmp_path: Path) -> None:
    """Its call is sent again when its lease is over, and the ledger of the step says so."""
    async with ScriptedUpstream() as upstream:
        upstream.add(HUNG)
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            run = await gateway.submit()
            lost = gateway.worker("g1")
            minding = asyncio.create_task(lost.run())
            async with asyncio.timeout(30):
                while not upstream.requests:
                    await asyncio.sleep(0.005)
            minding.cancel()
            gateway.later(20)
            async with gateway.working_as(gateway.work):
                answer = await gateway.over(run)
            log = gateway.journal.log(run)
            await lost.drain(0)
            after = await gateway.over(run)
    assert (answer.status, after.body, len(log.steps)) == (200, answer.body, 1)
    [step] = log.steps
    assert [(tried.layer, tried.cause) for tried in ledgers(log)[step.seq]] == [
        ("driver", "lease_lost"),
        ("driver", "ok"),
    ]


async def test_a_worker_that_drains_gives_calls_back(tmp_path: Path) -> None:
    """The next one makes them at once, and no try is counted."""
    async with ScriptedUpstream() as upstream:
        upstream.add(HUNG)
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            run = await gateway.submit()
            async with gateway.working_as(gateway.worker("g1")) as leaving:
                async with asyncio.timeout(30):
                    while not upstream.requests:
                        await asyncio.sleep(0.005)
                assert await leaving.drain(0) == 1
            assert (await gateway.status(run))["status"] == "queued"
            async with gateway.working_as(gateway.worker("g2")):
                answer = await gateway.over(run)
            found = await gateway.status(run)
    assert (answer.status, found["attempts"]) == (200, 1)


class Giving:
    """A journal that gives a call out, `gives` it, and is heard of when it `goes_on`."""

    def __init__(self, journal: RunJournal) -> None:
        self._journal = journal
        self.gives, self.goes_on = asyncio.Event(), asyncio.Event()

    async def do(self, ask: Ask) -> Told:
        told = await self._journal.do(ask)
        if isinstance(told, Taken):
            self.gives.set()
            await self.goes_on.wait()
        return told


async def test_a_call_that_is_taken_while_its_worker_drains_is_given_back(tmp_path: Path) -> None:
    """Keeper gives it out as the worker begins to leave: it is not left behind, and no try is counted."""
    async with ScriptedUpstream() as upstream:
        upstream.always(HUNG)
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            run = await gateway.submit()
            journal = gateway.journal = Giving(gateway.journal)
            async with gateway.working_as(gateway.worker("g1")) as leaving:
                await journal.gives.wait()
                draining = asyncio.create_task(leaving.drain(0))
                await asyncio.sleep(0)
                journal.goes_on.set()
                assert await draining == 1
            found = await gateway.status(run)
    assert (found["status"], found["attempts"]) == ("queued", 0)


async def test_a_busy_model_gets_no_background_call(tmp_path: Path) -> None:
    """Calls that somebody waits for go first."""
    declared = Background(busy=1)
    async with ScriptedUpstream() as upstream:
        upstream.add(HUNG)
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url, working=False, declared=declared) as gateway:
            _, writer = await gateway.send(HELLO)
            async with asyncio.timeout(30):
                while not upstream.requests:
                    await asyncio.sleep(0.005)
            run = await gateway.submit()
            assert await gateway.work._take() is None
            writer.close()
            async with gateway.working_as(gateway.work):
                answer = await gateway.over(run)
    assert answer.status == 200


async def test_limits_of_submissions(tmp_path: Path) -> None:
    """Too many of a key are told to come again later; too large a body, an unknown receiver or run, and a
    stream cannot wait at all.
    """
    declared = Background(waiting=1, max_request=1024)
    more = {"x_trimtab_background": "true"}
    async with Backgrounds(tmp_path, "http://127.0.0.1:1", working=False, declared=declared) as gateway:
        wrong = [
            await gateway.post(HELLO, **more, x_trimtab_receiver="nobody"),
            await gateway.post({**HELLO, "stream": True}, **more),
            await gateway.post(HELLO, x_trimtab_background="yes"),
            await gateway.post(HELLO, **more, x_trimtab_run="no-such-run"),
            await gateway.post(HELLO, **more, x_trimtab_step="s" * 201),
            await gateway.post({**HELLO, "max_tokens": 10**12}, **more),
        ]
        await gateway.submit(x_trimtab_receiver="ops")
        over = await gateway.post(HELLO, **more)
        large = await gateway.post({**HELLO, "user": "x" * 2000}, **more)
        unknown = await gateway.post({**HELLO, "model": "nothing"}, **more)
        polled = await gateway.ask("GET", "/v1/responses/resp_0?stream=true")
        method = await gateway.ask("DELETE", "/v1/responses/resp_0")
    assert (over.status, over.json()["error"]["code"], over.headers["retry-after"]) == (429, "rate_limited", "10")
    assert (large.status, [one.status for one in wrong]) == (413, [400] * 6)
    assert (unknown.status, polled.status, method.status) == (404, 400, 405)


async def test_what_is_not_kept_cannot_wait(tmp_path: Path) -> None:
    """A task whose bodies are not kept is told so at once."""
    async with ScriptedUpstream() as upstream, Backgrounds(tmp_path, upstream.url, redaction="digest") as gateway:
        told = await gateway.post(ASKED, "/v1/responses")
    assert (told.status, "redaction" in told.json()["error"]["message"]) == (400, True)


async def test_without_keeper_nothing_is_taken_in_and_all_else_goes_on(tmp_path: Path) -> None:
    """Submissions and polls say so; a call that waits for its answer is answered."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url, working=False) as gateway:
            run = await gateway.submit()
            gateway.journal.broken = JournalUnavailable(detail="keeper has gone")
            submitted = await gateway.post(HELLO, x_trimtab_background="true")
            polled = await gateway.ask("GET", f"/v1/background/{run}")
            plain = await gateway.post(HELLO)
    told = [(one.status, one.json()["error"]["code"]) for one in (submitted, polled)]
    assert told == [(503, "journal_unavailable")] * 2
    assert plain.status == 200


async def test_without_a_journal_there_is_no_background(tmp_path: Path) -> None:
    """A gateway that has none says so, and does not ask its servers to keep anything."""
    async with ScriptedUpstream() as upstream:
        policy = snapshot({"small": upstream.url}, task("triage", "small"))
        async with RunningGateway(tmp_path, policy) as gateway:
            told = [
                await gateway.post(ASKED, "/v1/responses"),
                await gateway.post(HELLO, x_trimtab_background="true"),
            ]
    assert [one.status for one in told] == [400, 400]
    assert upstream.requests == []


async def test_a_call_that_is_late_fails(tmp_path: Path) -> None:
    """Its whole life is bounded, by what was declared or by its client."""
    async with ScriptedUpstream() as upstream, Backgrounds(tmp_path, upstream.url, working=False) as gateway:
        run = await gateway.submit(x_trimtab_deadline_ms="60000")
        before = await gateway.status(run)
        gateway.later(61)
        await gateway.journal.do(Sweep())
        answer = await gateway.over(run)
    assert before["deadline_at"] - before["created_at"] in {60, 61}
    assert (answer.status, answer.json()["error"]["code"]) == (504, "deadline_total")


async def test_a_keeper_that_goes_amid_a_call_is_waited_for(tmp_path: Path) -> None:
    """A call whose intent could not be written is made when that can be."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with Backgrounds(tmp_path, upstream.url) as gateway:
            gateway.journal.broken_at = Begin
            run = await gateway.submit()
            async with asyncio.timeout(30):
                while not any(isinstance(ask, Settle) for ask in gateway.journal.asked):
                    await asyncio.sleep(0.005)
            gateway.journal.broken_at = None
            gateway.later(20)
            answer = await gateway.over(run)
    assert answer.status == 200


class Mute(RunJournal):
    """Writes the first result that it is told, and cannot say so."""

    mute = True

    async def do(self, ask: Ask) -> Told:
        told = await super().do(ask)
        if isinstance(ask, Finish) and self.mute:
            self.mute = False
            raise JournalUnavailable(detail="no answer within 5 s")
        return told


async def test_an_answer_that_was_written_is_not_paid_for_again(tmp_path: Path) -> None:
    """Keeper wrote it and could not say so in time: the next try finds it in the journal, and asks no model."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        gateway = Backgrounds(tmp_path, upstream.url)
        gateway.journal = Mute(tmp_path)
        async with gateway:
            run = await gateway.submit()
            async with asyncio.timeout(30):
                while not any(isinstance(ask, Settle) for ask in gateway.journal.asked):
                    await asyncio.sleep(0.005)
            gateway.later(20)
            answer = await gateway.over(run)
            asked = len(upstream.requests)
            steps = gateway.journal.log(run).steps
    assert (answer.status, asked, len(steps)) == (200, 1, 1)
