"""The routes in process: refusals, bounds, clients that leave, an engine that breaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.demo.asgi import Call
from trimtab.clock import SystemClock
from trimtab.demo.app import BODY_LIMIT_BYTES, build_app
from trimtab.demo.engine import Bounds, ServedModel
from trimtab.demo.jobs import TOOLS
from trimtab.demo.llama import Llama
from trimtab.demo.weights import Array

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
ENDLESS = {"model": "jobs-small", "messages": HELLO, "max_tokens": 1900, "ignore_eos": True}


def app_of(*models: ServedModel, **bounds: int) -> Starlette:
    return build_app(models, SystemClock(), Bounds(**bounds))


async def answered(app: Starlette, path: str, body: dict[str, Any] | bytes | None = None) -> Call:
    async with app.router.lifespan_context(app):
        return await Call(app, path, body).run()


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        ({"model": "nope", "messages": HELLO}, 404, "model", "jobs-small"),
        ({"messages": HELLO}, 400, "", "model"),
        ({"model": "jobs-small"}, 400, "", "messages"),
        ({"model": "jobs-small", "messages": []}, 400, "messages", "length"),
        ({"model": "jobs-small", "messages": HELLO, "temperature": 2.5}, 400, "temperature", "2.0"),
        ({"model": "jobs-small", "messages": HELLO, "temperature": -1}, 400, "temperature", "0.0"),
        ({"model": "jobs-small", "messages": HELLO, "top_p": 0}, 400, "top_p", "0.0"),
        ({"model": "jobs-small", "messages": HELLO, "max_tokens": 0}, 400, "max_tokens", "1"),
        ({"model": "jobs-small", "messages": HELLO, "n": 17}, 400, "n", "16"),
        ({"model": "jobs-small", "messages": HELLO, "max_tokens": 99999}, 400, "messages", "2048"),
        ({"model": "jobs-small", "messages": [{"role": "user", "content": "x " * 5000}]}, 400, "messages", "2048"),
        ({"model": "jobs-small", "messages": HELLO, "logit_bias": {"a": 1}}, 400, "logit_bias", "token ids"),
        ({"model": "jobs-small", "messages": HELLO, "logit_bias": {"9999": 1}}, 400, None, "767"),
        ({"model": "jobs-small", "messages": HELLO, "top_logprobs": 2}, 400, "top_logprobs", "logprobs: true"),
        ({"model": "jobs-small", "messages": HELLO, "stream_options": {}}, 400, "stream_options", "stream: true"),
        ({"model": "jobs-small", "messages": HELLO, "response_format": {"type": "json_object"}}, 400, None, "not know"),
        ({"model": "jobs-small", "messages": HELLO, "tool_choice": "required"}, 400, "tool_choice", "no tools"),
        (
            {"model": "jobs-small", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "messages[0].content",
            "image_url",
        ),
        (
            {
                "model": "jobs-small",
                "messages": HELLO,
                "tools": TOOLS,
                "tool_choice": {"type": "function", "function": {"name": "nope"}},
            },
            400,
            None,
            "nope",
        ),
        (b"{not json", 400, None, "malformed"),
        (b'{"model": "\xff"}', 400, None, "utf-8"),
        (b"", 400, None, "truncated"),
        (b" " * (BODY_LIMIT_BYTES + 1), 413, None, "bytes"),
    ],
)
async def test_a_bad_request_is_refused_with_its_reason(
    small: ServedModel, body: dict[str, Any] | bytes, status: int, param: str | None, says: str
) -> None:
    """Each mistake has this status, and an error of the OpenAI shape that names the field and what would do."""
    call = await answered(app_of(small), CHAT, body)
    assert call.status == status
    error = call.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == ("not_found_error" if status == 404 else "invalid_request_error")
    assert says in error["message"]
    if param is not None:
        assert error["param"] in (param, None if param == "" else param)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/nothing", None, 404),
        (CHAT, None, 405),
        ("/v1/models/nope", None, 404),
        ("/v1/embeddings", {"model": "jobs-small", "input": []}, 400),
        ("/v1/embeddings", {"model": "jobs-small", "input": ""}, 400),
        ("/v1/embeddings", {"model": "jobs-small", "input": [99999]}, 400),
        ("/v1/embeddings", {"model": "jobs-small", "input": "hello", "dimensions": 5}, 400),
        ("/v1/completions", {"model": "jobs-small", "prompt": []}, 400),
        ("/v1/completions", {"model": "jobs-small", "prompt": [1, -1]}, 400),
        ("/v1/completions", {"model": "jobs-small", "prompt": ["a", [1], {}]}, 400),
        ("/v1/completions", {"model": "jobs-small", "prompt": "a", "suffix": "b"}, 400),
        ("/v1/completions", {"model": "jobs-small", "prompt": "a", "echo": True, "logprobs": 1}, 400),
    ],
)
async def test_every_route_refuses_in_the_same_shape(
    small: ServedModel, path: str, body: dict[str, Any] | None, status: int
) -> None:
    """Unknown routes, methods, models and inputs end in an error of the OpenAI shape, never in a crash."""
    call = await answered(app_of(small), path, body)
    assert call.status == status
    assert set(call.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_is_aborted_at_once(small: ServedModel, stream: bool) -> None:
    """When the client goes, the application is done with it long before 1,900 tokens, and nothing runs any more."""
    app = app_of(small)
    async with app.router.lifespan_context(app):
        call = Call(app, CHAT, {**ENDLESS, "stream": stream})
        if stream:
            call.heard = lambda _: call.leave.set()
        else:
            call.leave.set()
        await call.run()
        health = await Call(app, "/health").run()
    assert health.json()["open_answers"] == {"jobs-small": 0}
    assert call.content.count(b"data: ") < 400
    assert b"[DONE]" not in call.content


async def test_more_than_may_wait_is_refused(small: ServedModel) -> None:
    """With one slot and one place to wait, the third request gets 503 with Retry-After, and the others are served."""
    app = app_of(small, slots=1, waiting=1)
    async with app.router.lifespan_context(app):
        first, second = (Call(app, CHAT, {**ENDLESS, "max_tokens": 200}) for _ in range(2))
        tasks = [asyncio.create_task(call.run()) for call in (first, second)]
        health = await Call(app, "/health").run()
        while health.json()["open_answers"]["jobs-small"] < 2:
            health = await Call(app, "/health").run()
        third = await Call(app, CHAT, ENDLESS).run()
        await asyncio.gather(*tasks)
    assert third.status == 503
    assert third.headers["retry-after"] == "1"
    assert third.json()["error"]["code"] == "overloaded"
    assert [call.json()["usage"]["completion_tokens"] for call in (first, second)] == [200, 200]


async def test_n_answers_need_n_places(small: ServedModel) -> None:
    """A request for more answers than there are places is refused whole."""
    call = await answered(app_of(small, slots=1, waiting=1), CHAT, {**ENDLESS, "n": 3})
    assert call.status == 503


class Breaking(Llama):
    """A network that fails once it has read a prompt."""

    def forward(self, token_ids: Any, slots: Any, starts: Any, cache: Any) -> Array:
        if len(token_ids[0]) == 1:
            raise FloatingPointError("a broken network")
        return super().forward(token_ids, slots, starts, cache)


async def test_an_engine_that_breaks_tells_every_client(small: ServedModel) -> None:
    """A stream under way ends in an error event without [DONE], later requests get 500, and /health says 503."""
    network = small.network
    broken = Breaking.__new__(Breaking)
    broken.__dict__ = network.__dict__
    app = app_of(ServedModel("jobs-small", broken, small.vocabulary, small.template))
    async with app.router.lifespan_context(app):
        stream = await Call(app, CHAT, {**ENDLESS, "stream": True}).run()
        later = await Call(app, CHAT, ENDLESS).run()
        health = await Call(app, "/health").run()
    events = [line.removeprefix("data: ") for line in stream.content.decode().split("\n\n") if line]
    assert "a broken network" in json.loads(events[-1])["error"]["message"]
    assert b"[DONE]" not in stream.content
    assert later.status == 500
    assert later.json()["error"]["code"] == "engine_failed"
    assert health.status == 503


async def test_two_models_answer_side_by_side(small: ServedModel, mid: ServedModel) -> None:
    """One process serves both models; each answers with its own weights."""
    messages = [
        {"role": "system", "content": "Extract name, item, qty and city as JSON."},
        {"role": "user", "content": "Please send 12 lamps to Ada in Paris."},
    ]
    app = app_of(small, mid)
    async with app.router.lifespan_context(app):
        calls = [
            Call(app, CHAT, {"model": name, "messages": messages, "temperature": 0, "max_tokens": 64})
            for name in ("jobs-small", "jobs-mid")
        ]
        await asyncio.gather(*(call.run() for call in calls))
        models = await Call(app, "/v1/models").run()
    texts = [call.json()["choices"][0]["message"]["content"] for call in calls]
    assert texts[0] == '{"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"}'
    assert texts[1] != texts[0]
    assert texts[1].startswith('{"name": "')
    assert [model["id"] for model in models.json()["data"]] == ["jobs-small", "jobs-mid"]


@pytest.mark.parametrize("stop", ["", [""], []])
async def test_an_empty_stop_string_stops_nothing(small: ServedModel, stop: object) -> None:
    """Empty stop strings are ignored."""
    call = await answered(app_of(small), CHAT, {**ENDLESS, "max_tokens": 4, "stop": stop})
    assert call.json()["choices"][0]["finish_reason"] == "length"


async def test_a_forced_call_that_is_none_comes_back_as_text(small: ServedModel) -> None:
    """With `required`, a model that does not finish the call has written text: it is given as it is."""
    body = {"model": "jobs-small", "messages": HELLO, "tools": TOOLS, "tool_choice": "required", "max_tokens": 1}
    choice = (await answered(app_of(small), CHAT, {**body, "temperature": 0})).json()["choices"][0]
    assert "tool_calls" not in choice["message"]
    assert choice["message"]["content"].startswith('<tool_call>\n{"name":')
    assert choice["finish_reason"] == "length"
