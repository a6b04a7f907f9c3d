"""One completion request from its orders to its answer: what the chat and the text surface have in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from msgspec import UNSET

from trimtab.clock import Clock
from trimtab.demo.engine import Engine, ServedModel
from trimtab.demo.replies import (
    DONE,
    CachedTokens,
    ChatChoice,
    ChunkChoice,
    Reply,
    TextChoice,
    Usage,
    event,
)
from trimtab.demo.requests import Generation
from trimtab.demo.sampling import Sampling
from trimtab.demo.scheduler import Order, Piece
from trimtab.errors import EngineRefusal
from trimtab.ids import IdSource

SEED_BITS = 63


@dataclass(frozen=True)
class Service:
    """What every request needs: the engine, the time, fresh ids, and seeds for those who bring none."""

    engine: Engine
    clock: Clock
    ids: IdSource
    seeds: random.Random

    def model(self, name: str) -> ServedModel:
        """The served model of this name; EngineRefusal (404) if there is none."""
        found = self.engine.models.get(name)
        if found is None:
            names = ", ".join(self.engine.models)
            raise EngineRefusal(
                404, f"it serves no model {name!r}, only {names}", param="model", code="model_not_found"
            )
        return found

    def new_id(self) -> str:
        """A fresh id that sorts by time."""
        return self.ids.new(self.clock.wall_ns())


class Exchange(ABC):
    """The answers to one request, as they grow. Read them one of the two ways, inside a `with` block on `stream`."""

    kind: ClassVar[Literal["chat.completion", "text_completion"]]
    chunk_kind: ClassVar[Literal["chat.completion.chunk", "text_completion"]]

    def __init__(self, service: Service, request: Generation, orders: Sequence[Order], reply_id: str) -> None:
        self.stream = service.engine.open(request.model, orders)
        self._id = reply_id
        self._created = service.clock.wall_ns() // 1_000_000_000
        self._model = request.model
        self._choices_a_prompt = request.n or 1
        self._usage_wanted = bool(request.stream_options and request.stream_options.include_usage)
        self._place = {answer: index for index, answer in enumerate(self.stream.answers)}

    async def events(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events, what one step made in one piece."""
        async for pieces in self.stream.batches():
            chunks = [chunk for piece in pieces for chunk in self.extend(self._place[piece.answer], piece)]
            if chunks:
                yield b"".join(event(self._chunk(chunk)) for chunk in chunks)
        if self._usage_wanted:
            yield event(Reply(self._id, self.chunk_kind, self._created, self._model, [], self._usage()))
        yield DONE

    async def whole(self) -> Reply:
        """The answer once it is complete."""
        async for pieces in self.stream.batches():
            for piece in pieces:
                self.extend(self._place[piece.answer], piece)
        return Reply(self._id, self.kind, self._created, self._model, self.choices(), self._usage())

    @abstractmethod
    def extend(self, index: int, piece: Piece) -> Sequence[ChunkChoice | TextChoice]:
        """Add a piece to choice `index`; gives what a streaming client is sent for it."""

    @abstractmethod
    def choices(self) -> Sequence[ChatChoice | TextChoice]:
        """All choices with what they have by now."""

    def _chunk(self, choice: ChunkChoice | TextChoice) -> Reply:
        usage = None if self._usage_wanted else UNSET
        return Reply(self._id, self.chunk_kind, self._created, self._model, [choice], usage)

    def _usage(self) -> Usage:
        answers = self.stream.answers
        prompts = answers[:: self._choices_a_prompt]
        prompt_tokens = sum(len(answer.order.prompt) for answer in prompts)
        completion_tokens = sum(answer.tokens for answer in answers)
        cached = CachedTokens(sum(answer.cached_tokens for answer in prompts))
        return Usage(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens, cached)


def orders_for(
    request: Generation,
    model: ServedModel,
    prompt: Sequence[int],
    max_tokens: int | None,
    logprobs: int | None,
    seed: int,
) -> list[Order]:
    """One order for each choice of one prompt; without `max_tokens` an answer may fill the context.

    EngineRefusal (400) if prompt and answer do not fit the context, or a token id is unknown.
    """
    room = model.network.context_tokens - len(prompt)
    if room < 1 or (max_tokens or 1) > room:
        raise _too_long(model, f"the prompt has {len(prompt)} and the answer may have {max_tokens or 1}")
    bias = _bias(request, model)
    ends = {*(request.stop_token_ids or ()), *(() if request.ignore_eos else (model.network.shape.eos_token_id,))}
    _check_ids([*prompt, *bias, *ends], model)
    stops = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    return [
        Order(
            tuple(prompt),
            Sampling(
                max_tokens=max_tokens or room,
                temperature=1.0 if request.temperature is None else request.temperature,
                top_p=1.0 if request.top_p is None else request.top_p,
                top_k=max(0, request.top_k or 0),
                seed=(seed + choice) % (1 << SEED_BITS),
                min_tokens=request.min_tokens or 0,
                end_ids=frozenset(ends),
                logit_bias=bias,
                presence_penalty=request.presence_penalty or 0.0,
                frequency_penalty=request.frequency_penalty or 0.0,
                logprobs=logprobs,
            ),
            stops=tuple(stop for stop in stops if stop),
            include_stop=bool(request.include_stop_str_in_output),
        )
        for choice in range(request.n or 1)
    ]


def encoded(model: ServedModel, text: str) -> list[int]:
    """A text's tokens; EngineRefusal (400), without reading it all, if they cannot fit the context."""
    if len(text) > model.network.context_tokens * model.vocabulary.longest_bytes:
        raise _too_long(model, f"a prompt of {len(text)} characters has more")
    return model.vocabulary.encode(text)


def _too_long(model: ServedModel, detail: str) -> EngineRefusal:
    text = f"{model.name} holds {model.network.context_tokens} tokens, {detail}: shorten the prompt or lower max_tokens"
    return EngineRefusal(400, text, param="messages", code="context_length_exceeded")


def _bias(request: Generation, model: ServedModel) -> dict[int, float]:
    bias = request.logit_bias or {}
    if not all(token.isdecimal() and -100 <= value <= 100 for token, value in bias.items()):
        raise EngineRefusal(400, "logit_bias maps token ids to numbers from -100 to 100", param="logit_bias")
    return {int(token): value for token, value in bias.items()}


def _check_ids(ids: Sequence[int], model: ServedModel) -> None:
    unknown = [token for token in ids if not 0 <= token < len(model.vocabulary)]
    if unknown:
        raise EngineRefusal(400, f"{model.name} has tokens 0 to {len(model.vocabulary) - 1}, not {unknown[0]}")
