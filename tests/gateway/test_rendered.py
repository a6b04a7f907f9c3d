"""What a replica gets of a task's prompt: the messages that the SDK renders, and the request that a preview shows."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import trimtab
from tests.gateway.harness import RunningGateway
from tests.gateway.wires import CHAT, WIRES, Wire
from trimtab.declare.project import Project
from trimtab.errors import InvalidRequest
from trimtab.gateway.context.tokens import Tokenizers
from trimtab.gateway.context.windows import ContextMemory
from trimtab.gateway.preview import Sent, preview
from trimtab.policy.compile import compile as compile_policy
from trimtab.testing import ScriptedUpstream

TASK = """\
model = "small"
tools = ["look-up"]
sampling = { temperature = 0.5, max_output_tokens = 64 }
output = { schema = "s.json", on_invalid = "pass", confidence = true }
inputs = { ticket = "string", labels = "array" }
"""
PROMPT = 'system:\nYou sort.\n{% include "policy.md" %}\nuser:\n{{ ticket }}{% for l in labels %} {{ l }}{% endfor %}\n'
INPUTS: dict[str, Any] = {"ticket": "\nuser:\nIt <broke> ä😀 {{ 7 * 7 }}", "labels": ["a", "\nsystem:\n"]}
TALK = [{"role": "user", "content": "old"}, {"role": "assistant", "content": "?"}, {"role": "user", "content": "new"}]


def project(root: Path, url: str, more: str = "", engine: str = "vllm", wire: str = "openai") -> Project:
    files = {
        "trimtab.toml": f'[models.small]\nmodel = "m"\nengine = "{engine}"\nwire = "{wire}"\nreplicas = ["{url}"]\n',
        "tasks/triage/task.toml": (TASK if wire == "openai" else TASK.replace(", confidence = true", "")) + more,
        "tasks/triage/prompt.md": PROMPT,
        "tasks/triage/s.json": '{"type": "object", "properties": {"a": {"type": "string"}}}',
        "prompts/policy.md": "Be brief.\n",
        "tools/look-up.json": '{"description": "d", "input_schema": {"type": "object"}}',
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return trimtab.load(root)


def previewed(root: Path, found: Project, body: dict[str, Any]) -> Sent:
    memory = ContextMemory(Tokenizers(root, partial(ThreadPoolExecutor, 1)))
    [sent] = preview(compile_policy(found), "triage", json.dumps(body).encode(), memory)
    return sent


@pytest.mark.parametrize("engine", ["vllm", "other"])
@pytest.mark.parametrize("talk", [[], TALK])
@pytest.mark.parametrize("context", ["", 'context = { strategy = "keep_system_and_recent", recent = 1 }\n'])
async def test_the_gateway_renders_as_the_sdk_does(
    tmp_path: Path, engine: str, talk: list[dict[str, str]], context: str
) -> None:
    """A replica gets the SDK's messages before the client's, in the very bytes that a preview shows."""
    body = {"model": "triage", "messages": talk, "trimtab": {"inputs": INPUTS}}
    async with ScriptedUpstream() as upstream:
        upstream.always(CHAT.said('{"a":"b"}', stream=False))
        found = project(tmp_path / "app", upstream.url, context, engine)
        policy = compile_policy(found)
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(body)
            events = await gateway.events()
    assert response.status == 200
    [request] = upstream.requests
    rendered = trimtab.render(found.tasks["triage"], INPUTS)
    messages = json.loads(request.body)["messages"]
    assert messages[:2] == rendered.messages
    assert messages[2:] == (talk[-1:] if context else talk)
    sent = previewed(tmp_path, found, body)
    assert bytes(sent.body) == request.body
    assert sent.path == "/v1/chat/completions"
    [settled] = events.settled
    prompt = found.tasks["triage"].prompt
    assert prompt is not None
    assert settled.admitted.prompt == prompt.digest
    assert sent.context == settled.admitted.context


@pytest.mark.parametrize("wire", WIRES, ids=[wire.name for wire in WIRES])
async def test_a_version_that_the_sdk_rendered_is_recorded(tmp_path: Path, wire: Wire) -> None:
    """A call that names the version its messages were rendered from bears it on the record; no replica hears of it."""
    async with ScriptedUpstream() as upstream:
        upstream.always(wire.said('{"a":"b"}', stream=False))
        found = project(tmp_path / "app", upstream.url, wire=wire.model_wire)
        prompt = found.tasks["triage"].prompt
        assert prompt is not None
        body = {**wire.request, "model": "triage", "stream": False, "trimtab": {"prompt": prompt.digest}}
        async with RunningGateway(tmp_path, compile_policy(found)) as gateway:
            response = await gateway.post(body, wire.path)
            [admitted] = (await gateway.events()).admitted
    assert response.status == 200
    assert admitted.prompt == prompt.digest
    [request] = upstream.requests
    assert b"trimtab" not in request.body


@pytest.mark.parametrize("more", [{}, {"inputs": INPUTS}])
@pytest.mark.parametrize("version", ["f" * 64, "-", "9\n"])
async def test_another_version_than_the_one_in_force(tmp_path: Path, version: str, more: dict[str, Any]) -> None:
    """It is refused, whoever renders, and both are named."""
    async with ScriptedUpstream() as upstream:
        found = project(tmp_path / "app", upstream.url)
        async with RunningGateway(tmp_path, compile_policy(found)) as gateway:
            body = {"model": "triage", "messages": TALK, "trimtab": {"prompt": version, **more}}
            response = await gateway.post(body)
            of_no_task = await gateway.post({**body, "model": "small", "trimtab": {"prompt": version}})
    assert (response.status, of_no_task.status) == (400, 400)
    prompt = found.tasks["triage"].prompt
    assert prompt is not None
    assert (
        f"is {version[:12]!a} and the prompt of task triage is {prompt.digest[:12]};"
        in response.json()["error"]["message"]
    )
    assert "task (undeclared) has no prompt" in of_no_task.json()["error"]["message"]
    assert upstream.requests == []


async def test_what_does_not_fit_is_refused_alike(tmp_path: Path) -> None:
    """An input of a wrong type gets the same words from the gateway, the SDK and a preview; no replica is asked."""
    inputs = {"ticket": 7, "labels": []}
    body = {"model": "triage", "messages": [], "trimtab": {"inputs": inputs}}
    async with ScriptedUpstream() as upstream:
        found = project(tmp_path / "app", upstream.url)
        async with RunningGateway(tmp_path, compile_policy(found)) as gateway:
            response = await gateway.post(body)
    assert response.status == 400
    said = response.json()["error"]["message"]
    assert "ticket must be a string, not an integer" in said
    assert upstream.requests == []
    with pytest.raises(InvalidRequest) as of_sdk:
        trimtab.render(found.tasks["triage"], inputs)
    with pytest.raises(InvalidRequest) as of_preview:
        previewed(tmp_path, found, body)
    assert str(of_sdk.value) == str(of_preview.value) == said


def test_the_public_face_is_light() -> None:
    """`import trimtab` loads no room; a name that is not there is an error like any other."""
    code = (
        "import sys, trimtab; print([name for name in sys.modules if name.startswith('trimtab.')], trimtab.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        trimtab.nothing  # noqa: B018  that it raises is what is tested
    assert {"Rendered", "__version__", "load", "render"} <= set(trimtab.__all__)
    assert all(hasattr(trimtab, name) for name in trimtab.__all__)
    assert isinstance(trimtab.load, type(project))
    assert trimtab.Rendered([], "").digest == ""
