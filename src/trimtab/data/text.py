"""The words of a text and of a row: what is left when case, spacing and punctuation no longer matter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

WORD: Final = re.compile(r"[^\W_]+")
APOSTROPHES: Final = str.maketrans("", "", "'\u2019`")
IN_NUMBERS: Final = re.compile(r"(?<=\d)[,.](?=\d)")
UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Scripts without spaces between words (Thai, Lao, Burmese, Khmer, Kana, Han): there a word is two characters."""


def words(text: str) -> list[str]:
    """The words of a text in their order: letters and digits, folded (NFKC, case), a number's own marks left out."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = WORD.findall(IN_NUMBERS.sub("", text.casefold().translate(APOSTROPHES)))
    if not text.isascii() and UNSPACED.search(text):
        return [part for word in found for part in _parts(word)]
    return found


def _parts(word: str) -> list[str]:
    if len(word) < 3 or not UNSPACED.search(word):
        return [word]
    return [word[at : at + 2] for at in range(len(word) - 1)]


def row_words(value: Any) -> list[str]:
    """The words of every text and number in a JSON value; the keys of objects do not count."""
    return words("\n".join(texts(value)))


def texts(value: Any) -> Iterator[str]:
    """The texts in a JSON value in their order, numbers as they are written; truth and null as words."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif value is not None:
        yield str(value)
