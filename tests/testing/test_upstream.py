import asyncio
import contextlib
import json
import socket
import sys

import pytest

from trimtab.testing import (
    SCRIPTS,
    Answer,
    Close,
    Cut,
    Framing,
    Hang,
    Repeat,
    Reset,
    Script,
    ScriptedUpstream,
    Send,
    ToolCall,
    Wait,
    WaitFor,
    chat_json,
    chat_stream,
    error_answer,
    refused_port,
    unanswered_port,
)

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b'POST /v1/chat/completions?a=1 HTTP/1.1\r\nHost: x\r\nX-Kept: A\r\nContent-Length: 15\r\n\r\n{"stream":true}'


class Client:
    """One raw connection to the upstream."""

    def __init__(self, upstream):
        self.port = upstream.port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def ask(self, request=GET):
        self.writer.write(request)

    async def rest(self):
        async with asyncio.timeout(30):
            return await self.reader.read()

    async def get(self, size):
        async with asyncio.timeout(30):
            return await self.reader.readexactly(size)


async def test_bytes_come_exactly_as_written():
    """What the script sends is on the wire byte for byte, over one connection for two requests."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(Script((Send(b"\x00one"),)), Script((Send(b"two\xff"), Close())))
        await client.ask()
        assert await client.get(4) == b"\x00one"
        await client.ask()
        assert await client.rest() == b"two\xff"
        assert [request.connection for request in upstream.requests] == [0, 0]


async def test_a_request_is_remembered_whole():
    """Method, target, headers in the letters they came in and the body are kept."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.always(Script((Send(b"ok"), Close())))
        await client.ask(POST)
        await client.rest()
        (request,) = await upstream.received(1)
        assert (request.method, request.target, request.body) == (
            "POST",
            "/v1/chat/completions?a=1",
            b'{"stream":true}',
        )
        assert request.headers == ((b"Host", b"x"), (b"X-Kept", b"A"), (b"Content-Length", b"15"))
        assert request.header("x-kept") == b"A"
        assert request.header("x-missing") is None


async def test_a_chunked_request_body_is_joined():
    """A request body in chunks, with an extension and a trailer, is read as its content."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.always(Script((Close(),)))
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.ask(head + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: v\r\n\r\n")
        await client.rest()
        assert upstream.requests[0].body == b"abc0123456789"


async def test_scripts_are_taken_in_order_of_path_then_any_then_always():
    """A path's own queue goes first, then the common one, then what is always played; without any, a 500 says so."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:

        async def answer():
            await client.ask()
            return await client.get(1)

        upstream.add(Script((Send(b"q"),)))
        upstream.add(Script((Send(b"p"),)), path="/health")
        upstream.add(Script((Send(b"n"),)), path="/elsewhere")
        assert [await answer(), await answer()] == [b"p", b"q"]
        upstream.always(Script((Send(b"a"),)))
        assert await answer() == b"a"
        upstream.always(Script((Send(b"h"),)), path="/health")
        assert await answer() == b"h"
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        await client.ask()
        assert (await client.get(12)) == b"HTTP/1.1 500"


async def test_a_function_of_the_request_makes_its_script():
    """A function in place of a script sees the request with its body."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.always(lambda request: Script((Send(request.body), Close())))
        await client.ask(POST)
        assert await client.rest() == b'{"stream":true}'


async def test_waits_are_exact():
    """A wait of 1.5 s passes between two sends, by the loop's clock."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(Script((Send(b"a"), Wait(1.5), Send(b"b"))))
        await client.ask()
        loop = asyncio.get_running_loop()
        await client.get(1)
        first = loop.time()
        await client.get(1)
        assert loop.time() - first == pytest.approx(1.5, abs=1e-6)


async def test_a_script_waits_for_the_test():
    """`WaitFor` holds the script until the event is set."""
    go = asyncio.Event()
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(Script((WaitFor(go), Send(b"x"))))
        await client.ask()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await client.reader.readexactly(1)
        go.set()
        assert await client.get(1) == b"x"


async def test_repeated_steps_are_counted():
    """`Repeat` plays its steps as often as it says."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(Script((Repeat((Send(b"ab"), Wait(1)), times=3), Close())))
        await client.ask()
        assert await client.rest() == b"ababab"


@pytest.mark.parametrize("steps", [(Hang(),), (Repeat((Send(b"p"), Wait(0.1))),), (Wait(1e9),)])
async def test_a_peer_that_leaves_ends_the_script(steps):
    """When the client goes away the script stops, and the time of it is kept."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(Script((Send(b"a"), *steps)))
        await client.ask()
        await client.get(1)
        (request,) = upstream.requests
        assert request.gone_at is None
        left_at = asyncio.get_running_loop().time()
        client.writer.close()
        async with asyncio.timeout(30):
            await request.over()
        assert request.ended_at is None
        assert request.gone_at >= left_at


async def test_an_answer_that_was_played_is_no_departure():
    """A client that closes after its answer has not gone away from it."""
    async with ScriptedUpstream() as upstream:
        upstream.add(Script((Send(b"a"),)))
        async with Client(upstream) as client:
            await client.ask()
            await client.get(1)
        (request,) = upstream.requests
        await request.over()
        assert request.gone_at is None
        assert request.ended_at is not None


async def test_close_ends_and_reset_fails_the_read():
    """After `Close` and `Cut` the peer reads an end, after `Reset` an error."""
    async with ScriptedUpstream() as upstream:
        upstream.add(Script((Send(b"a"), Close())), Script((Send(b"a"), Cut())), Script((Send(b"a"), Wait(1), Reset())))
        for _ in range(2):
            async with Client(upstream) as client:
                await client.ask()
                assert await client.rest() == b"a"
        async with Client(upstream) as client:
            await client.ask()
            await client.get(1)
            with pytest.raises(ConnectionResetError):
                await client.rest()


async def test_an_answer_may_come_before_the_body():
    """With `reads_body` false the steps begin at the end of the head."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(Script((Send(b"early"), Close()), reads_body=False))
        await client.ask(POST[:-15])
        assert await client.rest() == b"early"


async def test_what_is_no_http_is_refused():
    """A request line without three parts is answered with 400 and a closed connection."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        await client.ask(b"nonsense\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


def bodies(raw):
    """The chunks of a chunked answer: hand-written, so that the builders are not checked by themselves."""
    _, _, rest = raw.partition(b"\r\n\r\n")
    found = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        found.append(rest[:length])
        assert rest[length : length + 2] == b"\r\n"
        rest = rest[length + 2 :]
    return found


def sent(script):
    return b"".join(step.data for step in script.steps if isinstance(step, Send))


def objects(script):
    text = b"".join(bodies(sent(script))).decode()
    events = [block.removeprefix("data: ") for block in text.split("\n\n") if block]
    return [json.loads(event) if event != "[DONE]" else event for event in events]


def test_a_streamed_answer_has_the_shape_of_the_openai_api():
    """Role, one delta a piece, finish reason, usage with no choices, `[DONE]`, each in a chunk of its own."""
    script = chat_stream(Answer(pieces=("Hi", " you"), usage={"prompt_tokens": 3}))
    role, first, second, finish, usage, done = objects(script)
    assert role["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    assert [event["choices"][0]["delta"] for event in (first, second)] == [{"content": "Hi"}, {"content": " you"}]
    assert finish["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"], done) == ([], {"prompt_tokens": 3}, "[DONE]")
    assert {event["object"] for event in (role, first, finish, usage)} == {"chat.completion.chunk"}
    chunks = bodies(sent(script))
    assert (len(chunks), chunks[-1]) == (7, b"")


def test_choices_take_turns():
    """With n > 1 the deltas of the choices are interleaved."""
    script = chat_stream(Answer(pieces=("a", "b"), choices=2))
    deltas = [(e["choices"][0]["index"], e["choices"][0]["delta"]) for e in objects(script)[2:6]]
    assert deltas == [(0, {"content": "a"}), (1, {"content": "a"}), (0, {"content": "b"}), (1, {"content": "b"})]


def test_a_tool_call_comes_in_pieces():
    """The first delta of a tool call names it, the others carry its arguments."""
    script = chat_stream(Answer(pieces=(), tool_calls=(ToolCall("refund", ('{"a"', ":1}")),)))
    calls = [event["choices"][0]["delta"]["tool_calls"][0] for event in objects(script)[1:4]]
    assert calls[0]["function"] == {"name": "refund", "arguments": ""}
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a":1}'


def test_a_whole_answer_joins_its_pieces():
    """The JSON answer holds the pieces joined, with a Content-Length that fits."""
    raw = sent(chat_json(Answer(pieces=("Hi", " you"), reasoning=("hm",))))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    message = json.loads(body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hi you", "reasoning_content": "hm"}


def test_framing_cuts_and_paces():
    """Three events share a chunk, lines end in CRLF, and the waits lie between the chunks."""
    framing = Framing(newline=b"\r\n", events_in_chunk=3, first_wait_s=2, gap_s=1)
    script = chat_stream(Answer(pieces=("a", "b")), framing)
    assert [step.seconds for step in script.steps if isinstance(step, Wait)] == [2, 1]
    chunks = bodies(sent(script))
    assert [chunk.count(b"\r\n\r\n") for chunk in chunks] == [3, 3, 0]
    assert b"\n" not in b"".join(chunks).replace(b"\r\n", b"")


def test_a_trickle_sends_single_bytes():
    """Byte by byte every send after the head is one byte long."""
    script = chat_stream(Answer(pieces=("a",)), Framing(byte_s=0.01))
    sizes = {len(step.data) for step in script.steps[1:-1] if isinstance(step, Send)}
    assert sizes == {1}


def test_a_body_until_close_has_no_framing():
    """An until-close answer carries bare events and ends by closing."""
    script = chat_stream(Answer(), Framing(transfer="until_close"))
    head, _, body = sent(script).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: {")
    assert script.steps[-1] == Close()


def test_an_error_has_its_status_and_headers():
    """An error answer bears what it was given, in the shape of the OpenAI API."""
    head, _, body = sent(error_answer(429, "slow down", (("retry-after", "7"),))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nretry-after: 7" in head
    assert json.loads(body)["error"]["message"] == "slow down"


CUT_SHORT = {
    "cut_mid_chunk",
    "cut_between_chunks",
    "until_close_cut",
    "reset",
    "malformed_chunk",
    "short_body",
    "dropped",
}
SILENT = {"hang_before_headers", "hang_before_first_token", "role_only", "pings_only", "stall", "stall_with_pings"}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
async def test_every_named_script_plays(name):
    """Each script of the catalogue keeps, closes or holds the connection, as its name says."""
    async with ScriptedUpstream() as upstream, Client(upstream) as client:
        upstream.add(SCRIPTS[name](), Script((Send(b"NEXT"), Close())))
        await client.ask(GET)
        try:
            async with asyncio.timeout(60):
                raw = await client.reader.readuntil(b"\r\n\r\n") if name not in CUT_SHORT | SILENT else b""
                (request,) = await upstream.received(1)
                await request.over()
            over = True
        except TimeoutError:
            over = False
        assert over is (name not in SILENT)
        if name in SILENT | CUT_SHORT | {"stale", "until_close"}:
            return
        assert raw.startswith(b"HTTP/1.1 ")
        await client.ask(GET)
        assert (await client.rest()).endswith(b"NEXT")


async def test_the_error_of_a_dead_engine_looks_like_success():
    """`error_then_done` is status 200, an error event and `[DONE]` in a well-ended body, as vLLM sends it."""
    events = objects(SCRIPTS["error_then_done"]())
    assert "error" in events[-2]
    assert events[-1] == "[DONE]"
    assert not any("choices" in event and event["choices"][0]["delta"].get("content") for event in events[:-2])


def test_a_refused_port_refuses():
    """Connecting to a refused port fails at once."""
    with refused_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_unanswered_port_hangs():
    """Connecting to an unanswered port neither succeeds nor fails."""
    with unanswered_port() as port, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", port), timeout=0.2)


async def test_the_module_serves_by_hand():
    """`python -m trimtab.testing` prints where it plays, answers as asked, and plays what a path names."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trimtab.testing", "--script", "failing_503", stdout=asyncio.subprocess.PIPE
    )
    try:
        line = (await process.stdout.readline()).decode()
        assert line.startswith("playing failing_503 on http://127.0.0.1:")
        port = int(line.split("http://127.0.0.1:")[1].split(";")[0])
        replies = []
        for target in (b"/v1/chat/completions", b"/rate_limited/v1/chat/completions"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET %b HTTP/1.1\r\n\r\n" % target)
            replies.append((await reader.readexactly(12))[-3:])
            writer.close()
            await writer.wait_closed()
        assert replies == [b"503", b"429"]
    finally:
        process.terminate()
        assert await process.wait() == 0
