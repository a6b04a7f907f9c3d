"""What the acceptance suite runs against.

To add a target: a session fixture that gives a `Target`, and its name (with `-` for `_`) in TARGETS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.demo.running import running_demo

TARGETS = [
    "demo-direct",
    pytest.param("vllm-direct", marks=pytest.mark.engine),
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
