"""What the acceptance suite runs against.

To add a target: a session fixture that gives a `Target`, and its name (with `-` for `_`) in TARGETS.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.acceptance.running import RunningTrimtab, free_port, running_trimtab
from tests.acceptance.scripted import ScriptedModel, running_scripted
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
"""
SMALL = """\
[models.jobs-small]
wire = "openai"
model = "jobs-small"
replicas = ["{replica}"]
"""
VLLM = """\
[models.jobs-vllm]
engine = "vllm"
model = "jobs-small"
replicas = ["{replica}"]
[models.jobs-messages]
wire = "anthropic"
engine = "vllm"
model = "jobs-small"
replicas = ["{replica}"]
"""
TASK = """\
model = "{model}"
sampling = {{ temperature = 0.0, max_output_tokens = 64 }}
"""
REPAIRED_CALLS = """\
[tool_calls]
on_invalid = "repair"
"""
REPAIRED_OUTPUT = """\
[output]
schema = "output.schema.json"
on_invalid = "repair"
"""
PARCEL = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["red", "blue"]},
        "size": {"type": "string", "enum": ["big", "small"]},
    },
    "required": ["kind", "size"],
    "additionalProperties": False,
}


@contextlib.contextmanager
def gateway_before(replica: str, folder: Path, *, embeddings: bool, more: str = "") -> Iterator[Target]:
    """A gateway, with control beside it, that knows one model, what is declared besides, and the folder's tasks."""
    text = (PROJECT + SMALL + more).format(gateway=free_port(), control=free_port(), replica=replica)
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
    """VLLM through the gateway, which knows it as `jobs-messages` too, on Anthropic's wire.

    It has two tasks over each wire: `assist-WIRE` repairs tool calls, `parcel-WIRE` answers that break a schema.
    """
    folder = tmp_path_factory.mktemp("vllm-gateway")
    for wire, model in (("openai", "jobs-vllm"), ("anthropic", "jobs-messages")):
        for task, contract in (("assist", REPAIRED_CALLS), ("parcel", REPAIRED_OUTPUT)):
            place = folder / "tasks" / f"{task}-{wire}"
            place.mkdir(parents=True)
            (place / "task.toml").write_text(TASK.format(model=model) + contract)
        (place / "output.schema.json").write_text(json.dumps(PARCEL))
    with gateway_before(vllm_url, folder, embeddings=False, more=VLLM) as made:
        yield made


@pytest.fixture(scope="session")
def vllm_messages(vllm_gateway: Target) -> Target:
    """VLLM through the gateway, on Anthropic's wire."""
    return replace(vllm_gateway, model="jobs-messages")


SCRIPTED = """\
[models.{wire}-wire]
wire = "{wire}"
engine = "other"
model = "scripted"
replicas = ["{replica}"]
"""
SCRIPTED_TASKS = {
    "assist": '[tool_calls]\non_invalid = "repair"\n',
    "strict": '[tool_calls]\non_invalid = "reject"\n',
    "once": "[retry]\nattempts = 1\n",
}


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedModel]:
    """A model whose turns are told beforehand."""
    with running_scripted() as model:
        yield model


@pytest.fixture(scope="session")
def scripted_gateway(scripted: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTrimtab]:
    """A gateway before the scripted model, with three tasks over each wire.

    `assist-WIRE` repairs tool calls, `strict-WIRE` rejects them, `once-WIRE` tries once.
    """
    folder = tmp_path_factory.mktemp("scripted-gateway")
    text = PROJECT.format(gateway=free_port(), control=free_port())
    for wire in ("openai", "anthropic"):
        text += SCRIPTED.format(wire=wire, replica=scripted.url)
        for task, declared in SCRIPTED_TASKS.items():
            place = folder / "tasks" / f"{task}-{wire}"
            place.mkdir(parents=True)
            (place / "task.toml").write_text(f'model = "{wire}-wire"\n{declared}')
    (folder / "trimtab.toml").write_text(text)
    with running_trimtab(folder) as running:
        yield running


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
