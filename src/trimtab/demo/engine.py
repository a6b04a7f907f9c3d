"""The schedulers of all served models in one thread, and the asyncio side that hands orders in and pieces out."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from trimtab.demo.llama import Llama
from trimtab.demo.metrics import Tally
from trimtab.demo.scheduler import Answer, Order, Piece, Scheduler
from trimtab.demo.template import ChatTemplate
from trimtab.demo.text import Vocabulary
from trimtab.demo.weights import Array
from trimtab.errors import EngineRefusal

LOG = logging.getLogger("trimtab.demo")

Command = Callable[[], None]


@dataclass(frozen=True)
class ServedModel:
    """A model that is served: its network, its words and its chat template."""

    name: str
    network: Llama
    vocabulary: Vocabulary
    template: ChatTemplate


@dataclass(frozen=True)
class Bounds:
    """How many answers of one model run at once, and how many may wait for that; more are refused."""

    slots: int = 32
    waiting: int = 128


class Stream:
    """The pieces of one request's answers, in the order they were made; leaving its `with` block aborts the rest."""

    def __init__(self, engine: Engine, model: str, answers: Sequence[Answer]) -> None:
        self.model = model
        self.answers = answers
        self._engine = engine
        self._arrived: asyncio.Queue[Piece | EngineRefusal] = asyncio.Queue()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.release(self)

    def put(self, item: Piece | EngineRefusal) -> None:
        """Called by the engine, in the event loop."""
        self._arrived.put_nowait(item)

    async def batches(self) -> AsyncIterator[list[Piece]]:
        """What has arrived, again and again, until every answer has ended; EngineRefusal if the engine failed."""
        unfinished = len(self.answers)
        while unfinished:
            batch = [await self._arrived.get()]
            while not self._arrived.empty():
                batch.append(self._arrived.get_nowait())
            pieces = []
            for item in batch:
                if isinstance(item, EngineRefusal):
                    raise item
                pieces.append(item)
            unfinished -= sum(piece.finish is not None for piece in pieces)
            yield pieces


class Engine:
    """Generates for many requests at once. All methods belong to the event loop that called `start`.

    Orders and aborts go to the thread through a queue and take effect between two steps; the pieces of a step come
    back with a single wake-up of the loop.
    """

    def __init__(self, models: Sequence[ServedModel], bounds: Bounds, now: Callable[[], float] = lambda: 0.0) -> None:
        """`now` gives monotonic seconds, for what the engine tells of its times."""
        self.models = {model.name: model for model in models}
        self.bounds = bounds
        self.failure: str | None = None
        self._schedulers: Mapping[str, Scheduler] = {
            model.name: Scheduler(model.network, model.vocabulary, bounds.slots) for model in models
        }
        self.tallies = {model.name: Tally(bounds.slots * model.network.context_tokens) for model in models}
        self._now = now
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._streams: dict[Answer, Stream] = {}
        self._embeddings: set[asyncio.Future[list[Array]]] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work for the running event loop."""
        run = partial(self._run, asyncio.get_running_loop())
        self._thread = threading.Thread(target=run, name="demo-engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its current step; streams still open get no more pieces."""
        self._commands.put(None)
        if self._thread:
            self._thread.join()

    def open(self, model: str, orders: Sequence[Order]) -> Stream:
        """Take orders in; EngineRefusal (503) if more would wait than may or if the engine has failed."""
        if self.failure:
            raise _failed(self.failure)
        limit = self.bounds.slots + self.bounds.waiting
        if self.open_answers(model) + len(orders) > limit:
            detail = f"{limit} answers of {model} are running or waiting, which is its limit; try again in a second"
            raise EngineRefusal(503, detail, code="overloaded")
        scheduler = self._schedulers[model]
        answers = [Answer(order, self.models[model].vocabulary) for order in orders]
        stream = Stream(self, model, answers)
        for answer in answers:
            self._streams[answer] = stream
            self.tallies[model].opened(answer, self._now())
            self._commands.put(partial(scheduler.admit, answer))
        return stream

    def release(self, stream: Stream) -> None:
        """Abort whatever of a stream has not ended."""
        for answer in stream.answers:
            if self._streams.pop(answer, None):
                self.tallies[stream.model].aborted(answer)
                self._commands.put(partial(self._schedulers[stream.model].abort, answer))

    async def embed(self, model: str, inputs: Sequence[Sequence[int]]) -> list[Array]:
        """One vector for each input; EngineRefusal (400) for one that does not fit, (503) if too many wait."""
        served = self.models[model]
        for ids in inputs:
            if not 0 < len(ids) <= served.network.context_tokens or max(ids) >= len(served.vocabulary) or min(ids) < 0:
                detail = f"an input has 1 to {served.network.context_tokens} known tokens; one here has {len(ids)}"
                raise EngineRefusal(400, detail, param="input")
        if self.failure:
            raise _failed(self.failure)
        if len(self._embeddings) >= self.bounds.waiting:
            raise EngineRefusal(503, f"{self.bounds.waiting} embeddings wait; try again in a second", code="overloaded")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[Array]] = loop.create_future()

        def work() -> None:
            if not result.cancelled():
                vectors = [served.network.embed(ids) for ids in inputs]
                loop.call_soon_threadsafe(_resolve, result, vectors)

        self._embeddings.add(result)
        self._commands.put(work)
        try:
            return await result
        finally:
            self._embeddings.discard(result)

    def open_answers(self, model: str) -> int:
        """How many answers of a model are running or waiting."""
        return sum(stream.model == model for stream in self._streams.values())

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._obey():
                pieces = [piece for scheduler in self._schedulers.values() for piece in scheduler.step()]
                if pieces:
                    loop.call_soon_threadsafe(self._deliver, pieces)
        except Exception as error:  # whatever it was, every waiting client must hear of it
            LOG.exception("engine failed")
            loop.call_soon_threadsafe(self._fail, repr(error))

    def _obey(self) -> bool:
        """Carry out the commands that lie there; wait for one if there is nothing else to do. False means stop."""
        while True:
            idle = all(scheduler.idle for scheduler in self._schedulers.values())
            try:
                command = self._commands.get(block=idle)
            except queue.Empty:
                return True
            if command is None:
                return False
            command()

    def _deliver(self, pieces: Sequence[Piece]) -> None:
        now = self._now()
        for piece in pieces:
            stream = self._streams.get(piece.answer)
            if stream is None:
                continue
            self.tallies[stream.model].grew(piece, now)
            if piece.finish:
                del self._streams[piece.answer]
            stream.put(piece)

    def _fail(self, cause: str) -> None:
        self.failure = cause
        for stream in set(self._streams.values()):
            stream.put(_failed(cause))
        for waiting in self._embeddings:
            if not waiting.done():
                waiting.set_exception(_failed(cause))

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {self.open_answers(name)}" for name in self.models)
        return f"Engine(open answers {counts})"


def _resolve(result: asyncio.Future[list[Array]], vectors: list[Array]) -> None:
    if not result.done():
        result.set_result(vectors)


def _failed(cause: str) -> EngineRefusal:
    return EngineRefusal(500, f"it broke down and must be started again ({cause})", code="engine_failed")
