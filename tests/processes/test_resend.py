"""A dead letter's request on the wire: whole, under its names, and told truly how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.acceptance.running import free_port
from tests.gateway.harness import RunningGateway, snapshot, task
from tests.gateway_wire.conftest import Certificates, _certificate
from trimtab.declare.project import Listen, Tls
from trimtab.errors import UpstreamError
from trimtab.processes.resend import KEPT_BYTES, Sent, gateway_asker, gateway_sender, labels, message_in
from trimtab.record.events import Admitted
from trimtab.testing import Close, Reset, Script, ScriptedUpstream, Send, chat_json, chat_stream, error_answer
from trimtab.testing.scripts import Step, chunk, head

PATH = "/v1/chat/completions"
LETTER = Admitted(
    *("c1", 1, "g0", "test", "s", "triage", "app", "chat_completions", "triage"),
    run="run-7",
    end_user="ané",
    request_bytes=4,
)
SOME_CALL = ("x-trimtab-call", "c9")
EVALUATED = {"x-trimtab-task": "triage", "x-trimtab-evaluation": "schedule-triage-0"}


def key() -> str:
    return "tt_operator_x"


async def sent(listen: Listen, operator_key: Callable[[], str] = key, body: bytes = b"body") -> Sent:
    return await asyncio.to_thread(gateway_sender(listen, operator_key), PATH, labels(LETTER), body)


async def answered(script: Script) -> tuple[Sent, ScriptedUpstream]:
    async with ScriptedUpstream() as gateway:
        gateway.always(script)
        return await sent(Listen("127.0.0.1", gateway.port)), gateway


async def test_the_request_is_the_same_to_the_byte() -> None:
    """Body and names go as they are, the latter in the bytes they came in (ISO 8859-1), with a key read just now."""
    done, gateway = await answered(error_answer(200, "fine", headers=[SOME_CALL]))
    assert done == Sent(ok=True, status=200, call="c9", detail="")
    [request] = gateway.requests
    assert (request.method, request.target, request.body) == ("POST", PATH, b"body")
    assert request.header("x-trimtab-user") == "ané".encode("latin-1")
    assert request.header("x-trimtab-redrive") == b"c1"
    assert request.header("authorization") == b"Bearer tt_operator_x"
    assert request.header("x-trimtab-step") is None


STREAM = head(200, [SOME_CALL, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
ERROR = chunk(b'data: {"error": {"message": "small fell silent", "code": "deadline_gap"}}\n\n')
SOME = chunk(b"data: {}\n\n")
MUCH = chunk(b"data: {}\n\n" * KEPT_BYTES)
HALF = head(200, [SOME_CALL, ("content-length", "99")]) + b"half"
BUSY = head(503, [("content-length", "4")]) + b"busy"
SILENT = Sent(ok=False, status=200, call="c9", detail="small fell silent")
BROKEN = Sent(ok=False, status=200, call="c9", detail="the answer broke off")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (error_answer(504, "too late", headers=[SOME_CALL]), Sent(ok=False, status=504, call="c9", detail="too late")),
        (Script((Send(STREAM + SOME + ERROR), Close())), SILENT),
        (Script((Send(STREAM + MUCH + ERROR), Close())), SILENT),
        (Script((Send(STREAM + SOME), Close())), BROKEN),
        (Script((Send(STREAM + SOME), Reset())), BROKEN),
        (Script((Send(HALF), Close())), BROKEN),
        (Script((Send(BUSY),)), Sent(ok=False, status=503, call="", detail="HTTP 503")),
    ],
)
async def test_how_it_ended_is_told(script: Script, expected: Sent) -> None:
    """Only a good status with a whole answer has arrived; what the gateway says of a failure is passed on."""
    done, _ = await answered(script)
    assert done == expected


@pytest.mark.parametrize("steps", [(Send(b"nonsense\r\n\r\n"), Close()), (Close(),), (Reset(),)])
async def test_what_is_no_answer_is_no_gateway(steps: tuple[Step, ...]) -> None:
    """Whoever listens there, the letter stays."""
    with pytest.raises(UpstreamError, match=r"the gateway at 127\.0\.0\.1"):
        await answered(Script(steps))


async def test_a_gateway_that_is_not_there() -> None:
    """It is told which, and no key is needed for that."""
    with pytest.raises(UpstreamError, match=r"the gateway at 127\.0\.0\.1:\d+ failed: Connection refused"):
        await sent(Listen("127.0.0.1", free_port()))


async def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    """Where the key file is gone nothing is sent."""
    async with ScriptedUpstream() as gateway:
        gateway.always(chat_json())
        with pytest.raises(UpstreamError, match="No such file"):
            await sent(Listen("127.0.0.1", gateway.port), (tmp_path / "operator.key").read_text)
    assert gateway.requests == []


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost"])
async def test_a_gateway_on_every_address_is_reached_on_loopback(host: str) -> None:
    """A wildcard is no address to connect to."""
    async with ScriptedUpstream() as gateway:
        gateway.always(chat_json())
        assert (await sent(Listen(host, gateway.port))).ok


async def test_over_tls_the_own_certificate_is_pinned(certificates: Certificates, tmp_path: Path) -> None:
    """The gateway is known by its certificate, whatever name that bears and whoever signed it; no other is trusted."""
    cert = str(Path(certificates.ca).with_name("cert.pem"))
    async with ScriptedUpstream(tls=certificates.server) as gateway:
        gateway.always(chat_json())
        assert (await sent(Listen("127.0.0.1", gateway.port, Tls(cert, "unused")))).ok
        stranger = tmp_path / "stranger.pem"
        stranger.write_bytes(_stranger())
        with pytest.raises(UpstreamError, match="certificate verify failed"):
            await sent(Listen("127.0.0.1", gateway.port, Tls(str(stranger), "unused")))


def _stranger() -> bytes:
    key_ = ec.generate_private_key(ec.SECP256R1())
    return _certificate("localhost", "localhost", key_, key_, is_ca=False).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("stream", [False, True])
async def test_through_a_real_gateway(tmp_path: Path, stream: bool) -> None:
    """What was asked for is asked again, and the record names the letter."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_stream() if stream else chat_json())
        gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")))
        gateway.operator_key = key().encode()
        async with gateway:
            body = b'{"model": "triage", "messages": [], "stream": %s}' % (b"true" if stream else b"false")
            done = await sent(Listen("127.0.0.1", gateway.port), body=body)
            [admitted] = (await gateway.events()).admitted
    assert done == Sent(ok=True, status=200, call=admitted.call, detail="")
    assert (admitted.redrive_of, admitted.run, admitted.key, admitted.end_user) == ("c1", "run-7", "app", "ané")


async def test_a_call_that_was_not_let_in_has_an_id_and_no_attempt(tmp_path: Path) -> None:
    """So whoever asked can tell that it was refused before any model was asked; one that was answered has attempts."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        gateway = RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small")))
        gateway.operator_key = key().encode()
        async with gateway:
            ask = gateway_asker(Listen("127.0.0.1", gateway.port), key)
            let_in = await asyncio.to_thread(ask, EVALUATED, b'{"model": "triage", "messages": []}')
            gateway.pipeline.draining = True
            refused = await asyncio.to_thread(ask, EVALUATED, b'{"model": "triage", "messages": []}')
    assert (let_in.status, let_in.attempts) == (200, 1)
    assert (refused.status, bool(refused.call), refused.attempts) == (503, True, 0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'{"error": {"message": "no", "code": "x"}}', "no"),
        (b'{"type": "error", "error": {"type": "api_error", "message": "no"}}', "no"),
        (b'event: error\ndata: {"type": "error", "error": {"message": "no"}}\n\n', "no"),
        (b'data: {"type": "response.failed", "response": {"error": {"message": "no"}}}\n\n', "no"),
        (b'data: {"choices": []}\n\n: ping\n\ndata: {"type": "error", "message": "no"}\n\n', "no"),
        (b'data: {"choices": []}\n\n', ""),
        (b'{"error": "no"}', ""),
        (b'{"error": {"message": 3}}', ""),
        (b"[1]", ""),
        (b"data: [DONE]\n\n", ""),
        (b"\xff\xfe", ""),
        (b"", ""),
    ],
)
def test_what_an_error_says_is_found(answer: bytes, message: str) -> None:
    """On every surface, as a document and as the last event of a stream."""
    assert message_in(answer) == message
