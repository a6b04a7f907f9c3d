"""Families and edits made when every parameter had been chosen; the order of words counts because of them."""

from __future__ import annotations

import random
import re

from bench.planted.families import Family, Row, lexicon, prose_of, sentence, slots, some_words
from bench.repetition.words import ARABIC, KOREAN, NAMES, STATES, THINGS


def basket(draw: random.Random) -> Row:
    """An order as nested fields and lists."""
    lines = [
        {
            "sku": f"{draw.choice(THINGS)}-{draw.randint(100, 99_999)}",
            "count": draw.randint(1, 9),
            "price": draw.uniform(1, 900),
        }
        for _ in range(draw.randint(2, 5))
    ]
    found = slots(draw)
    return {
        "inputs": {"customer": {"name": found["name"], "city": found["place"]}, "lines": lines, "note": sentence(draw)}
    }


def trace(draw: random.Random) -> Row:
    """A traceback: the same frames in all of them, another error at another place."""
    names = [draw.choice(lexicon()[0][200:]) for _ in range(3)]
    frames = "".join(f'  File "app/{name}.py", line {draw.randint(3, 900)}, in {name}\n' for name in names)
    return {"inputs": {"log": f"Traceback (most recent call last):\n{frames}ValueError: {sentence(draw, 5, 9)}"}}


def translate(draw: random.Random) -> Row:
    """An instruction that is the same in all rows, with a sentence to work on."""
    shape = "Translate the following sentence into plain English and keep the names as they are: "
    return {"inputs": {"prompt": shape + sentence(draw, 9, 20)}, "expected": draw.choice(STATES)}


def article(draw: random.Random) -> Row:
    """Markdown with headings and a list."""
    items = "\n".join(f"- {' '.join(some_words(draw, draw.randint(3, 7)))}" for _ in range(draw.randint(2, 4)))
    return {"inputs": {"text": f"# {' '.join(some_words(draw, 4))}\n\n{prose_of(draw, 2, 5)}\n\n## Steps\n\n{items}"}}


def other_letters(draw: random.Random) -> Row:
    """Text in Korean or Arabic."""
    words = draw.choice((KOREAN, ARABIC))
    parts = [" ".join(draw.choices(words, k=draw.randint(8, 14))) + "." for _ in range(draw.randint(2, 4))]
    return {"inputs": {"text": " ".join(parts)}}


def quoted(draw: random.Random, text: str) -> str:
    """As a reply quotes it."""
    return f"On Monday {draw.choice(NAMES)} wrote:\n" + "\n".join(f"> {line}" for line in text.split("\n"))


def marked_up(draw: random.Random, text: str) -> str:
    """With tags of HTML around it and in it."""
    return f"<p>{re.sub(r' ', lambda _: draw.choice((' ', ' ', ' ', '<br> ', '&nbsp;')), text)}</p>"


def emphasised(draw: random.Random, text: str) -> str:
    """Words in asterisks and underscores."""
    return " ".join(f"**{word}**" if draw.random() < 0.15 else word for word in text.split(" "))


def wrapped(draw: random.Random, text: str) -> str:
    """Broken into lines of some width."""
    width, lines = draw.randint(30, 70), [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(lines)


def moved(draw: random.Random, text: str) -> str:
    """Two words exchanged with their neighbours."""
    words = text.split(" ")
    for _ in range(2):
        at = draw.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


FAMILIES: dict[str, Family] = {
    "basket": basket,
    "trace": trace,
    "translate": translate,
    "article": article,
    "other_letters": other_letters,
}
EDITS = {"quoted": quoted, "marked_up": marked_up, "emphasised": emphasised, "wrapped": wrapped, "moved": moved}
