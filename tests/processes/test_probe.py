"""Health checks of replicas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.gateway.harness import snapshot
from trimtab.clock import SystemClock
from trimtab.declare.project import Secret
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.processes.probe import Probe
from trimtab.testing import SCRIPTS, ScriptedUpstream, chat_json, refused_port
from trimtab.testing.faults import failing


def signers() -> Signers:
    return Signers(lambda secret: f"key-of-{secret.place}", SystemClock())


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """A pool that is closed afterwards."""
    made = Pool(SystemClock())
    yield made
    await made.close()


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_status_is_told_on_a_connection_of_its_own(pool: Pool, status: int) -> None:
    """The probe tells whatever status came, on a connection that is not to be kept, and sends no key."""
    async with ScriptedUpstream() as replica:
        replica.always(chat_json() if status == 200 else failing(status))
        probe = Probe(pool, signers(), lambda: snapshot({"small": replica.url}))
        assert await probe("small", replica.url, "/health") == status
        assert await probe("small", replica.url, "/health") == status
        assert replica.connections == 2
        assert replica.requests[0].header("connection") == b"close"
        assert [(request.method, request.target) for request in replica.requests] == [("GET", "/health")] * 2
        assert replica.requests[0].header("authorization") is None


async def test_no_answer_is_an_os_error(pool: Pool) -> None:
    """A replica that refuses, drops the connection, or is declared no more, gives an `OSError`."""
    with refused_port() as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(ConnectionError):
            await Probe(pool, signers(), lambda: snapshot({"small": url}))("small", url, "/health")
        with pytest.raises(ConnectionError, match="declared no more"):
            await Probe(pool, signers(), lambda: snapshot({"other": url}))("small", url, "/health")
    async with ScriptedUpstream() as replica:
        replica.always(SCRIPTS["dropped"]())
        with pytest.raises(ConnectionError):
            await Probe(pool, signers(), lambda: snapshot({"small": replica.url}))("small", replica.url, "/health")


async def test_probe_that_is_given_up_leaves_no_connection(pool: Pool) -> None:
    """Cancelling a probe amid a silence closes its connection."""
    async with ScriptedUpstream() as replica:
        replica.always(SCRIPTS["hang_before_headers"]())
        probe = Probe(pool, signers(), lambda: snapshot({"small": replica.url}))
        asked = asyncio.ensure_future(probe("small", replica.url, "/health"))
        await replica.received(1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        async with asyncio.timeout(60):
            await replica.requests[0].over()
        assert replica.requests[0].gone_at is not None
        assert pool.open == 0


async def test_a_question_of_our_own_bears_the_models_key(pool: Pool) -> None:
    """What costs money is asked with the key of the model, and the whole answer comes back."""
    async with ScriptedUpstream() as replica:
        replica.always(chat_json())
        policy = snapshot({"small": replica.url})
        model = replace(policy.models["small"], api_key=Secret("env", "SMALL"))
        probe = Probe(pool, signers(), lambda: policy)
        status, body = await probe.ask(model, replica.url, "/v1/chat/completions", b"{}")
    assert status == 200
    assert json.loads(body)["choices"][0]["message"]["content"] == "Hello, world!"
    [request] = replica.requests
    assert (request.method, request.target, request.body) == ("POST", "/v1/chat/completions", b"{}")
    assert request.header("authorization") == b"Bearer key-of-SMALL"


async def test_half_an_answer_is_none(pool: Pool) -> None:
    """Where the body is wanted, a cut one proves nothing."""
    async with ScriptedUpstream() as replica:
        replica.always(SCRIPTS["cut_mid_chunk"]())
        policy = snapshot({"small": replica.url})
        with pytest.raises(ConnectionError):
            await Probe(pool, signers(), lambda: policy).ask(policy.models["small"], replica.url, "/x", b"{}")
