"""Replays of agents: byte for byte and chunk for chunk, on every surface, at full speed and at that of then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bench.replayed_runs import Said, agent, ask, modelled
from tests.gateway.harness import GENEROUS, RunningGateway, passing, snapshot, task
from tests.gateway.jumping import jump
from tests.gateway.run_journal import RunJournal
from trimtab.declare.project import Defaults
from trimtab.journal.asks import Ask, Direct, Told
from trimtab.journal.keeping import Retire
from trimtab.testing import Answer, JumpingClock, Received, Script, ScriptedUpstream, chat_stream, json_answer
from trimtab.testing.scripts import Framing


def test_agents_are_replayed_with_their_model_gone(tmp_path: Path) -> None:
    """Parallel calls, refusals, streams and whole answers: the same bytes in the same chunks, and nobody is asked."""

    async def main(clock: JumpingClock) -> None:
        async with modelled(tmp_path, 3, clock) as (gateway, model):
            first = [await agent(gateway, number, 6, x_trimtab_run=f"r-{number}") for number in range(4)]
            asked = model.asked
            await model.leave()
            again = [await agent(gateway, number, 6, x_trimtab_replay=f"r-{number}") for number in range(4)]
            named = await agent(gateway, 0, 6, x_trimtab_run="r-0.again", x_trimtab_replay="r-0")
        assert (again, named) == (first, first[0])
        assert (asked, model.asked) == (sum(map(len, first)), asked)
        assert any(len(said.chunks) > 5 for said in first[0])

    jump(main)


FULL = Defaults(deadline=GENEROUS, undeclared_redaction="full")
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
    "/v1/responses": {"input": "hi"},
    "/v1/completions": {"prompt": "hi"},
    "/v1/embeddings": {"input": "hi"},
}
ANSWERS = {
    "/v1/embeddings": {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}},
    "/v1/completions": {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "yes"}]},
    "/v1/responses": {"id": "r", "object": "response", "status": "completed", "output": [], "model": "m"},
    "/v1/tokenize": {"tokens": [1, 2]},
}
STREAMED = [(path, True) for path in BODIES if path not in ANSWERS]


def answer(request: Received) -> Script:
    """A whole answer of the path, or a chat's that is whole or streamed."""
    if request.target in ANSWERS:
        return json_answer(ANSWERS[request.target])
    said = Answer(pieces=("some", "words", "of", "it"))
    return chat_stream(said) if b'"stream":true' in request.body.replace(b" ", b"") else json_answer(said.body())


@pytest.mark.parametrize(("path", "stream"), [*((path, False) for path in BODIES), *STREAMED])
async def test_every_surface(tmp_path: Path, path: str, stream: bool) -> None:
    """What is translated is given again as the client got it, in the words of its surface."""
    body = {"model": "triage", **BODIES[path], **({"stream": True} if stream else {})}
    async with ScriptedUpstream() as upstream:
        upstream.always(answer)
        gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")))
        gateway.journal = RunJournal(tmp_path)
        async with gateway:
            first = await ask(gateway, body, path, x_trimtab_run="r")
            again = await ask(gateway, body, path, x_trimtab_replay="r")
            asked = len(upstream.requests)
            other = await ask(gateway, {**body, "user": "x"}, path, x_trimtab_replay="r")
    assert (first.status, again, asked) == (200, first, 1)
    assert (other.status, b"replay_divergence" in other.body) == (409, True)


async def test_a_route_that_passes_through(tmp_path: Path) -> None:
    """Bytes of any kind are a step's request and answer too; the server's own header fields come again."""
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer({"tokens": [1, 2]}, headers=[("x-model-version", "7")]))
        made = snapshot({"small": upstream.url}, task("triage", "small"), defaults=FULL)
        made.models["small"] = passing(made.models["small"], ("POST", "/tokenize"))
        gateway = RunningGateway(tmp_path, made)
        gateway.journal = RunJournal(tmp_path)
        async with gateway:
            first = await gateway.post(b"\xff bytes", "/tokenize", x_trimtab_run="r")
            again = await gateway.post(b"\xff bytes", "/tokenize", x_trimtab_replay="r")
            other = await gateway.post(b"\xfe bytes", "/tokenize", x_trimtab_replay="r")
            asked = len(upstream.requests)
    assert (again.status, again.body, again.headers["x-model-version"], asked) == (200, first.body, "7", 1)
    assert other.status == 409


def test_the_speed_of_then(tmp_path: Path) -> None:
    """On request a stream comes with the delays that it had; else at once."""

    async def main(clock: JumpingClock) -> tuple[Said, Said, float, float]:
        async with ScriptedUpstream() as upstream:
            upstream.always(chat_stream(Answer(), Framing(first_wait_s=1.0, gap_s=0.25)))
            gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")), clock)
            gateway.journal = RunJournal(tmp_path)
            body = {"model": "triage", "messages": [], "stream": True}
            async with gateway:
                first = await ask(gateway, body, x_trimtab_run="r")
                begun_s = clock.monotonic()
                paced = await ask(gateway, body, x_trimtab_replay="r", x_trimtab_replay_speed="recorded")
                paced_s = clock.monotonic() - begun_s
                again = await ask(gateway, body, x_trimtab_replay="r")
                assert again == first
                return first, paced, paced_s, clock.monotonic() - begun_s - paced_s

    first, paced, paced_s, full_s = jump(main)
    assert paced == first
    assert paced_s == pytest.approx(1.0 + 0.25 * 7, abs=0.05)
    assert full_s == pytest.approx(0.0, abs=0.05)


def test_a_recorded_stream_that_is_stopped_ends(tmp_path: Path) -> None:
    """An order ends it where it is: the client is told so and is not left waiting, and the call is settled."""
    again = {"x_trimtab_replay": "r", "x_trimtab_replay_session": "again", "x_trimtab_replay_speed": "recorded"}

    async def main(clock: JumpingClock) -> tuple[bytes, list[str]]:
        async with ScriptedUpstream() as upstream:
            upstream.always(chat_stream(Answer(), Framing(gap_s=0.25)))
            gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")), clock)
            gateway.journal = RunJournal(tmp_path)
            body = {"model": "triage", "messages": [], "stream": True}
            async with gateway:
                await ask(gateway, body, x_trimtab_run="r")
                reader, writer = await gateway.send(body, x_trimtab_run="r", **again)
                head = await reader.readuntil(b"\r\n\r\n")
                told = await gateway.journal.do(Direct("stop", "ana", run="r"))
                gateway.pipeline.ordered(told.runs, "stop", "ana")
                async with asyncio.timeout(60):
                    rest = await reader.read()
                writer.close()
                return head + rest, [one.outcome for one in (await gateway.events()).settled]

    answer, outcomes = jump(main)
    assert (answer[:12], b"run_stopped" in answer, answer.endswith(b"\r\n0\r\n\r\n")) == (b"HTTP/1.1 200", True, False)
    assert outcomes == ["ok", "run_stopped"]


class ATurnLater(RunJournal):
    """Its answers come a turn of the loop later, as those of another process do."""

    async def do(self, ask: Ask) -> Told:
        await asyncio.sleep(0)
        return await super().do(ask)


async def test_calls_that_begin_a_replay_at_once(tmp_path: Path) -> None:
    """Branches of a program that begin together all get their answers, whichever of them begins the run."""
    bodies = [{"model": "triage", "messages": [], "user": name} for name in ("ana", "bo", "cy")]
    async with ScriptedUpstream() as upstream:
        upstream.always(answer)
        gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")))
        gateway.journal = ATurnLater(tmp_path)
        async with gateway:
            first = [await ask(gateway, body, x_trimtab_run="r") for body in bodies]
            named = [ask(gateway, body, x_trimtab_run="r.again", x_trimtab_replay="r") for body in bodies]
            assert await asyncio.gather(*named) == first


async def test_a_run_that_was_removed_is_begun_again(tmp_path: Path) -> None:
    """A worker that began it once need not know that its time was over meanwhile."""
    body = {"model": "triage", "messages": []}
    async with ScriptedUpstream() as upstream:
        upstream.always(answer)
        gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")))
        gateway.journal = RunJournal(tmp_path)
        async with gateway:
            await ask(gateway, body, x_trimtab_run="r")
            await ask(gateway, body, x_trimtab_run="the-latest-stays")
            gateway.journal.expire()
            told = await gateway.journal.do(Retire(60.0, idle=True))
            again = await ask(gateway, body, x_trimtab_run="r")
    assert (told.runs, again.status) == (("r",), 200)
