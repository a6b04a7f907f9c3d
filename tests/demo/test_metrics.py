"""What the demo engine says of itself is what it did, under vLLM's names."""

from __future__ import annotations

import asyncio

from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from tests.demo.asgi import Call
from trimtab.clock import SystemClock
from trimtab.demo.app import build_app
from trimtab.demo.engine import Bounds, ServedModel

CHAT = "/v1/chat/completions"
MESSAGES = [
    {"role": "system", "content": "Extract name, item, qty and city as JSON. " * 4},
    {"role": "user", "content": "Please send 12 lamps to Ada in Paris."},
]
ASKED = {"model": "jobs-small", "messages": MESSAGES, "temperature": 0, "max_tokens": 40}


async def told(app: Starlette, model: str = "jobs-small") -> dict[str, float]:
    """The values of one model, by name and the reason of an end."""
    call = await Call(app, "/metrics").run()
    assert call.status == 200
    return {
        sample.name.removeprefix("vllm:") + sample.labels.get("finished_reason", ""): sample.value
        for family in text_string_to_metric_families(call.content.decode())
        for sample in family.samples
        if sample.labels.get("model_name", model) == model
    }


async def test_what_was_done_is_counted(small: ServedModel, mid: ServedModel) -> None:
    """Tokens as the answers' own usage tells them, a prefix found in the cache, ends by reason; the other model 0."""
    app = build_app([small, mid], SystemClock())
    async with app.router.lifespan_context(app):
        before = await told(app)
        first = await Call(app, CHAT, ASKED).run()
        second = await Call(app, CHAT, {**ASKED, "max_tokens": 3}).run()
        after, other = await told(app), await told(app, "jobs-mid")
    usages = [call.json()["usage"] for call in (first, second)]
    assert (before["prompt_tokens_total"], before["request_success_totalstop"]) == (0, 0)
    assert after["prompt_tokens_total"] == sum(usage["prompt_tokens"] for usage in usages)
    assert after["generation_tokens_total"] == sum(usage["completion_tokens"] for usage in usages)
    cached = sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in usages)
    assert after["prefix_cache_hits_total"] == cached > 0
    assert after["prefix_cache_queries_total"] == after["prompt_tokens_total"]
    assert (after["request_success_totalstop"], after["request_success_totallength"]) == (1, 1)
    assert after["time_to_first_token_seconds_count"] == 2
    assert after["request_time_per_output_token_seconds_count"] == 2
    assert after["time_to_first_token_seconds_sum"] > 0
    assert (after["num_requests_running"], after["num_requests_waiting"], after["kv_cache_usage_perc"]) == (0, 0, 0)
    assert after["process_start_time_seconds"] > 1.7e9
    assert other["generation_tokens_total"] == 0


async def test_what_waits_and_what_leaves_is_told(small: ServedModel) -> None:
    """With one slot the second answer waits; both are aborted when their clients leave."""
    app, held = build_app([small], SystemClock(), Bounds(slots=1, waiting=1)), "kv_cache_usage_perc"
    async with app.router.lifespan_context(app):
        endless = {**ASKED, "max_tokens": 1500, "ignore_eos": True}
        calls = [Call(app, CHAT, endless) for _ in range(2)]
        tasks = [asyncio.create_task(call.run()) for call in calls]
        values = await told(app)
        while (values["num_requests_waiting"], values["num_requests_running"]) != (1, 1) or not values[held]:
            values = await told(app)
        assert 0 < values[held] < 1
        for call in calls:
            call.leave.set()
        await asyncio.gather(*tasks)
        values = await told(app)
    assert values["request_success_totalabort"] == 2
    assert (values["num_requests_running"], values["num_requests_waiting"]) == (0, 0)
