"""The demo engine as an ASGI application: the OpenAI routes, their errors, and clients that leave."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from trimtab.clock import Clock
from trimtab.demo.chat import ChatExchange
from trimtab.demo.completions import TextExchange
from trimtab.demo.engine import Bounds, Engine, ServedModel
from trimtab.demo.exchange import Exchange, Service, encoded
from trimtab.demo.llama import Llama
from trimtab.demo.metrics import exposition
from trimtab.demo.replies import Embedding, Embeddings, EmbeddingUsage, Model, Models, error_body, event
from trimtab.demo.requests import ChatRequest, CompletionRequest, EmbeddingRequest, Generation, read, texts_of
from trimtab.demo.template import ChatTemplate
from trimtab.demo.text import Vocabulary
from trimtab.demo.weights import Array, read_safetensors, read_shape
from trimtab.errors import EngineRefusal
from trimtab.ids import IdSource

MODELS = Path(__file__).parent / "models"
DEFAULT_NAMES = ("jobs-small", "jobs-mid")
CONTEXT_TOKENS = 2048
BODY_LIMIT_BYTES = 8 << 20
INPUTS_LIMIT = 256
ROUTES = "POST /v1/chat/completions, /v1/completions and /v1/embeddings, GET /v1/models, /health and /metrics"
CLIENT_GONE = 499  # nobody reads it; some logs know it under this number

T = TypeVar("T")


def read_model(name: str, folder: Path = MODELS) -> ServedModel:
    """The model in `folder/name`; FormatError if its files are not what they should be."""
    place = folder / name
    network = Llama(read_shape(place), read_safetensors(place / "model.safetensors"), CONTEXT_TOKENS)
    return ServedModel(name, network, Vocabulary.read(place), ChatTemplate.read(place))


def build_app(models: Sequence[ServedModel], clock: Clock, bounds: Bounds | None = None) -> Starlette:
    """The application that serves these models; its engine runs from the start of its lifespan to the end."""
    engine = Engine(models, bounds or Bounds(), clock.monotonic)
    seeds = random.Random()  # noqa: S311 - for sampling, not secrecy
    api = _Api(Service(engine, clock, IdSource(), seeds))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        engine.start()
        yield
        engine.stop()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", api.chat, methods=["POST"]),
            Route("/v1/completions", api.completions, methods=["POST"]),
            Route("/v1/embeddings", api.embeddings, methods=["POST"]),
            Route("/v1/models", api.models, methods=["GET"]),
            Route("/v1/models/{name}", api.model, methods=["GET"]),
            Route("/health", api.health, methods=["GET"]),
            Route("/metrics", api.metrics, methods=["GET"]),
        ],
        exception_handlers={EngineRefusal: _failed, HTTPException: _failed, Exception: _failed},
        lifespan=lifespan,
    )


class _Api:
    """One method for each route."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started_s = service.clock.wall_ns() / 1e9
        self._since = int(self._started_s)

    async def chat(self, request: Request) -> Response:
        body = read(ChatRequest, await _content(request))
        return await _answer(request, body, ChatExchange(self._service, body, self._reply_id("chatcmpl", request)))

    async def completions(self, request: Request) -> Response:
        body = read(CompletionRequest, await _content(request))
        return await _answer(request, body, TextExchange(self._service, body, self._reply_id("cmpl", request)))

    async def embeddings(self, request: Request) -> Response:
        body = read(EmbeddingRequest, await _content(request))
        model = self._service.model(body.model)
        width = model.network.shape.hidden_size
        if body.dimensions not in (None, width):
            raise EngineRefusal(400, f"{model.name} has vectors of {width} dimensions", param="dimensions")
        inputs = [
            encoded(model, text) if isinstance(text, str) else text
            for text in texts_of(body.input, "input", INPUTS_LIMIT)
        ]
        vectors = await _unless_gone(request.receive, self._service.engine.embed(model.name, inputs))
        if vectors is None:
            return Response(status_code=CLIENT_GONE)
        data = [
            Embedding(index, _base64(vector) if body.encoding_format == "base64" else vector.tolist())
            for index, vector in enumerate(vectors)
        ]
        tokens = sum(map(len, inputs))
        return _json(Embeddings(data, model.name, EmbeddingUsage(tokens, tokens)))

    async def models(self, _: Request) -> Response:
        return _json(Models([self._described(model) for model in self._service.engine.models.values()]))

    async def model(self, request: Request) -> Response:
        return _json(self._described(self._service.model(request.path_params["name"])))

    async def health(self, _: Request) -> Response:
        engine = self._service.engine
        open_answers = {name: engine.open_answers(name) for name in engine.models}
        report = {"status": engine.failure or "ok", "open_answers": open_answers}
        return Response(msgspec.json.encode(report), 503 if engine.failure else 200, media_type="application/json")

    async def metrics(self, _: Request) -> Response:
        text = exposition(self._service.engine.tallies, self._started_s)
        return Response(text, media_type="text/plain; version=0.0.4")

    def _described(self, model: ServedModel) -> Model:
        return Model(model.name, self._since, model.network.context_tokens)

    def _reply_id(self, prefix: str, request: Request) -> str:
        return f"{prefix}-{request.headers.get('x-request-id') or self._service.new_id()}"


async def _answer(request: Request, body: Generation, exchange: Exchange) -> Response:
    if body.stream:
        return _EventStream(exchange)
    with exchange.stream:
        reply = await _unless_gone(request.receive, exchange.whole())
    return Response(status_code=CLIENT_GONE) if reply is None else _json(reply)


class _EventStream(Response):
    """Server-sent events as they come. A failure amid them is an error event, and then no `[DONE]`."""

    media_type = "text/event-stream"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(headers={"cache-control": "no-cache"}, media_type=self.media_type)
        del self.headers["content-length"]
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._exchange.stream:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await _unless_gone(receive, self._write(send))

    async def _write(self, send: Send) -> None:
        try:
            async for events in self._exchange.events():
                await send({"type": "http.response.body", "body": events, "more_body": True})
        except EngineRefusal as error:
            body = event(error_body(error.status, str(error), error.param, error.code))
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`, or None, with the work cancelled, once the client has disconnected."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for future in (task, gone):
            future.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _content(request: Request) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > BODY_LIMIT_BYTES:
            raise EngineRefusal(413, f"a body may have {BODY_LIMIT_BYTES} bytes; send less", code="payload_too_large")
    return bytes(content)


def _json(body: Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _base64(vector: Array) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


async def _failed(request: Request, error: Exception) -> Response:
    match error:
        case EngineRefusal(status=status, param=param, code=code):
            response = _json(error_body(status, str(error), param, code), status)
            if status == 503:
                response.headers["retry-after"] = "1"
            return response
        case HTTPException(status_code=status):
            message = f"The demo engine does not serve {request.method} {request.url.path}; it has {ROUTES}."
            return _json(error_body(status, message), status)
    return _json(error_body(500, f"The demo engine broke on this request ({error!r}); please report it."), 500)
