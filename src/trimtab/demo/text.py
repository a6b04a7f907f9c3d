"""Text to tokens and back: the tokenizer, and the text of an answer as it grows."""

from __future__ import annotations

import codecs
from pathlib import Path

from tokenizers import Tokenizer


class Vocabulary:
    """A byte-level BPE tokenizer; every token stands for some bytes, not always whole characters."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        byte_of = {letter: value for value, letter in _letters().items()}
        added = tokenizer.get_added_tokens_decoder()
        self._bytes = [
            added[token].content.encode()
            if token in added
            else bytes(byte_of[letter] for letter in _word(tokenizer, token))
            for token in range(tokenizer.get_vocab_size())
        ]
        self.special_ids = frozenset(token for token, entry in added.items() if entry.special)
        self.longest_bytes = max(map(len, self._bytes))

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """The tokenizer of a model directory."""
        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))

    def __len__(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text; the names of special tokens in it become those tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def bytes_of(self, token: int) -> bytes:
        """The bytes a token stands for; a special token's are its name."""
        return self._bytes[token]


class GrowingText:
    """An answer's text, token by token, cut at the first stop string.

    Nothing is given out that later bytes could change: half a character waits for its rest, and what might be the
    beginning of a stop string waits until it is one or is not.
    """

    def __init__(self, stops: tuple[str, ...] = (), include_stop: bool = False) -> None:
        self._stops = stops
        self._include_stop = include_stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def add(self, data: bytes, may_stop: bool = True) -> tuple[str, bool]:
        """The text that has become certain, and whether a stop string ended it (looked for only if it may)."""
        self._held += self._decoder.decode(data)
        if not may_stop:
            return self._release(len(self._held)), False
        found = [(self._held.index(stop), stop) for stop in self._stops if stop in self._held]
        if found:
            place, stop = min(found)
            return self._held[: place + len(stop) * self._include_stop], True
        return self._release(len(self._held) - self._suspected()), False

    def rest(self) -> str:
        """What was still held back, when the answer ends for another reason; half a character becomes U+FFFD."""
        return self._held + self._decoder.decode(b"", final=True)

    def _suspected(self) -> int:
        """How many of the last characters may begin a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        sizes = range(min(longest, len(self._held)), 0, -1)
        return next((size for size in sizes if any(stop.startswith(self._held[-size:]) for stop in self._stops)), 0)

    def _release(self, count: int) -> str:
        released, self._held = self._held[:count], self._held[count:]
        return released


def _word(tokenizer: Tokenizer, token: int) -> str:
    word: str | None = tokenizer.id_to_token(token)
    if word is None:
        raise ValueError(f"the tokenizer has no token {token} of {tokenizer.get_vocab_size()}")
    return word


def _letters() -> dict[int, str]:
    """The printable letter that byte-level BPE writes for each byte (Radford et al. 2019, GPT-2's encoder)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [value for value in range(256) if value not in printable]
    return {value: chr(value) for value in printable} | {value: chr(256 + n) for n, value in enumerate(others)}
