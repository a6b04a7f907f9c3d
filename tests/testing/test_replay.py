"""Recorded runs done again: what was recorded is given, and what is otherwise is named."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

import trimtab
from tests.journal.logs import BEGAN, Writing
from trimtab.errors import JournalUnavailable, TrimtabError
from trimtab.journal.asks import Begin, Begun, Finish
from trimtab.journal.entries import Asked, Result, body_of
from trimtab.journal.reading import BlockingAsking
from trimtab.journal.recording import NoRecording, Recording
from trimtab.journal.refusals import Divergence
from trimtab.journal.requests import canonical
from trimtab.processes.run_export import exported
from trimtab.runs.models import Asked as Asking
from trimtab.testing import Diverged, LocalRuns, NetworkClosed, ReplayedRun
from trimtab.testing.runs import Answering, ScriptedModels

CHUNKS = (b'data: {"choices": [{"delta": {"content": "re', b'funded"}}]}\n\n', b"data: [DONE]\n\n")
ASKED = {"model": "refund", "messages": [{"role": "user", "content": "Where is order 12?"}], "stream": True}


class Shop:
    """An agent whose tool counts how often it was called for real."""

    def __init__(self, question: str = "Where is order {order}?", tool: str = "look_up") -> None:
        self.calls = 0
        self.question = question

        @trimtab.tool(effect="read", name=tool)
        async def look_up(order: int) -> str:
            self.calls += 1
            return f"order {order} is open"

        @trimtab.run(name="refund", task="refund")
        async def agent(order: int) -> str:
            status = await look_up(order)
            reply = await trimtab.model("refund", self.question.format(order=order), status=status)
            return reply.text

        self.agent = agent


def record(path: Path, shop: Shop) -> Path:
    """Has the agent do its work once, and writes what it did."""
    with LocalRuns(models={"refund": "refunded"}) as runs:
        assert asyncio.run(shop.agent(12)) == "refunded"
        journal: BlockingAsking = runs
        path.write_bytes(b"".join(exported(journal, runs.runs()[0])))
    return path


def test_a_run_is_done_again_without_effects(tmp_path: Path) -> None:
    """The program returns what it did; its tool is not called and its model not asked."""
    path = record(tmp_path / "run.jsonl", Shop())
    again = Shop()
    with ReplayedRun(path) as replay:
        assert replay.call(again.agent) == "refunded"
        assert replay.output == "refunded"
    assert again.calls == 0


class Journaling(ScriptedModels):
    """Models behind a gateway, which writes each call down as a step before it has it answered."""

    journaled = True

    def __init__(self, answers: dict[str, Answering], runs: LocalRuns) -> None:
        super().__init__(answers)
        self._runs = runs

    async def ask(self, asked: Asking, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The answer of the table, and the seq of its step."""
        run, epoch = headers["x-trimtab-run"], int(headers["x-trimtab-lease"])
        content = asked.body()
        begin = Begin(
            run, epoch, "model", asked.task, canonical("model", "", content).digest, body_of(content),
            branch=headers["x-trimtab-branch"], after=int(headers["x-trimtab-after"]), call=f"c{len(self.asked)}",
        )  # fmt: skip
        begun = self._runs.do(begin)
        assert isinstance(begun, Begun)
        try:
            body, _ = self.ask_blocking(asked, headers)
            if asked.task == "slow":
                await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self._runs.do(Finish(run, epoch, Result(BEGAN, begun.seq, "cancelled", None, status=499)))
            raise
        self._runs.do(Finish(run, epoch, Result(BEGAN, begun.seq, "ok", body_of(body), status=200)))
        return body, begun.seq


@trimtab.run(name="refund", task="refund")
async def careful(order: int) -> str:
    """Asks within a step, and gives one call up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await trimtab.model("slow", order=order)
    return await sorted_out(order)


@trimtab.step
async def sorted_out(order: int) -> str:
    return (await trimtab.model("refund", order=order)).text


def test_a_call_within_a_step_need_not_be_made_again(tmp_path: Path) -> None:
    """The step gives what it gave, and nobody asks what it asked; nor what was given up before it was answered."""
    path = tmp_path / "run.jsonl"
    with LocalRuns() as runs:
        runs.runtime.models = Journaling({"slow": "never", "refund": "refunded"}, runs)
        assert asyncio.run(careful.options(id="r")(12)) == "refunded"
        path.write_bytes(b"".join(exported(runs, "r")))
    with ReplayedRun(path) as replay:
        assert replay.call(careful) == "refunded"
    assert replay.server.left == 0


def test_what_changed_is_not_given_an_old_answer(tmp_path: Path) -> None:
    """A changed question, or another tool, ends the replay at its step, before anything is done for real."""
    path = record(tmp_path / "run.jsonl", Shop())
    for changed in (Shop(question="Where is order {order}!"), Shop(tool="look_it_up")):
        with pytest.raises(TrimtabError, match="something else"), ReplayedRun(path) as replay:
            replay.call(changed.agent)
        assert changed.calls == 0


@pytest.mark.parametrize("by", ["its name", "the program"])
def test_what_was_never_recorded_is_not_done(tmp_path: Path, by: str) -> None:
    """A step that the program takes beyond what it did is refused, also behind the last one, and not taken for real."""
    path = record(tmp_path / "run.jsonl", Shop())
    paid: list[int] = []

    @trimtab.tool(effect="write")
    async def pay(cents: int) -> None:
        paid.append(cents)

    @trimtab.run(name="refund", task="refund")
    async def agent(order: int) -> str:
        text: str = await again.agent.__wrapped__(order)  # type: ignore[attr-defined]
        await pay(1900)
        return text

    again = Shop()
    with pytest.raises(Divergence, match=r"\(pay\): nothing is recorded"), ReplayedRun(path) as replay:
        replay.call(agent if by == "its name" else lambda url: agent(12))
    assert (paid, again.calls) == ([], 0)


def test_a_step_that_is_not_taken_any_more_is_named(tmp_path: Path) -> None:
    """A program that drops a tool's call, the last one too, does not do what the run did."""
    paid: list[int] = []

    @trimtab.tool(effect="write")
    async def pay(cents: int) -> None:
        paid.append(cents)

    def program(*, pays: bool) -> Any:
        @trimtab.run(name="settle", task="refund")
        async def settle(cents: int) -> int:
            if pays:
                await pay(cents)
            return cents

        return settle

    path = tmp_path / "run.jsonl"
    with LocalRuns() as runs:
        assert asyncio.run(program(pays=True).options(id="r")(12)) == 12
        path.write_bytes(b"".join(exported(runs, "r")))
    with ReplayedRun(path) as replay:
        assert replay.call(program(pays=True)) == 12
    with pytest.raises(Diverged, match=r"it does not take step 3 \(pay\)"), ReplayedRun(path) as replay:
        replay.call(program(pays=False))
    assert paid == [12]


def test_a_run_that_is_begun_otherwise_is_named(tmp_path: Path) -> None:
    """A program that calls its run by itself is held to the arguments of then."""
    path = record(tmp_path / "run.jsonl", Shop())
    again = Shop()
    with ReplayedRun(path) as replay:
        assert replay.call(lambda url: again.agent(12)) == "refunded"
    with pytest.raises(Divergence, match="order differs: recorded 12, now 13"), ReplayedRun(path) as replay:
        replay.call(lambda url: again.agent(13))
    assert again.calls == 0


def test_a_run_whose_review_was_asked_anew_is_done_again(tmp_path: Path) -> None:
    """It waited for a person while another lock came into force; what was superseded then is nothing to do again."""

    @trimtab.run(name="pay", task="refund")
    async def pay(order: int) -> str:
        return await trimtab.review(f"order {order}", "is it paid?")

    async def approved(runs: LocalRuns) -> None:
        task = asyncio.ensure_future(pay.options(id="r")(12))
        while [type(entry) for entry in runs.log("r")].count(Asked) < 2:
            await asyncio.sleep(0)
        runs.decide("approved")
        assert await task == "order 12"

    path = tmp_path / "run.jsonl"
    with LocalRuns(lock="before") as runs:
        runs.lose(3, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(pay.options(id="r")(12))
        runs.again(lock="after")
        asyncio.run(approved(runs))
        path.write_bytes(b"".join(exported(runs, "r")))
    with ReplayedRun(path) as replay:
        assert replay.call(pay) == replay.output == "order 12"


def calls(path: Path, *asked: Any) -> Path:
    """A run of calls through the gateway, each answered in chunks."""
    writing = Writing(through="gateway")
    body = b"".join(CHUNKS)
    lengths = b64encode(bytes(len(chunk) for chunk in CHUNKS)).decode()
    for number, one in enumerate(asked):
        seq = writing.begin("refund", one, kind="model", call=f"call-{number}", tool="chat")
        writing.finish(seq, body, status=200, content_type="text/event-stream", chunk_lengths=lengths)
    lines = [{"form": "trimtab run 1", "run": "r1"}]
    lines += [{"body": digest, "base64": b64encode(content).decode()} for digest, content in writing.bodies.items()]
    lines += [{"seq": one.seq, "digest": one.digest, "entry": one.entry} for one in writing.log]  # type: ignore[dict-item]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def ask(url: str, body: Any) -> tuple[int, list[bytes]]:
    """Sends a request as any client does; the status, and the chunks as they were framed."""
    parts = urlsplit(url)
    content = json.dumps(body).encode()
    with socket.create_connection((parts.hostname, parts.port)) as line:
        head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        line.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        answer = b""
        while data := line.recv(65536):
            answer += data
    status, _, rest = answer.partition(b"\r\n\r\n")
    chunks = []
    while b"chunked" in status and rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return int(status.split()[1]), [chunk for chunk in chunks if chunk] or [rest]


def test_any_client_gets_the_recorded_chunks(tmp_path: Path) -> None:
    """A program that is no `@run` gets what its requests were answered, byte for byte and chunk for chunk."""
    path = calls(tmp_path / "run.jsonl", ASKED, {**ASKED, "seed": 1})
    with ReplayedRun(path) as replay:
        found = replay.call(lambda url: [ask(url, {**ASKED, "seed": 1}), ask(url, dict(reversed(ASKED.items())))])
    assert found == [(200, list(CHUNKS)), (200, list(CHUNKS))]


def test_a_flipped_character_is_located(tmp_path: Path) -> None:
    """A request that differs in one character is refused and named with its step and place."""
    path = calls(tmp_path / "run.jsonl", {**ASKED, "seed": 1}, ASKED)
    changed = json.loads(json.dumps(ASKED).replace("12?", "13?"))
    with pytest.raises(Diverged) as raised, ReplayedRun(path) as replay:
        status, _ = replay.call(lambda url: ask(url, changed))
        assert status == 409
    assert "step 4: request.messages[0].content differs at character 16" in str(raised.value)


def test_what_is_volatile_does_not_count(tmp_path: Path) -> None:
    """A request whose declared parts differ is the same one, and an exported run knows which these are."""
    path = calls(tmp_path / "run.jsonl", {**ASKED, "metadata": {"id": "one"}})
    now = {**ASKED, "metadata": {"id": "another"}, "user": "ada"}
    head, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(head) | {"volatile": [["metadata", "id"]]}) + b"\n" + rest)
    with pytest.raises(Diverged, match="user"), ReplayedRun(path) as replay:
        replay.call(lambda url: ask(url, now))
    del now["user"]
    with ReplayedRun(path) as replay:
        assert replay.call(lambda url: ask(url, now)) == (200, list(CHUNKS))


def test_calls_that_are_not_made_and_calls_too_many(tmp_path: Path) -> None:
    """A replay that makes fewer calls, or one of them again, is not what was recorded."""
    path = calls(tmp_path / "run.jsonl", ASKED)
    with pytest.raises(Diverged, match="1 of its calls were not made"), ReplayedRun(path):
        pass
    with pytest.raises(Diverged, match="more often"), ReplayedRun(path) as replay:
        replay.call(lambda url: [ask(url, ASKED), ask(url, ASKED)])


def test_nobody_else_is_reached(tmp_path: Path) -> None:
    """A replay lets no connection out of this machine, and all again once it is over."""
    path, connect = calls(tmp_path / "run.jsonl", ASKED), socket.socket.connect
    with ReplayedRun(path) as replay:
        replay.call(lambda url: ask(url, ASKED))
        with pytest.raises(NetworkClosed, match=r"192\.0\.2\.1"):
            http.client.HTTPConnection("192.0.2.1", 80, timeout=0.01).request("GET", "/")
    assert socket.socket.connect is connect


@pytest.mark.parametrize("text", ["", "{}", '{"form": "trimtab run 1"}', '{"form": "trimtab run 1", "run": "r"}\n[]'])
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    """What is no exported run is told as that."""
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(NoRecording, match="trimtab runs export"):
        Recording.load(path)
