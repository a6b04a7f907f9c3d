"""What a real vLLM says of itself, read by control while calls go through the gateway: the two counts are the same."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.acceptance.conftest import gateway_before
from tests.acceptance.running import trimtab
from tests.engine.vllm_server import engines, running_vllm, slowed
from trimtab.cli.control_client import ControlClient

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[2] / "src" / "trimtab" / "demo" / "models" / "jobs-small"
DECLARED = """\
[models.jobs-vllm]
engine = "vllm"
probe = "off"
model = "jobs-small"
replicas = ["{replica}"]
metrics_every = "1s"
"""
AT_ONCE = 2
LOOKS = 400
LISTINGS = 30
ANSWER_S = 30.0
SYSTEM = {"role": "system", "content": "Extract name, item, qty and city as JSON. " * 20}


def engine(project: Path) -> dict[str, Any]:
    """What control says of the one replica whose metrics are read."""
    client = ControlClient(project / ".trimtab" / "run" / "control.sock", ANSWER_S)
    views: list[dict[str, Any]] = json.loads(client.ask("GET", "/api/status")[1])["engines"]
    return views[0] if views else {"values": {}, "trouble": ""}


def until(project: Path, **wanted: float) -> dict[str, Any]:
    """Looks until the values are the wanted ones."""
    pause, seen = threading.Event(), engine(project)
    for _ in range(LOOKS):
        if wanted.items() <= seen["values"].items():
            return seen
        pause.wait(0.1)
        seen = engine(project)
    raise AssertionError(f"not {wanted} after {LOOKS} looks: {seen}")


def recorded(project: Path, calls: int) -> list[dict[str, Any]]:
    """The usage of all calls, once so many are listed."""
    for _ in range(LISTINGS):
        listed = trimtab("calls", "tail", "--json", project=project).stdout.splitlines()
        if len(listed) >= calls:
            return [json.loads(line)["usage"] for line in listed]
    raise AssertionError(f"{calls} calls are not listed after {LISTINGS} looks")


def test_the_engines_queue_and_tokens_are_those_of_the_calls(tmp_path: Path) -> None:
    """With room for two at once and four asked for, two wait; at the end both sides count the same tokens."""
    flags = (f"--max-num-seqs={AT_ONCE}",)
    with (
        running_vllm(MODEL, "jobs-small", flags) as vllm,
        gateway_before(vllm.url, tmp_path, embeddings=False, more=DECLARED) as target,
        OpenAI(base_url=target.base_url, api_key=target.api_key, max_retries=0, timeout=120) as client,
    ):

        def ask(number: int, tokens: int) -> None:
            said = [SYSTEM, {"role": "user", "content": f"Please send {number} lamps to Ada in Paris."}]
            more = {"ignore_eos": True, "stream_options": {"include_usage": True}}
            for _ in client.chat.completions.create(
                model="jobs-vllm", messages=said, stream=True, max_tokens=tokens, extra_body=more
            ):
                pass

        first = until(tmp_path, queue_depth=0.0, running=0.0, requests=0.0)
        assert (first["server"], first["trouble"]) == ("vllm", "")
        for number in range(3):
            ask(number, 20)
        with ThreadPoolExecutor(2 * AT_ONCE) as asking:
            (worker,) = engines(vllm.pid)
            with slowed(worker):
                asked = [asking.submit(ask, number, 1200) for number in range(2 * AT_ONCE)]
                busy = until(tmp_path, queue_depth=float(AT_ONCE), running=float(AT_ONCE))
            for one in asked:
                one.result()
        assert 0 < busy["values"]["kv_cache_usage"] <= 1
        calls = 3 + 2 * AT_ONCE
        last = until(tmp_path, requests=float(calls), queue_depth=0.0)["values"]
        usages = recorded(tmp_path, calls)
        assert last["generation_tokens"] == sum(usage["output"] for usage in usages) == 3 * 20 + 2 * AT_ONCE * 1200
        assert last["prompt_tokens"] == sum(usage.get("input", 0) + usage.get("cache_read", 0) for usage in usages)
        assert last["prefix_cache_hits"] == sum(usage.get("cache_read", 0) for usage in usages) > 0
        assert (last["requests_cut"], last["ttft_seconds_count"]) == (calls, calls)
        assert last["started"] == first["values"]["started"]
        shown = trimtab("status", project=tmp_path).stdout
    assert "vllm" in shown
