"""The scorer of citations: which of the sources that should be cited an answer names or quotes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from trimtab.declare.evaluating import Scorer
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.marking import Unscorable, expected, said, text_of

QUOTED_WORDS: Final = 8
"""So many words of a source in a row are a quotation of it."""
MOST_SOURCES: Final = 256
MOST_WORDS: Final = 50_000
"""Of a source, and of an answer, that are looked at for quotations."""
WORD: Final = re.compile(r"\w+")


class Source(Struct, frozen=True):
    """What should be cited: by its id, or by a passage of its text."""

    id: str
    text: str = ""


class Cites:
    """The share of the expected sources that are cited; where a field holds a list of ids, of those and what is cited.

    A source is cited where its id stands in the answer, not as part of a longer word, or where eight words in a row of
    its text do (all of them, if it has fewer), whatever their case and punctuation.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        sources = _sources(expected(case, self._scorer) if self._scorer.expected else _whole(case))
        found = said(answer, self._scorer.field)
        if isinstance(found, list):
            given = {text_of(one) for one in found}
            wanted = {one.id for one in sources}
            return len(given & wanted) / len(given | wanted)
        text = unicodedata.normalize("NFKC", text_of(found))
        words = _words(text)
        known = _runs(words)
        return sum(_named(one.id, text) or _quoted(one.text, words, known) for one in sources) / len(sources)


def _whole(case: Case) -> Any:
    if case.expected is None:
        raise Unscorable("the case names no sources")
    return case.expected


def _sources(value: Any) -> list[Source]:
    values = value if isinstance(value, list) else [value]
    found = [_source(one) for one in values[:MOST_SOURCES]]
    if not found:
        raise Unscorable("the case names no sources")
    return found


def _source(value: Any) -> Source:
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        return Source(str(value))
    if isinstance(value, dict):
        name, text = value.get("id", ""), value.get("text", "")
        if isinstance(name, str | int) and isinstance(text, str) and (str(name) or text):
            return Source(str(name), text)
    raise Unscorable('the case names no sources: write their ids, or {"id": ..., "text": ...}')


def _named(name: str, text: str) -> bool:
    plain = unicodedata.normalize("NFKC", name)
    return bool(plain) and re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", text) is not None


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())[:MOST_WORDS]


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return set(zip(*(words[at:] for at in range(QUOTED_WORDS)), strict=False))


def _quoted(passage: str, words: Sequence[str], runs: set[tuple[str, ...]]) -> bool:
    source = _words(passage)
    if len(source) >= QUOTED_WORDS:
        return not runs.isdisjoint(_runs(source))
    return bool(source) and f" {' '.join(source)} " in f" {' '.join(words)} "
