"""Families of rows that stand for themselves. Most fill in forms, so that different cases look much alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import Any

from bench.repetition.words import CHINESE, JAPANESE, NAMES, PLACES, RUSSIAN, STATES, THINGS

Row = dict[str, Any]
Family = Callable[[random.Random], Row]
FUNCTION = """the of and to a in that it is was i for on you he be with as by at have are this not but had his they from
she which or we an there her were one do been all their has would will what if can when so no about up my out who
""".split()  # noqa: SIM905  words read best as text
ONSETS = "b br c ch cl d dr f fl g gr h j k l m n p pl qu r s sh sl st t tr v w".split()  # noqa: SIM905
VOWELS = "a e i o u ai ea ou ee io".split()  # noqa: SIM905
CODAS = ["", "", "n", "r", "s", "t", "l", "nd", "ck", "m"]
LEXICON = 20_000
TICKETS = (
    "I ordered a {item} on {date} under the number {number} and it has still not arrived in {place}. Can you tell me "
    "where it is? My name is {name}.",
    "My {item} from order {number} came broken. I would like my {amount} euros back, please send them to the card that "
    "I paid with. {name}, {place}",
    "Please change the address of order {number} to {place} before it is sent. The {item} is a present for {name}, so "
    "it must not come here first.",
    "The invoice {number} says {amount} euros, but I only bought one {item} on {date}. Please correct it and send the "
    "right one to {name}.",
    "I cannot log in with the account of {name} any more since {date}, it says that the code {number} is wrong.",
)
LOGS = (
    "{date} worker-{small} failed after {small} attempts at host{small}.{place}: connection reset, job {number}",
    "{date} request {number} took {amount} ms, limit {small} s, user {name}, path /api/{item}/{number}",
)
OPENINGS = (
    "I bought this {item} for my flat in {place} and have used it for {small} weeks now.",
    "This is the {small}th {item} that {name} gave me, and I have to say something about it.",
    "Five stars for the {item}, which came to {place} within {small} days of ordering it.",
)


@cache
def lexicon() -> tuple[list[str], list[float]]:
    """Words that nobody uses, and their cumulated frequencies by Zipf's law with function words on top."""
    draw = random.Random("lexicon")
    made: dict[str, None] = {}
    while len(made) < LEXICON:
        syllables = range(draw.choice((1, 2, 2, 3)))
        made["".join(draw.choice(ONSETS) + draw.choice(VOWELS) + draw.choice(CODAS) for _ in syllables)] = None
    found = [*FUNCTION, *(word for word in made if word not in FUNCTION)]
    return found, list(accumulate(1 / (rank + 3) for rank in range(len(found))))


def some_words(draw: random.Random, count: int) -> list[str]:
    """So many words by their frequency."""
    found, frequencies = lexicon()
    return draw.choices(found, cum_weights=frequencies, k=count)


def sentence(draw: random.Random, least: int = 7, most: int = 18) -> str:
    """One sentence of words by their frequency."""
    text = " ".join(some_words(draw, draw.randint(least, most)))
    return text[0].upper() + text[1:] + draw.choice("....?!")


def prose_of(draw: random.Random, least: int, most: int) -> str:
    """A few sentences."""
    return " ".join(sentence(draw) for _ in range(draw.randint(least, most)))


def slots(draw: random.Random) -> dict[str, str]:
    """Something for each slot of a form."""
    return {
        "item": draw.choice(THINGS),
        "place": draw.choice(PLACES),
        "name": f"{draw.choice(NAMES)} {draw.choice(NAMES)}",
        "number": str(draw.randint(10_000, 9_999_999)),
        "small": str(draw.randint(2, 60)),
        "amount": f"{draw.uniform(3, 2000):.2f}",
        "date": f"2026-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
    }


def filled(draw: random.Random, forms: tuple[str, ...]) -> str:
    """One of the forms, filled in."""
    return draw.choice(forms).format_map(slots(draw))


def ticket(draw: random.Random) -> Row:
    """A support ticket: five forms for all of them."""
    return {"inputs": {"text": filled(draw, TICKETS)}, "expected": {"team": draw.choice(STATES)}}


def log(draw: random.Random) -> Row:
    """A line of a log: two forms, nearly all of it numbers."""
    return {"inputs": {"line": filled(draw, LOGS)}, "expected": draw.choice(STATES)}


def prose(draw: random.Random) -> Row:
    """Free text."""
    return {"inputs": {"text": prose_of(draw, 2, 6)}, "expected": draw.choice(STATES)}


def form(draw: random.Random) -> Row:
    """Fields, one of them a sentence."""
    found = slots(draw)
    fields = {key: found[key] for key in ("item", "place", "name", "number", "amount")}
    return {"id": draw.randint(1, 10**9), "inputs": {**fields, "reason": sentence(draw, 9, 16)}, "expected": "a"}


def small_form(draw: random.Random) -> Row:
    """A form that few rows fill in: one of 1,500 sentences with a name, a number and a thing put in."""
    shape = random.Random(f"small form {draw.randrange(1500)}")
    text = some_words(shape, shape.randint(14, 22))
    for at, slot in zip(shape.sample(range(len(text)), 3), ("{name}", "{number}", "{item}"), strict=True):
        text[at] = slot
    return {"inputs": {"text": " ".join(text).format_map(slots(draw)) + "."}}


def chat(draw: random.Random) -> Row:
    """A conversation under one system prompt."""
    return {
        "messages": [
            {"role": "system", "content": "Sort what customers write into one of four teams. Answer with its name."},
            {"role": "user", "content": prose_of(draw, 1, 3)},
            {"role": "assistant", "content": draw.choice(STATES)},
            {"role": "user", "content": prose_of(draw, 1, 2)},
        ],
        "expected": draw.choice(STATES),
    }


def review(draw: random.Random) -> Row:
    """A review: an opening of a form, then free text."""
    return {"inputs": {"review": f"{filled(draw, OPENINGS)} {prose_of(draw, 1, 3)}", "stars": draw.randint(1, 5)}}


def letter(draw: random.Random) -> Row:
    """A letter: much that stands in all of them around two sentences of its own."""
    found = slots(draw)
    body = prose_of(draw, 2, 2)
    return {
        "inputs": {
            "mail": f"Dear customer service,\n\nI hope that this message finds you well. {body}\n\nI am looking "
            f"forward to hearing from you soon. Kind regards,\n{found['name']}\n{found['place']}\n\nSent from my "
            "telephone. This message is confidential and meant for the person alone that it is addressed to."
        }
    }


def invoice(draw: random.Random) -> Row:
    """Lines of an invoice."""
    count = draw.randint(3, 6)
    lines = [f"{draw.randint(1, 9)} x {draw.choice(THINGS)} @ {draw.uniform(1, 300):.2f}" for _ in range(count)]
    found = slots(draw)
    return {"inputs": {"text": f"Invoice {found['number']} of {found['date']}, {found['name']}\n" + "\n".join(lines)}}


def question(draw: random.Random) -> Row:
    """A question of a form about something rare."""
    one, two = (draw.choice(lexicon()[0][2000:]) for _ in range(2))
    shape = draw.choice(("How do I reset the {} on my {}?", "What does the {} of a {} cost?", "Is {} better than {}?"))
    return {"inputs": {"question": shape.format(one, two)}, "expected": draw.choice(STATES)}


def other_script(draw: random.Random) -> Row:
    """Text in Russian, Chinese or Japanese."""
    words, joint, end = draw.choice(((RUSSIAN, " ", "."), (CHINESE, "", "。"), (JAPANESE, "", "。")))
    parts = [joint.join(draw.choices(words, k=draw.randint(8, 14))) + end for _ in range(draw.randint(2, 4))]
    return {"inputs": {"text": " ".join(parts)}}


def table(draw: random.Random) -> Row:
    """A few lines of a table with its head."""
    lines = []
    for _ in range(draw.randint(2, 5)):
        found = slots(draw)
        lines.append(",".join(found[key] for key in ("number", "name", "item", "amount", "date")))
    return {"inputs": {"csv": "number,name,item,amount,date\n" + "\n".join(lines)}}


TUNING: dict[str, Family] = {
    "ticket": ticket,
    "prose": prose,
    "form": form,
    "small_form": small_form,
    "chat": chat,
    "question": question,
}
HELD_OUT: dict[str, Family] = {
    "log": log,
    "review": review,
    "letter": letter,
    "invoice": invoice,
    "other_script": other_script,
    "table": table,
}
