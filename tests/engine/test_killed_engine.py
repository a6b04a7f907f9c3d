"""A real vLLM whose engine is killed amid a stream, seen through the gateway.

vLLM's API server outlives its engine: it keeps status 200, sends an error event and then `[DONE]`, which a client that
only looks for the end takes for a whole answer.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from openai import APIError, OpenAI

from tests.acceptance.conftest import gateway_before
from tests.acceptance.running import trimtab
from tests.engine.vllm_server import engines, running_vllm, slowed

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "src" / "trimtab" / "demo" / "models" / "jobs-small"
LOOKS = 50
LONG = {"messages": [{"role": "user", "content": "go on"}], "stream": True, "max_tokens": 1500}


def ended(project: Path, calls: int) -> list[str]:
    """How the calls ended, the oldest first, as soon as so many are listed."""
    for _ in range(LOOKS):
        listed = trimtab("calls", "tail", "--json", project=project)
        found = [json.loads(line)["outcome"] for line in listed.stdout.splitlines()]
        if len(found) >= calls:
            return found
    raise AssertionError(f"{calls} calls are not listed after {LOOKS} looks")


def test_a_killed_engine_is_an_error_and_never_the_end_of_an_answer(tmp_path: Path) -> None:
    """The client gets an error and no `[DONE]`, the record says `upstream_error`, and so do the calls after it."""
    with running_vllm(MODEL, "jobs-small") as vllm, gateway_before(vllm.url, tmp_path, embeddings=False) as target:
        with OpenAI(base_url=target.base_url, api_key=target.api_key, max_retries=0, timeout=60) as client:
            (engine,) = engines(vllm.pid)
            with slowed(engine):
                stream = client.chat.completions.create(model=target.model, extra_body={"ignore_eos": True}, **LONG)
                pieces = iter(stream)
                for _ in range(5):
                    next(pieces)
                os.kill(engine, signal.SIGKILL)
            with pytest.raises(APIError) as broken:
                for _ in pieces:
                    pass
            assert broken.value.code in {"upstream_error", "upstream_truncated"}
            with pytest.raises(APIError) as after:
                client.chat.completions.create(model=target.model, messages=LONG["messages"])
            assert after.value.code in {"upstream_error", "upstream_truncated", "circuit_open"}
        outcomes = ended(tmp_path, calls=2)
    assert outcomes == [broken.value.code, after.value.code]
