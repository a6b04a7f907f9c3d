"""Edits that leave a row the same case. Names, numbers and things of a form are never changed."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable

from bench.planted.families import Row, some_words
from bench.repetition.words import NAMES, PLACES, STATES, THINGS

Edit = Callable[[random.Random, str], str]
FIXED = {word.lower() for word in (*NAMES, *PLACES, *THINGS, *STATES)}
FEW = 0.1
SENTENCES = re.compile(r"(?<=[.?!。])\s+")


def spacing(draw: random.Random, text: str) -> str:
    """Other white space."""
    return re.sub(r" ", lambda _: draw.choice((" ", "  ", "\n", "\t", " ")), f" {text}\n")


def case(draw: random.Random, text: str) -> str:
    """Other case."""
    return draw.choice((text.upper(), text.lower(), text.title()))


def punctuation(draw: random.Random, text: str) -> str:
    """Other punctuation between words."""
    found = re.sub(r"[.,;:?!](?=\s|$)", lambda mark: draw.choice(("", mark[0], "!", " -", ";")), text)
    return f'"{found}"' if draw.random() < 0.5 else found


def _places(draw: random.Random, words: list[str]) -> list[int]:
    """One to a tenth of the words that are not a slot's."""
    free = [at for at, word in enumerate(words) if len(word) > 2 and word.isalpha() and word.lower() not in FIXED]
    return draw.sample(free, min(len(free), draw.randint(1, max(1, round(FEW * len(words))))))


def replaced(draw: random.Random, text: str) -> str:
    """A few words replaced by others."""
    words = text.split(" ")
    for at in _places(draw, words):
        words[at] = some_words(draw, 1)[0]
    return " ".join(words)


def dropped(draw: random.Random, text: str) -> str:
    """A few words left out."""
    words = text.split(" ")
    gone = set(_places(draw, words))
    return " ".join(word for at, word in enumerate(words) if at not in gone)


def inserted(draw: random.Random, text: str) -> str:
    """A few words put in."""
    words = text.split(" ")
    for at in sorted(_places(draw, words), reverse=True):
        words.insert(at, some_words(draw, 1)[0])
    return " ".join(words)


def reordered(draw: random.Random, text: str) -> str:
    """The sentences or lines in another order."""
    parts = text.split("\n") if "\n" in text else SENTENCES.split(text)
    return ("\n" if "\n" in text else " ").join(draw.sample(parts, len(parts)))


def typos(draw: random.Random, text: str) -> str:
    """A few words misspelt."""
    words = text.split(" ")
    for at in _places(draw, words):
        word, place = words[at], draw.randrange(len(words[at]) - 1)
        swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        words[at] = draw.choice((swapped, word[:place] + word[place + 1 :], word[:place] + word[place] + word[place:]))
    return " ".join(words)


def courtesy(draw: random.Random, text: str) -> str:
    """A greeting before, thanks behind."""
    before, behind = draw.choice(("Hi there,", "Hello!", "Good morning,")), draw.choice(("Thanks!", "Many thanks."))
    return f"{before} {text} {behind}"


def letterforms(draw: random.Random, text: str) -> str:
    """Other code points for the same letters: no-break spaces, full-width letters."""
    wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} if draw.random() < 0.5 else {}
    return text.translate(wide).replace(" ", draw.choice((" ", "\u00a0")))


def several(draw: random.Random, text: str) -> str:
    """Case, spacing, punctuation, and a word or two."""
    return spacing(draw, case(draw, punctuation(draw, replaced(draw, text))))


def fields(draw: random.Random, row: Row) -> Row:
    """Fields in another order, under other names, one level deeper."""
    found = copy.deepcopy(row)
    given = found.get("inputs")
    if isinstance(given, dict):
        names = list(given)
        draw.shuffle(names)
        given = {f"the_{name}" if draw.random() < 0.5 else name: given[name] for name in names}
        found["inputs"] = {"request": given} if draw.random() < 0.5 else given
    return found


def aside(draw: random.Random, row: Row) -> Row:
    """Another id, tags and note."""
    return {**row, "id": str(draw.random()), "tags": [draw.choice(STATES)], "note": " ".join(some_words(draw, 5))}


TEXT: dict[str, Edit] = {
    "spacing": spacing,
    "punctuation": punctuation,
    "replaced": replaced,
    "reordered": reordered,
    "typos": typos,
    "letterforms": letterforms,
    "case": case,
    "dropped": dropped,
    "inserted": inserted,
    "courtesy": courtesy,
    "several": several,
}
WHOLE: dict[str, Callable[[random.Random, Row], Row]] = {"fields": fields, "aside": aside}
TUNING = ("spacing", "replaced", "reordered", "typos", "fields", "inserted")
HELD_OUT = ("case", "punctuation", "dropped", "courtesy", "letterforms", "several", "aside")
SHORT = 12
GENTLE = ("spacing", "punctuation", "case", "letterforms", "fields", "aside", "emphasised", "wrapped", "doubled")
"""What leaves a text of fewer than `SHORT` words the same."""


def edited(draw: random.Random, row: Row, kind: str, edit: Edit | None = None) -> Row:
    """The row after an edit of a kind, or the one given; of texts the longest is edited."""
    if kind in WHOLE:
        return WHOLE[kind](draw, row)
    edit = edit or TEXT[kind]
    found = copy.deepcopy(row)
    if "messages" in found:
        longest = max((one for one in found["messages"] if one["role"] == "user"), key=lambda one: len(one["content"]))
        longest["content"] = edit(draw, longest["content"])
        return found
    given = found["inputs"]
    name = max((key for key in given if isinstance(given[key], str)), key=lambda key: len(given[key]))
    given[name] = edit(draw, given[name])
    return found


def words_of(row: Row) -> int:
    """How many words the text has that is edited."""
    if "messages" in row:
        return max(len(one["content"].split()) for one in row["messages"] if one["role"] == "user")
    return max(len(value.split()) for value in row["inputs"].values() if isinstance(value, str))
