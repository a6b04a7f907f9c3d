"""Counting tokens: by a tokenizer of the project, by estimate, and what happens when a tokenizer cannot be used."""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.gateway.harness import RunningGateway
from tests.gateway.test_context import chat, message, policy, window
from trimtab.declare.project import Context, FileDigest, Model, Served
from trimtab.gateway.context import tokens
from trimtab.gateway.context import window as request_window
from trimtab.gateway.context.estimate import MAX_READ, estimate
from trimtab.gateway.context.strategies import Item
from trimtab.gateway.context.tokens import ESTIMATING, Count, Tokenizers, Tokenizing, why_unusable
from trimtab.gateway.context.window import Known, Remembered, ranges
from trimtab.record.events import ContextUse
from trimtab.testing import ScriptedUpstream, chat_json

WORDS = {
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"?": 0, "a": 1}, "unk_token": "?"},
}
"""A tokenizer of the library's format that makes a token of each word, and would cut its texts to five."""


def written(root: Path, content: bytes, name: str = "tokenizer.json") -> FileDigest:
    (root / name).write_bytes(content)
    return FileDigest(name, hashlib.sha256(content).hexdigest())


def model(file: FileDigest | None) -> Model:
    return Model("small", "served-small", ("http://127.0.0.1:1",), served=Served(tokenizer=file))


def tokenizers(root: Path) -> Tokenizers:
    return Tokenizers(root, partial(ThreadPoolExecutor, 1))


async def test_by_the_models_own_tokenizer(tmp_path: Path) -> None:
    """Where the model's tokenizer is declared it counts, and the record says that it did."""
    file = written(tmp_path, json.dumps(WORDS).encode())
    talk = [message("user", "a b c d e f g h i j"), message("assistant", "a b"), message("user", "a b c")]
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        made = policy(upstream.url, window(max_input_tokens=21))
        made = replace(made, models={"small": replace(made.models["small"], served=Served(tokenizer=file))})
        async with RunningGateway(tmp_path, made) as gateway:
            await gateway.tokenizers.ready()
            assert (await gateway.post(chat(*talk))).status == 200
            assert (await gateway.post(chat(*talk[1:]))).status == 200
            events = await gateway.events()
    used = [settled.admitted.context for settled in events.settled]
    shared: dict[str, Any] = {"strategy": "keep_system_and_recent", "digest": "c" * 64, "counted": "tokenizer"}
    assert used == [
        ContextUse(messages=3, dropped=2, tokens=12, dropped_tokens=22, kept=(2, 3), **shared),
        ContextUse(messages=2, tokens=19, **shared),
    ]


async def test_until_it_is_there(tmp_path: Path) -> None:
    """A tokenizer is loaded apart when a snapshot comes into force; until then tokens are estimated."""
    file = written(tmp_path, json.dumps(WORDS).encode())
    kept = tokenizers(tmp_path)
    kept.serve([model(file)])
    assert kept.counter(model(file)) is ESTIMATING
    await kept.ready()
    counter = kept.counter(model(file))
    assert counter.name == file.digest
    assert counter.count(["a b c d e f g", "a"]) == (8, True)
    kept.serve([model(file)])
    assert kept.counter(model(file)) is counter
    kept.serve([model(None)])
    assert kept.counter(model(file)) is ESTIMATING
    assert repr(kept) == "Tokenizers(none; 0 loading)"


@pytest.mark.parametrize(
    ("content", "detail"),
    [(b"{}", "is no tokenizer.json"), (b"\xff", "is no tokenizer.json"), (None, "No such file")],
    ids=["empty", "no text", "gone"],
)
async def test_one_that_cannot_be_used(
    tmp_path: Path, content: bytes | None, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log with its model and file, and tokens are estimated."""
    file = written(tmp_path, content or b"")
    if content is None:
        (tmp_path / "tokenizer.json").unlink()
    kept = tokenizers(tmp_path)
    with caplog.at_level(logging.WARNING, "trimtab.gateway"):
        kept.serve([model(file)])
        await kept.ready()
    assert kept.counter(model(file)) is ESTIMATING
    [record] = caplog.records
    told = str(why_unusable(tmp_path, model(file)))
    assert "models.small.served.tokenizer: tokenizer.json cannot be used" in told
    assert detail in told
    assert record.message == "tokenizer_unusable"
    assert record.__dict__["fields"] == {"model": "small", "detail": told}


async def test_one_that_is_mended(tmp_path: Path) -> None:
    """A file that is put right is loaded with the next snapshot."""
    file = written(tmp_path, json.dumps(WORDS).encode())
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    kept = tokenizers(tmp_path)
    kept.serve([model(file)])
    await kept.ready()
    assert kept.counter(model(file)) is ESTIMATING
    assert "has changed since" in str(why_unusable(tmp_path, model(file)))
    written(tmp_path, json.dumps(WORDS).encode())
    kept.serve([model(file)])
    await kept.ready()
    assert kept.counter(model(file)).name == file.digest
    assert why_unusable(tmp_path, model(file)) is None
    assert why_unusable(tmp_path, model(None)) is None


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be installed is told."""
    file = written(tmp_path, json.dumps(WORDS).encode())
    really = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return really(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert 'pip install "trimtab[tokens]"' in str(why_unusable(tmp_path, model(file)))


def test_a_text_beyond_all_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a text that is too long its beginning is counted, and the rest taken to be like it."""
    monkeypatch.setattr(tokens, "MAX_TOKENIZED", 100)
    counter = tokens.load(tmp_path, written(tmp_path, json.dumps(WORDS).encode()))
    assert isinstance(counter, Tokenizing)
    assert counter.count(["a " * 50, "a " * 500]) == (50 + 500, False)


def test_a_library_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Where it fails on a text, even by a panic, which is no ordinary exception, the text is estimated."""

    class PanicError(BaseException):
        """As the library's own runtime raises it."""

    class Panicking:
        def encode_batch_fast(self, texts: list[str], *, add_special_tokens: bool) -> list[str]:
            raise PanicError("index out of bounds")

    assert Tokenizing("d" * 64, Panicking()).count(["Hello, world!"]) == (5, False)
    [record] = caplog.records
    assert record.message == "tokenizer_failed"


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("", 0),
        (" ", 1),
        ("Hello, world!", 5),  # two words of five letters, two signs: 2 * 1.3 + 2 * 0.9
        ("getUserName", 4),  # three words: 2.4, and eleven letters: 1.1
        ("12345678", 8),
        ("日本語", 3),
        ("привет", 4),
    ],
)
def test_estimates(text: str, about: int) -> None:
    """What the weights make of a text."""
    assert estimate(text) == about


@given(st.text(max_size=300))
def test_any_text_is_estimated(text: str) -> None:
    """Any text is 1 token or more, and no more than two a character; what is longer is no less."""
    found = estimate(text)
    assert bool(text) == bool(found)
    assert found <= 2 * len(text) + 1
    assert estimate(text + text) >= found


def test_a_long_text_is_estimated_from_pieces() -> None:
    """A text over the bound is estimated from pieces of it: in time that does not grow, and about right."""
    text = "abcde " * (MAX_READ // 6)
    assert estimate(text * 20) == pytest.approx(20 * estimate(text), rel=0.01)


def test_what_is_remembered_is_bounded() -> None:
    """Two generations are kept; what is met again outlives the older one."""
    kept, known = Remembered(2), Known(Item("user", 1), exact=True)
    for name in (b"1", b"2", b"3"):
        kept.put(name, known)
    assert kept.get(b"1") == known  # of the older generation, and so in the younger again
    kept.put(b"4", known)
    assert [bool(kept.get(name)) for name in (b"1", b"3", b"2")] == [True, True, False]
    assert repr(kept) == "Remembered(1 messages, and 2 older)"


def test_ranges() -> None:
    """Places as the beginnings and ends of ranges."""
    assert ranges(()) == ()
    assert ranges((0, 1, 2)) == (0, 3)
    assert ranges((0, 2, 3, 7)) == (0, 1, 2, 4, 7, 8)


async def test_what_was_counted_is_not_counted_again(tmp_path: Path) -> None:
    """A history that comes again is neither read nor counted again, whoever sends it."""
    counted: list[str] = []

    class Noting:
        name = "noting"
        at_once_bytes = 1 << 20

        def count(self, texts: Any) -> Count:
            counted.extend(texts)
            return Count(len(texts), exact=False)

    class NotingTokenizers(Tokenizers):
        def counter(self, model: Model) -> Any:
            return Noting()

    talk = [message("user", "one"), message("assistant", "two"), message("user", "three"), message("user", "four")]
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        gateway = RunningGateway(tmp_path, policy(upstream.url, Context(max_input_tokens=1000)))
        gateway.tokenizers = NotingTokenizers(tmp_path, partial(ThreadPoolExecutor, 1))
        async with gateway:
            await gateway.post(chat(*talk[:3]))
            await gateway.post(chat(*talk))
    assert counted == ["one", "two", "three", "four"]


async def test_more_than_a_tokenizer_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a request with too much text the rest is estimated, and the record does not claim that it was counted."""
    monkeypatch.setattr(request_window, "MAX_COUNTED_BYTES", 200)
    file = written(tmp_path, json.dumps(WORDS).encode())
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        made = policy(upstream.url, Context(max_input_tokens=1000))
        made = replace(made, models={"small": replace(made.models["small"], served=Served(tokenizer=file))})
        async with RunningGateway(tmp_path, made) as gateway:
            await gateway.tokenizers.ready()
            await gateway.post(chat(message("user", "a b c"), message("user", "abcde abcde " * 20)))
            [settled] = (await gateway.events()).settled
    # five around each message and four around both; three words; forty words at 1.3 by estimate
    assert settled.admitted.context == ContextUse("full", "c" * 64, messages=2, tokens=14 + 3 + 52)
