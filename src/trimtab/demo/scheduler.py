"""Continuous batching: answers join and leave between steps, and all under way advance together in one step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from trimtab.demo.cache import SlotPool
from trimtab.demo.llama import PREFILL_ROWS, Llama
from trimtab.demo.sampling import Drawn, Sampler, Sampling
from trimtab.demo.text import GrowingText, Vocabulary
from trimtab.demo.weights import Array

FinishReason = Literal["stop", "length"]
PREFILL_ROWS_A_STEP = 10 * PREFILL_ROWS
WAITING = -1  # the slot of an answer that has none yet


@dataclass(frozen=True)
class Order:
    """What to generate: the prompt's tokens, how to draw, and which texts end the answer."""

    prompt: tuple[int, ...]
    sampling: Sampling
    stops: tuple[str, ...] = ()
    include_stop: bool = False


@dataclass(frozen=True)
class Piece:
    """What one step added to an answer: a token, and the text that has become certain, which may be empty.

    The last piece of an answer says why it ended.
    """

    answer: Answer
    text: str
    drawn: Drawn
    finish: FinishReason | None


class Answer:
    """One answer under way: an order, and how far it has come."""

    def __init__(self, order: Order, vocabulary: Vocabulary) -> None:
        self.order = order
        self.cached_tokens = 0
        self.tokens = 0
        self.slot = WAITING
        self.computed = 0
        self.last_token = 0
        self._vocabulary = vocabulary
        self._sampler = Sampler(order.sampling, len(vocabulary))
        self._text = GrowingText(order.stops, order.include_stop)

    @property
    def prefilled(self) -> bool:
        """Whether the whole prompt has been through the network."""
        return self.computed >= len(self.order.prompt)

    def extend(self, scores: Array) -> Piece:
        """Draw the next token from scores shaped (vocabulary,) and grow the text by it."""
        drawn = self._sampler.draw(scores)
        self.tokens += 1
        self.last_token = drawn.token
        sampling = self.order.sampling
        if drawn.token in sampling.end_ids:
            return Piece(self, self._text.rest(), drawn, "stop")
        silent = drawn.token in self._vocabulary.special_ids
        data = b"" if silent else self._vocabulary.bytes_of(drawn.token)
        text, stopped = self._text.add(data, self.tokens > sampling.min_tokens)
        if stopped:
            return Piece(self, text, drawn, "stop")
        if self.tokens == sampling.max_tokens:
            return Piece(self, text + self._text.rest(), drawn, "length")
        return Piece(self, text, drawn, None)

    def __repr__(self) -> str:
        place = "waiting" if self.slot == WAITING else f"in slot {self.slot}"
        return f"Answer({place}, {self.computed} of {len(self.order.prompt)} prompt tokens, {self.tokens} drawn)"


class Scheduler:
    """Runs the answers of one model. Not for several threads: `engine` gives it one of its own.

    What finds no slot waits, first come first served; who submits bounds how much may wait.
    """

    def __init__(self, model: Llama, vocabulary: Vocabulary, slots: int) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._cache = model.new_cache(slots)
        self._slots = SlotPool(self._cache, PREFILL_ROWS)
        self._waiting: deque[Answer] = deque()
        self._running: list[Answer] = []

    def submit(self, order: Order) -> Answer:
        """Take an order in; its first piece comes from a later `step`."""
        answer = Answer(order, self._vocabulary)
        self.admit(answer)
        return answer

    def admit(self, answer: Answer) -> None:
        """Take in an answer made elsewhere."""
        self._waiting.append(answer)

    def abort(self, answer: Answer) -> None:
        """End an answer at once; it gets no further piece. One that has ended is left alone."""
        if answer in self._waiting:
            self._waiting.remove(answer)
        elif answer in self._running:
            self._leave(answer)

    @property
    def idle(self) -> bool:
        """Whether a step would have nothing to do."""
        return not self._waiting and not self._running

    def step(self) -> list[Piece]:
        """Advance every answer under way: by one token, or by pieces of its prompt while the step's share lasts."""
        self._join()
        decoding = [answer for answer in self._running if answer.prefilled]
        pieces = self._prefill([answer for answer in self._running if not answer.prefilled])
        if decoding:
            pieces += self._decode(decoding)
        for piece in pieces:
            if piece.finish:
                self._leave(piece.answer)
        return pieces

    def _join(self) -> None:
        while self._waiting and (taken := self._slots.take(self._waiting[0].order.prompt)):
            answer = self._waiting.popleft()
            answer.slot, answer.cached_tokens = taken
            answer.computed = taken.cached_tokens
            self._running.append(answer)

    def _prefill(self, answers: Iterable[Answer]) -> list[Piece]:
        pieces = []
        rows_left = PREFILL_ROWS_A_STEP
        for answer in answers:
            while rows_left > 0 and not answer.prefilled:
                rows_left -= PREFILL_ROWS
                pieces += self._prefill_once(answer)
        return pieces

    def _prefill_once(self, answer: Answer) -> list[Piece]:
        prompt, start = answer.order.prompt, answer.computed
        rows = prompt[start : start + PREFILL_ROWS]
        hidden = self._model.forward([rows], [answer.slot], [start], self._cache)
        answer.computed += len(rows)
        self._slots.computed(answer.slot, prompt, answer.computed)
        return [answer.extend(self._model.logits(hidden[:, -1])[0])] if answer.prefilled else []

    def _decode(self, answers: list[Answer]) -> list[Piece]:
        tokens = [[answer.last_token] for answer in answers]
        slots, starts = [answer.slot for answer in answers], [answer.computed for answer in answers]
        hidden = self._model.forward(tokens, slots, starts, self._cache)
        for answer in answers:
            answer.computed += 1
        scores = self._model.logits(hidden[:, -1])
        return [answer.extend(row) for answer, row in zip(answers, scores, strict=True)]

    def _leave(self, answer: Answer) -> None:
        self._running.remove(answer)
        self._slots.give_back(answer.slot)

    def __repr__(self) -> str:
        return f"Scheduler({len(self._running)} running, {len(self._waiting)} waiting, {self._slots})"
