"""What the acceptance suite runs against.

To add a target: a session fixture that gives a `Target`, and its name (with `-` for `_`) in TARGETS.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.acceptance.running import free_port, running_trimtab
from tests.demo.running import running_demo

TARGETS = [
    "demo-direct",
    "demo-gateway",
    pytest.param("vllm-direct", marks=pytest.mark.engine),
    pytest.param("vllm-gateway", marks=pytest.mark.engine),
]


@dataclass(frozen=True)
class Target:
    """An OpenAI endpoint that serves jobs-small: its URL with `/v1`, a key, and the name the model goes by.

    `embeddings` says whether it can embed: vLLM serves a model for one kind of work only.
    """

    base_url: str
    api_key: str
    model: str
    embeddings: bool


@pytest.fixture(scope="session")
def demo_direct() -> Iterator[Target]:
    """The demo engine itself."""
    with running_demo("--model", "jobs-small") as url:
        yield Target(url + "/v1", "none", "jobs-small", embeddings=True)


@pytest.fixture(scope="session")
def vllm_direct(vllm_url: str) -> Target:
    """vLLM itself."""
    return Target(vllm_url + "/v1", "none", "jobs-small", embeddings=False)


PROJECT = """\
environment = "test"
[gateway]
listen = "127.0.0.1:{gateway}"
keys = "open"
workers = 1
[control]
listen = "127.0.0.1:{control}"
[data]
directory = ".trimtab"
[models.jobs-small]
wire = "openai"
model = "jobs-small"
replicas = ["{replica}"]
"""
MESSAGES = """\
[models.jobs-messages]
wire = "anthropic"
engine = "vllm"
model = "jobs-small"
replicas = ["{replica}"]
"""


@contextlib.contextmanager
def gateway_before(replica: str, folder: Path, *, embeddings: bool, more: str = "") -> Iterator[Target]:
    """A gateway, with control beside it, that knows no task: one model, and what is declared besides."""
    text = (PROJECT + more).format(gateway=free_port(), control=free_port(), replica=replica)
    (folder / "trimtab.toml").write_text(text)
    with running_trimtab(folder) as running:
        yield Target(running.url + "/v1", "none", "jobs-small", embeddings=embeddings)


@pytest.fixture(scope="session")
def demo_gateway(demo_direct: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The demo engine through the gateway."""
    replica = demo_direct.base_url.removesuffix("/v1")
    with gateway_before(replica, tmp_path_factory.mktemp("demo-gateway"), embeddings=True) as made:
        yield made


@pytest.fixture(scope="session")
def vllm_gateway(vllm_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """VLLM through the gateway; it knows it as `jobs-messages` too, on Anthropic's wire."""
    folder = tmp_path_factory.mktemp("vllm-gateway")
    with gateway_before(vllm_url, folder, embeddings=False, more=MESSAGES) as made:
        yield made


@pytest.fixture(scope="session")
def vllm_messages(vllm_gateway: Target) -> Target:
    """VLLM through the gateway, on Anthropic's wire."""
    return replace(vllm_gateway, model="jobs-messages")


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """Each target in turn."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found


@pytest.fixture
def client(target: Target) -> Iterator[OpenAI]:
    """The synchronous client; it does not retry, so that a failure is seen."""
    with OpenAI(base_url=target.base_url, api_key=target.api_key, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
async def async_client(target: Target) -> AsyncIterator[AsyncOpenAI]:
    """The asynchronous client."""
    async with AsyncOpenAI(base_url=target.base_url, api_key=target.api_key, max_retries=0, timeout=60) as made:
        yield made
