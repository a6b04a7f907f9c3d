"""Calls of a run through a whole gateway: what is journaled, and what is given again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import KEY, ClientKey, RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Answer, ScriptedUpstream, chat_json, chat_stream, error_answer

HELLO = {"model": "triage", "messages": [{"role": "user", "content": "hi"}]}
LONG = Answer(pieces=tuple(f"word {number} " for number in range(300)))


def policy(url: str, **more: Any) -> Snapshot:
    return snapshot({"small": url}, task("triage", "small", **more))


def opened(directory: Path, url: str, **more: Any) -> RunningGateway:
    gateway = RunningGateway(directory, policy(url, **more))
    gateway.journal = RunJournal(directory)
    return gateway


async def test_a_call_is_a_step_of_its_run(tmp_path: Path) -> None:
    """Its intent is in the journal before the replica is asked, its result before the answer ends."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            answer = await gateway.post(HELLO, x_trimtab_run="r-1", x_trimtab_step="greet")
            log = gateway.journal.log("r-1")
            [settled] = (await gateway.events()).settled
    [step] = log.steps
    assert log.started is not None
    assert (log.started.through, log.started.task) == ("gateway", "triage")
    assert (step.intent.label, step.intent.step, step.intent.call) == ("greet", "model", settled.admitted.call)
    assert step.result is not None
    assert step.result.output is not None
    assert (step.result.outcome, step.result.status, step.result.cost_pusd) == ("ok", 200, settled.cost_pusd)
    assert step.result.output.inline is not None
    assert step.result.output.inline.encode() == answer.body
    assert answer.headers["x-trimtab-seq"] == str(step.seq)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("said", [Answer(), LONG], ids=["short", "long"])
async def test_a_replay_gives_the_same_bytes_and_asks_nobody(tmp_path: Path, said: Answer, stream: bool) -> None:
    """The answer is that of then, and its record bears no cost and another task than traffic has."""
    body = {**HELLO, "stream": stream}
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream(said) if stream else chat_json(said))
        async with opened(tmp_path, upstream.url) as gateway:
            first = await gateway.post(body, x_trimtab_run="r-1")
            again = await gateway.post(body, x_trimtab_replay="r-1")
            events = await gateway.events()
            asked = len(upstream.requests)
    assert asked == 1
    assert (again.status, again.body, again.whole) == (200, first.body, True)
    assert again.headers["content-type"] == first.headers["content-type"]
    made, replayed = events.settled
    assert (made.admitted.task, replayed.admitted.task) == ("triage", "(replay) triage")
    assert (replayed.attempts, replayed.cost_pusd, replayed.usage, replayed.outcome) == (0, 0, None, "ok")


async def test_a_failed_call_is_replayed_as_it_failed(tmp_path: Path) -> None:
    """An error is an answer too: the same status and body, and whether to send it again."""
    async with ScriptedUpstream() as upstream:
        upstream.always(error_answer(400, "no such thing"))
        async with opened(tmp_path, upstream.url) as gateway:
            first = await gateway.post(HELLO, x_trimtab_run="r-1")
            again = await gateway.post(HELLO, x_trimtab_replay="r-1")
            asked = len(upstream.requests)
            [step] = gateway.journal.log("r-1").steps
    assert (asked, first.status) == (1, 400)
    assert step.result is not None
    assert (step.result.outcome, step.result.error) == ("error", "invalid_request")
    for name in ("content-type", "x-should-retry"):
        assert again.headers[name] == first.headers[name]
    assert (again.status, again.body) == (first.status, first.body)


async def test_another_request_is_a_divergence_that_names_its_step(tmp_path: Path) -> None:
    """The answer says which step was meant and how it differs, and no replica is asked."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            for word in ("one", "two", "three"):
                await gateway.post(
                    {"model": "triage", "messages": [{"role": "user", "content": word}]}, x_trimtab_run="r"
                )
            other = {"model": "triage", "messages": [{"role": "user", "content": "twa"}]}
            answer = await gateway.post(other, x_trimtab_replay="r")
            steps = gateway.journal.log("r").steps
            asked = len(upstream.requests)
    error = answer.json()["error"]
    assert (asked, answer.status, error["code"]) == (3, 409, "replay_divergence")
    assert f"step {steps[1].seq} (triage): request.messages[0].content" in error["message"]


async def test_a_run_that_goes_on_asks_for_what_is_new_alone(tmp_path: Path) -> None:
    """A program that starts again gets its recorded answers, each once, and new ones from there on."""
    body = {"model": "triage", "messages": [{"role": "user", "content": "roll a die"}]}
    async with ScriptedUpstream() as upstream:
        upstream.add(*(chat_json(Answer(pieces=(str(number),))) for number in (6, 2, 5)))
        async with opened(tmp_path, upstream.url) as gateway:
            first = [(await gateway.post(body, x_trimtab_run="r")).body for _ in range(2)]
            resumed = {"x_trimtab_run": "r", "x_trimtab_replay": "r", "x_trimtab_replay_session": "second life"}
            again = [(await gateway.post(body, **resumed)).body for _ in range(3)]
            nameless = await gateway.post(body, x_trimtab_run="r", x_trimtab_replay="r")
            asked = len(upstream.requests)
            tasks = [one.admitted.task for one in (await gateway.events()).settled]
    assert (again[:2], asked) == (first, 3)
    assert b'"5"' in again[2]
    assert (nameless.status, "x-trimtab-replay-session" in nameless.json()["error"]["message"]) == (400, True)
    assert tasks == ["triage", "triage", "(replay) triage", "(replay) triage", "triage"]


async def test_identical_requests_with_different_answers(tmp_path: Path) -> None:
    """Nothing tells them apart in a replay without a name: that is said. Under a run of its own they come in order."""
    body = {"model": "triage", "messages": [{"role": "user", "content": "roll a die"}]}
    async with ScriptedUpstream() as upstream:
        upstream.add(*(chat_json(Answer(pieces=(str(number),))) for number in (6, 2)))
        async with opened(tmp_path, upstream.url) as gateway:
            first = [(await gateway.post(body, x_trimtab_run="r")).body for _ in range(2)]
            guess = await gateway.post(body, x_trimtab_replay="r")
            named = [await gateway.post(body, x_trimtab_run="r.again", x_trimtab_replay="r") for _ in range(3)]
            taken = await gateway.post(body, x_trimtab_run="r", x_trimtab_replay="r.again")
            asked = len(upstream.requests)
    assert (guess.status, guess.json()["error"]["code"]) == (409, "replay_divergence")
    assert "2 identical requests 'triage'" in guess.json()["error"]["message"]
    assert [one.body for one in named[:2]] == first
    assert (named[2].status, named[2].json()["error"]["code"]) == (409, "replay_divergence")
    assert (taken.status, asked) == (400, 2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "triagf", "messages": []}),
        ("/v1/chat/completions", {"model": "triage", "messagez": []}),
        ("/v1/messages", {"model": "triage", "messages": [], "max_tokens": 5}),
        ("/v1/responses", {"model": "triage", "input": "hi"}),
    ],
)
async def test_a_request_that_cannot_even_be_read_is_a_divergence(tmp_path: Path, path: str, body: Any) -> None:
    """In a replay whatever differs is held against the recorded step, in the shape of the surface."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await gateway.post({"model": "triage", "messages": []}, x_trimtab_run="r")
            answer = await gateway.post(body, path, x_trimtab_replay="r")
            asked = len(upstream.requests)
    assert (answer.status, asked) == (409, 1)
    assert b"replay_divergence" in answer.body
    assert b"(triage)" in answer.body


@pytest.mark.parametrize("kept", ["", "n"])
async def test_a_key_replays_no_run_of_a_task_it_may_not_use(tmp_path: Path, kept: str) -> None:
    """What another task was answered is not for it, nor how its own request differs from that; under a new id too."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        made = snapshot({"small": upstream.url}, task("triage", "small"), task("other", "small"))
        gateway = RunningGateway(tmp_path, made)
        gateway.journal = RunJournal(tmp_path)
        async with gateway:
            await gateway.post({**HELLO, "model": "other"}, x_trimtab_run="r")
            gateway.keys[KEY] = ClientKey(tasks=("triage",))
            answer = await gateway.post(HELLO, x_trimtab_replay="r", x_trimtab_run=kept)
    assert (answer.status, answer.json()["error"]["code"]) == (403, "forbidden")


async def test_what_a_task_does_not_keep_is_not_given_again(tmp_path: Path) -> None:
    """Under a redaction the journal has digests alone, and a replay says so."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url, redaction="digest") as gateway:
            await gateway.post(HELLO, x_trimtab_run="r")
            answer = await gateway.post(HELLO, x_trimtab_replay="r")
            [step] = gateway.journal.log("r").steps
    assert step.result is not None
    assert step.intent.input is not None
    assert step.result.output is not None
    assert (step.intent.input.inline, step.result.output.inline) == (None, None)
    assert (answer.status, "not kept" in answer.json()["error"]["message"]) == (409, True)
