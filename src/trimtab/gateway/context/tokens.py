"""Counting tokens: by a model's own tokenizer where it is known, else by an estimate that says what it is."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from trimtab.declare.project import FileDigest, Model
from trimtab.gateway.context.estimate import estimate

log = logging.getLogger("trimtab.gateway")

MAX_TOKENIZED: Final = 1 << 20
"""Characters of one text that a tokenizer is given; of a longer one, tokens are estimated from its beginning."""
MAX_TOKENIZER_BYTES: Final = 256 << 20


class Count(NamedTuple):
    """How many tokens; `exact` where a tokenizer has counted all of them."""

    tokens: int
    exact: bool


class Counter(Protocol):
    """Counts the tokens of texts."""

    name: str
    """Two counters of one name count alike."""
    at_once_bytes: int
    """How much it counts between two calls, in a few milliseconds; more is counted in a thread."""

    def count(self, texts: Sequence[str]) -> Count:
        """The tokens of all these texts together; it may be called in a thread."""


class Estimating:
    """Estimates, for models whose tokenizer is not known."""

    name = "estimate"
    at_once_bytes = 64 << 10

    def count(self, texts: Sequence[str]) -> Count:
        """About how many tokens these are."""
        return Count(sum(map(estimate, texts)), exact=not texts)


ESTIMATING: Final = Estimating()


class Tokenizing:
    """A model's own tokenizer; `digest` is that of its file."""

    at_once_bytes = 8 << 10

    def __init__(self, digest: str, tokenizer: Any) -> None:
        self.name = digest
        self._tokenizer = tokenizer

    def count(self, texts: Sequence[str]) -> Count:
        """How many tokens these are, without those that a chat template adds; other threads run meanwhile.

        Where the library fails on them, they are estimated.
        """
        try:
            found = self._tokenizer.encode_batch_fast(
                [text[:MAX_TOKENIZED] for text in texts], add_special_tokens=False
            )
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt | SystemExit):
                raise
            log.warning("tokenizer_failed", extra={"fields": {"tokenizer": self.name[:12], "detail": str(fault)[:200]}})
            return ESTIMATING.count(texts)
        counts = map(len, found)
        tokens = sum(
            count if len(text) <= MAX_TOKENIZED else count * len(text) // MAX_TOKENIZED
            for text, count in zip(texts, counts, strict=True)
        )
        return Count(tokens, all(len(text) <= MAX_TOKENIZED for text in texts))


class Unusable(NamedTuple):
    """A tokenizer that cannot be used, and why not."""

    model: str
    path: str
    detail: str

    def __str__(self) -> str:
        return f"models.{self.model}.served.tokenizer: {self.path} cannot be used ({self.detail}); tokens are estimated"


def load(root: Path, file: FileDigest) -> Tokenizing:
    """The tokenizer in a `tokenizer.json` of the project in `root`.

    Raises `ImportError` without the library, `OSError` for a file that cannot be read, and `ValueError` for one that is
    not the one declared, or no tokenizer.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415  it is not installed everywhere

    path = root / file.path
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise ValueError(f"it is over {MAX_TOKENIZER_BYTES} bytes")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.digest:
        raise ValueError("it has changed since the declaration was read")
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as wrong:
        raise ValueError(f"it is no tokenizer.json of the `tokenizers` library: {wrong}") from wrong
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Tokenizing(file.digest, tokenizer)


def why_unusable(root: Path, model: Model) -> Unusable | None:
    """What is wrong with a model's tokenizer; None if it is usable, or none is declared."""
    found = _loaded(root, model)
    return found if isinstance(found, Unusable) else None


def _loaded(root: Path, model: Model) -> Tokenizing | Unusable | None:
    file = model.served.tokenizer
    if file is None:
        return None
    try:
        return load(root, file)
    except ImportError:
        return Unusable(model.name, file.path, 'pip install "trimtab[tokens]" is missing')
    except (OSError, ValueError) as wrong:
        return Unusable(model.name, file.path, str(wrong))


class Tokenizers:
    """The tokenizers of one worker, by the digests of their files.

    `serve` begins to load those of a snapshot's models, in `executor`; until one is there, and where it cannot be used,
    tokens are estimated. `ready` waits for all. Loading and long counts share the executor.
    """

    def __init__(self, root: Path, executor: Callable[[], Executor]) -> None:
        self._root = root
        self._executor = executor
        self._made: Executor | None = None
        self._counters: dict[str, Counter] = {}
        self._loading: dict[str, asyncio.Future[Tokenizing | Unusable | None]] = {}

    @property
    def executor(self) -> Executor:
        """Where long counts are made."""
        if self._made is None:
            self._made = self._executor()
        return self._made

    def serve(self, models: Iterable[Model]) -> None:
        """Begins to load what these models need and forgets what they do not; called in the event loop."""
        needed = {file.digest: model for model in models if (file := model.served.tokenizer) is not None}
        for gone in self._counters.keys() - needed:
            del self._counters[gone]
        for digest, model in needed.items():
            if self._counters.get(digest, ESTIMATING) is ESTIMATING and digest not in self._loading:
                loading = asyncio.get_running_loop().run_in_executor(self.executor, _loaded, self._root, model)
                self._loading[digest] = loading
                loading.add_done_callback(partial(self._take, digest))

    def _take(self, digest: str, done: asyncio.Future[Tokenizing | Unusable | None]) -> None:
        self._loading.pop(digest, None)
        if done.cancelled():
            return
        found = done.result()
        if isinstance(found, Unusable):
            log.warning("tokenizer_unusable", extra={"fields": {"model": found.model, "detail": str(found)}})
            self._counters[digest] = ESTIMATING
        elif found is not None:
            self._counters[digest] = found

    async def ready(self) -> None:
        """Waits until every tokenizer has been loaded, or could not be."""
        while self._loading:
            await asyncio.wait(tuple(self._loading.values()))
            await asyncio.sleep(0)

    def counter(self, model: Model) -> Counter:
        """Who counts the tokens of a model now."""
        file = model.served.tokenizer
        return ESTIMATING if file is None else self._counters.get(file.digest, ESTIMATING)

    def __repr__(self) -> str:
        names = sorted(name[:12] for name in self._counters)
        return f"Tokenizers({', '.join(names) or 'none'}; {len(self._loading)} loading)"
