"""How many tokens a text has, where no tokenizer is at hand: an estimate from the kinds of its characters.

The weights are rounded from a fit to five vocabularies in use (two of OpenAI's, and those of Mistral, Qwen and an older
Claude) on prose, code, markup, data and 19 languages; docs/context.md tells how far it is off.
"""

from __future__ import annotations

import re
from math import ceil
from typing import Final

MAX_READ: Final = 64 << 10
"""Characters that are looked at; of a longer text, pieces from its beginning, its middle and its end."""
PIECES: Final = 4
KINDS: Final = (
    (re.compile(r"[A-Z]*[a-z]+|[A-Z]+"), 0.8, 0.1),
    (re.compile(r"[0-9]+"), 0.0, 0.9),
    (re.compile(r"[!-/:-@\[-`{-~]+"), 0.8, 0.1),
    (re.compile(r"\s{2,}|[\n\t]"), 0.1, 0.0),
)
"""Runs of characters by kind: tokens for each run, and for each character of it. Single blanks cost nothing."""
SCRIPTS: Final = (
    (re.compile("[\u0080-\u036f\u1e00-\u1eff]"), 0.7),
    (re.compile("[\u0370-\u058f]"), 0.6),
    (re.compile("[\u0590-\u08ff]"), 0.8),
    (re.compile("[\u0900-\u1dff]"), 1.0),
    (re.compile("[\u2000-\u2e7f]"), 0.5),
    (re.compile("[\u2e80-\uffff]"), 0.9),
    (re.compile("[\U00010000-\U0010ffff]"), 2.0),
)
"""Letters with marks; Greek and Cyrillic; Hebrew and Arabic; scripts of India, Thai, Georgian; signs; Chinese, Japanese
and Korean; emoji: tokens for each character."""


def estimate(text: str) -> int:
    """About how many tokens a text is; of none 0, of any other at least 1."""
    size = len(text)
    if size <= MAX_READ:
        return ceil(_tokens(text))
    piece = MAX_READ // PIECES
    starts = [(size - piece) * number // (PIECES - 1) for number in range(PIECES)]
    return ceil(sum(_tokens(text[start : start + piece]) for start in starts) * size / (piece * PIECES))


def _tokens(text: str) -> float:
    tokens = 0.0
    for pattern, a_run, a_character in KINDS:
        runs = pattern.findall(text)
        if runs:
            tokens += a_run * len(runs) + (a_character * sum(map(len, runs)) if a_character else 0.0)
    if not text.isascii():
        tokens += sum(weight * len(pattern.findall(text)) for pattern, weight in SCRIPTS)
    return tokens if tokens or not text else 1.0
