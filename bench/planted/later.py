"""Families and edits made after the order of words had come to count because of `fresh`: nothing was changed since."""

from __future__ import annotations

import random

from bench.planted.edits import SENTENCES
from bench.planted.families import FUNCTION, Family, Row, lexicon, prose_of, sentence, slots, some_words
from bench.repetition.words import NAMES, PLACES, STATES, THINGS

CLAUSE = (
    "This agreement is made on {date} between {name} of {place} and the company, number {number}. The company lends "
    "the {item} to the borrower for {small} days at a fee of {amount} euros. The borrower keeps it in good order, does "
    "not lend it to others, and brings it back on the last day at the latest. If it is lost or broken the borrower "
    "pays what it costs to buy a new one of the same kind. Each side may end this in writing at any time, and fees for "
    "days that were paid ahead are then given back. What is not said here follows the law of the place. "
)


def survey(draw: random.Random) -> Row:
    """Many fields of one word, and a sentence."""
    fields = {f"q{number}": draw.choice(("yes", "no", "maybe", "often", "never")) for number in range(1, 13)}
    return {"inputs": {**fields, "city": draw.choice(PLACES), "comment": sentence(draw, 10, 18)}}


def message(draw: random.Random) -> Row:
    """A short message without capitals or points."""
    return {"inputs": {"sms": " ".join(some_words(draw, draw.randint(13, 22)))}, "expected": draw.choice(STATES)}


def agreement(draw: random.Random) -> Row:
    """A long form, of which little is filled in."""
    return {"inputs": {"text": CLAUSE.format_map(slots(draw)) + sentence(draw)}}


def snippet(draw: random.Random) -> Row:
    """A function in Python and what is asked about it."""
    names = [draw.choice(lexicon()[0][len(FUNCTION) :]) for _ in range(6)]
    body = "\n".join(
        f"    {names[at]} = {names[at + 1]}.get('{draw.choice(THINGS)}', {draw.randint(0, 999)})" for at in (1, 2, 3)
    )
    return {
        "inputs": {"code": f"def {names[0]}({names[1]}):\n{body}\n    return {names[5]}", "task": sentence(draw, 6, 10)}
    }


def review_thread(draw: random.Random) -> Row:
    """Several people about one thing."""
    parts = [f"{draw.choice(NAMES)}: {prose_of(draw, 1, 2)}" for _ in range(draw.randint(2, 4))]
    return {"inputs": {"thread": "\n".join(parts), "about": draw.choice(THINGS)}}


def signed(draw: random.Random, text: str) -> str:
    """With somebody's name under it."""
    return f"{text}\n\n--\n{draw.choice(NAMES)} {draw.choice(NAMES)}, {draw.choice(PLACES)}"


def doubled(draw: random.Random, text: str) -> str:
    """Twice."""
    return f"{text}\n{text}"


def subject(draw: random.Random, text: str) -> str:
    """With a line above it, as mail has."""
    return f"Re: your message {' '.join(some_words(draw, 2))}\n{text}"


def shortened(draw: random.Random, text: str) -> str:
    """Frequent words in fewer letters."""
    short = {
        "you": "u",
        "are": "r",
        "and": "n",
        "for": "4",
        "to": "2",
        "with": "w",
        "that": "tht",
        "have": "hv",
        "the": "th",
    }
    return " ".join(short.get(word, word) for word in text.split(" "))


def without_one(draw: random.Random, text: str) -> str:
    """Without one of five sentences or more."""
    parts = SENTENCES.split(text)
    if len(parts) >= 5:
        del parts[draw.randrange(len(parts))]
    return " ".join(parts)


FAMILIES: dict[str, Family] = {
    "survey": survey,
    "message": message,
    "agreement": agreement,
    "snippet": snippet,
    "review_thread": review_thread,
}
EDITS = {"signed": signed, "doubled": doubled, "subject": subject, "shortened": shortened, "without_one": without_one}
