"""A name for a task, from what is known of its calls."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Final

LONGEST: Final = 40
MOST_WORDS: Final = 3
WORD: Final = re.compile(r"[a-z0-9]+")
COMMON: Final = (
    "a an and all always any are as assistant assistants at be been by can expert following for from given have "
    "helpful i in into is it its me model must never not of on only or our please should system task tasks that the "
    "their them these they this to us user users very we will with you your ai bot language large who which answer "
    "answers question questions respond response reply"
)
PASSED_OVER: Final = frozenset(COMMON.split())
"""Words that begin many prompts and tell none apart."""


def task_name(system_prompt: str, keys: Mapping[str, int], asked: Mapping[str, int], taken: Collection[str]) -> str:
    """A name that no task or model has: of the prompt's first telling words, else of the key, else of the model."""
    for found in _candidates(system_prompt, keys, asked):
        if found:
            return _free(found, taken)
    return _free("undeclared", taken)


def _candidates(system_prompt: str, keys: Mapping[str, int], asked: Mapping[str, int]) -> Iterator[str]:
    words = [word for word in WORD.findall(_ascii(system_prompt[:1000])) if word not in PASSED_OVER and len(word) > 1]
    yield _cut("-".join(words[:MOST_WORDS]))
    for counted in (keys, asked):
        yield _cut("-".join(WORD.findall(_ascii(_commonest(counted)))))


def _commonest(counted: Mapping[str, int]) -> str:
    return min(counted, key=lambda name: (-counted[name], name), default="")


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _cut(name: str) -> str:
    return name[:LONGEST].strip("-")


def _free(name: str, taken: Collection[str]) -> str:
    if name not in taken:
        return name
    return next(numbered for number in range(2, len(taken) + 3) if (numbered := f"{name}-{number}") not in taken)
