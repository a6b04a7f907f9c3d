"""Calls of models that fail, through a gateway: the program goes on behind them, and so does a replay."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.gateway.harness import KEY
from tests.runs.through_gateway import journaled
from trimtab import ModelFailed, model, replay, run, stamps, step
from trimtab.errors import JournalUnavailable
from trimtab.journal.entries import Intent
from trimtab.runs.gateway import GatewayModels
from trimtab.runs.models import Asked
from trimtab.testing import Answer, Hang, Script, chat_json
from trimtab.testing.scripts import error_answer

PATIENCE: list[asyncio.Timeout] = []
MEANWHILE: list[Callable[[], None]] = []


@step
async def instead() -> str:
    while MEANWHILE:
        MEANWHILE.pop()()
    return "did without"


@run(task="support")
async def copes() -> str:
    """Does without a model's answer."""
    try:
        return (await model("triage", "lost?")).text
    except ModelFailed:
        return await instead()


@run(task="support")
async def impatient() -> str:
    """Does without a model that does not answer in time."""
    try:
        async with asyncio.timeout(None) as until:
            PATIENCE.append(until)
            return (await model("triage", "lost?")).text
    except TimeoutError:
        return await instead()


async def lose_patience(came: Callable[[], bool]) -> None:
    """Has the program give up, once it waits and that has come."""
    while not (PATIENCE and came()):
        await asyncio.sleep(0.002)
    PATIENCE.pop().reschedule(asyncio.get_running_loop().time())


async def test_a_run_goes_on_behind_a_call_that_failed(tmp_path: Path) -> None:
    """The call is a step, and the next one comes after it."""
    async with journaled(tmp_path) as world:
        world.upstream.always(error_answer(400, "no"))
        with world.runtime():
            assert await copes.options(id="r")() == "did without"
            assert await replay("r", copes) == "did without"
        steps = [entry for entry in world.entries("r") if isinstance(entry, Intent)]
        assert [one.label for one in steps] == ["triage", "instead"]
        assert world.asked() == 1


async def test_a_run_goes_on_behind_a_call_that_it_gave_up(tmp_path: Path) -> None:
    """The call is a step without an answer: taken up again or replayed, the program gives it up again."""
    async with journaled(tmp_path) as world:
        world.upstream.always(Script((Hang(),)))
        MEANWHILE.append(lambda: world.keeper.lose(1, answered=True))  # its result is the last that is written
        with world.runtime():
            doing = asyncio.ensure_future(impatient.options(id="r")())
            await lose_patience(lambda: world.asked() == 1)
            with pytest.raises(JournalUnavailable):
                await doing
        world.crash()
        with world.runtime():
            for again in (impatient.options(id="r"), lambda: replay("r", impatient)):
                doing = asyncio.ensure_future(again())
                await lose_patience(lambda: True)
                assert await doing == "did without"
        steps = [entry for entry in world.entries("r") if isinstance(entry, Intent)]
        assert [one.label for one in steps] == ["triage", "instead"]
        assert world.asked() == 1


async def test_a_run_goes_on_behind_a_client_s_call_that_it_gave_up(tmp_path: Path) -> None:
    """The next call, and the step after it, come after that of which the client has heard nothing."""

    @run(task="support", without="url")
    async def asks_twice(url: str) -> str:
        async def said(client: httpx.AsyncClient, content: str) -> str:
            body = {"model": "support", "messages": [{"role": "user", "content": content}]}
            answer = await client.post(f"{url}/v1/chat/completions", json=body)
            return str(answer.json()["choices"][0]["message"]["content"])

        bearing = {"authorization": f"Bearer {KEY.decode()}"}
        async with httpx.AsyncClient(event_hooks=stamps.hooks, headers=bearing, timeout=None) as client:
            for question in ("slow", "slow too"):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(None) as until:
                        PATIENCE.append(until)
                        await said(client, question)
            await instead()
            return await said(client, "quick")

    async with journaled(tmp_path) as world:
        world.upstream.always(lambda got: Script((Hang(),)) if b"slow" in got.body else chat_json(Answer(("well",))))
        with world.runtime():
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                doing = group.create_task(asks_twice.options(id="r")(world.url))
                await lose_patience(lambda: world.asked() == 1)
                await lose_patience(lambda: world.asked() == 2)
        assert doing.result() == "well"
        steps = [(seq, entry) for seq, entry in enumerate(world.entries("r"), 1) if isinstance(entry, Intent)]
        assert [one.step for _, one in steps] == ["model", "model", "step", "model"]
        assert [one.after for _, one in steps] == [0, *(seq for seq, _ in steps[:-1])]


class Deaf(httpx.HTTPTransport):
    """Loses the first answer."""

    lost = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if self.lost:
            return answer
        self.lost = True
        answer.read()
        answer.close()
        raise httpx.ReadTimeout("no answer in time", request=request)


async def test_a_run_that_does_not_await_goes_on_behind_a_client_s_call(tmp_path: Path) -> None:
    """Another call comes after the one whose answer was lost."""

    @run(task="support")
    def asks_twice(url: str) -> str:
        bearing = {"authorization": f"Bearer {KEY.decode()}"}
        with httpx.Client(event_hooks=stamps.blocking_hooks, headers=bearing, timeout=None, transport=Deaf()) as client:
            body = {"model": "support", "messages": [{"role": "user", "content": "well?"}]}
            with pytest.raises(httpx.ReadTimeout):
                client.post(f"{url}/v1/chat/completions", json=body)
            answer = client.post(f"{url}/v1/chat/completions", json=body | {"temperature": 0.5})
            return str(answer.json()["choices"][0]["message"]["content"])

    async with journaled(tmp_path) as world:
        world.upstream.always(chat_json(Answer(("well",))))
        with world.runtime():
            assert await asyncio.to_thread(asks_twice.options(id="r"), world.url) == "well"
        steps = [(seq, entry) for seq, entry in enumerate(world.entries("r"), 1) if isinstance(entry, Intent)]
        assert [one.after for _, one in steps] == [0, steps[0][0]]


async def test_a_program_without_a_key_is_told_where_its_key_goes(tmp_path: Path) -> None:
    """The gateway speaks of a header; a program is told the variable that the key is taken from."""
    async with journaled(tmp_path) as world:
        gateway = GatewayModels(world.url)
        with pytest.raises(ModelFailed, match=r"no valid key; .*; a program's is in TRIMTAB_KEY"):
            await gateway.ask(Asked("triage"), {})
        await gateway.close()


async def test_a_gateway_that_is_not_there_is_named_with_what_has_to_run() -> None:
    """A program without its gateway is told what starts it and what names another, whether it awaits or not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gateway = GatewayModels(f"http://127.0.0.1:{free.getsockname()[1]}")
        told = f"{gateway.url} does not answer .*: `trimtab up` has to run, and TRIMTAB_URL names its gateway"
        with pytest.raises(ModelFailed, match=told):
            await gateway.ask(Asked("triage"), {})
        with pytest.raises(ModelFailed, match=told):
            gateway.ask_blocking(Asked("triage"), {})
