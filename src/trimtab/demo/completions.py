"""POST /v1/completions: the text surface, without a template."""

from __future__ import annotations

from trimtab.demo.exchange import Exchange, Service, encoded, orders_for
from trimtab.demo.replies import TextChoice, text_logprobs
from trimtab.demo.requests import CompletionRequest, texts_of
from trimtab.demo.sampling import Drawn
from trimtab.demo.scheduler import Order, Piece
from trimtab.errors import EngineRefusal

PROMPTS_LIMIT = 32
DEFAULT_MAX_TOKENS = 16  # as OpenAI documents it for this surface


class TextExchange(Exchange):
    """A text request: some prompts, each with one or more completions, in the order of the prompts."""

    kind = "text_completion"
    chunk_kind = "text_completion"

    def __init__(self, service: Service, request: CompletionRequest, reply_id: str) -> None:
        if request.echo and request.logprobs is not None:
            raise EngineRefusal(400, "it has no logprobs of a prompt: leave out echo or logprobs", param="logprobs")
        model = service.model(request.model)
        self._vocabulary = model.vocabulary
        orders: list[Order] = []
        echoes: list[str] = []
        for prompt in texts_of(request.prompt, "prompt", PROMPTS_LIMIT):
            ids = encoded(model, prompt) if isinstance(prompt, str) else prompt
            seed = service.seeds.getrandbits(62) if request.seed is None else request.seed
            limit = request.max_tokens or DEFAULT_MAX_TOKENS
            orders += orders_for(request, model, ids, limit, request.logprobs, seed)
            echoes.append(b"".join(map(model.vocabulary.bytes_of, ids)).decode("utf-8", "replace"))
        super().__init__(service, request, orders, reply_id)
        self._echoes = [echo if request.echo else "" for echo in echoes for _ in range(request.n or 1)]
        self._choices = [TextChoice(index, "") for index in range(len(orders))]
        self._drawn: list[list[Drawn]] = [[] for _ in orders]
        self._logprobs = request.logprobs is not None

    def extend(self, index: int, piece: Piece) -> list[TextChoice]:
        """Add a piece to a completion."""
        choice = self._choices[index]
        text, self._echoes[index] = self._echoes[index] + piece.text, ""
        logprobs = text_logprobs([piece.drawn], self._vocabulary, len(choice.text)) if self._logprobs else None
        choice.text += text
        choice.finish_reason = piece.finish
        self._drawn[index].append(piece.drawn)
        nothing_new = not text and not logprobs and not piece.finish
        return [] if nothing_new else [TextChoice(index, text, logprobs, piece.finish)]

    def choices(self) -> list[TextChoice]:
        """The completions as they stand."""
        if self._logprobs:
            for choice, drawn in zip(self._choices, self._drawn, strict=True):
                choice.logprobs = text_logprobs(drawn, self._vocabulary, 0)
        return self._choices
