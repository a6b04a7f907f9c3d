"""Long answers that fall into repetition, as models do: a start that makes sense, then loops or a few words for ever.

Each maker gives what comes after the start; `begun` puts the two together. The kinds are those of Holtzman et al.,
"The curious case of neural text degeneration" (ICLR 2020): exact loops of every period, loops with a part that drifts,
and text that hardly says anything new without being periodic.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from bench.repetition import words
from bench.repetition.words import ADJECTIVES, EMOJI, NAMES, NOUNS, PLACES, THINGS, VERBS, paragraph, sentence

LEAST_LOOP = 2_000
MOST_LOOP = 7_000
LEAST_TURNS = 12


def turns(draw: random.Random, unit: Callable[[int], str]) -> str:
    """Unit after unit: 2,000 to 7,000 characters and at least 12 units, cut anywhere, as a limit of tokens cuts."""
    wanted, said, length = draw.randint(LEAST_LOOP, MOST_LOOP), [], 0
    for number in count():
        said.append(unit(number))
        length += len(said[-1])
        if length >= wanted and number >= LEAST_TURNS:
            break
    return "".join(said)[: max(wanted, LEAST_TURNS * len(said[0]))]


def exact(draw: random.Random, unit: str) -> str:
    """The same unit for ever."""
    return turns(draw, lambda _: unit)


def phrase(draw: random.Random, least: int, most: int) -> str:
    """Some words of a sentence."""
    said = sentence(draw).lower().split()
    size = min(len(said), draw.randint(least, most))
    at = draw.randint(0, len(said) - size)
    return " ".join(said[at : at + size])


# Exact loops


def one_character(draw: random.Random) -> str:
    return exact(draw, draw.choice('aeoxzAH!?.,-=_*#0193\n \t哈。の😂\ufffd\u200b\\"}'))


def one_word(draw: random.Random) -> str:
    word = draw.choice([draw.choice(NOUNS), draw.choice(["the", "very", "I", "and", "no", "of", "is", "haha"])])
    return exact(draw, word + draw.choice([" ", "", ", ", "\n", ". ", "! "]))


def few_words(draw: random.Random) -> str:
    return exact(draw, phrase(draw, 2, 6) + draw.choice([" ", ", ", "\n", ". ", " and "]))


def one_sentence(draw: random.Random) -> str:
    return exact(draw, sentence(draw) + draw.choice([" ", "\n", "\n\n"]))


def one_paragraph(draw: random.Random) -> str:
    text = paragraph(draw, draw.randint(2, 5))
    return exact(draw, text[:400].rsplit(" ", 1)[0] + draw.choice([" ", "\n", "\n\n"]))


def bullet(draw: random.Random) -> str:
    return exact(draw, f"{draw.choice('-*•')} {draw.choice(['**', ''])}{phrase(draw, 2, 9)}\n")


def bullets_in_turn(draw: random.Random) -> str:
    several = [f"- {phrase(draw, 2, 7)}\n" for _ in range(draw.randint(2, 6))]
    return turns(draw, lambda number: several[number % len(several)])


def json_object(draw: random.Random) -> str:
    row = {
        "name": draw.choice(NAMES),
        "city": draw.choice(PLACES),
        "note": phrase(draw, 2, 12),
        "qty": draw.randint(1, 99),
    }
    indent = draw.choice([None, 2])
    return ("[" if draw.random() < 0.5 else "") + exact(
        draw, json.dumps(row, indent=indent) + (",\n" if indent else ", ")
    )


def json_string(draw: random.Random) -> str:
    inner = draw.choice(["\n", "\t", "\\n", '"', phrase(draw, 1, 5) + " ", sentence(draw) + "\n", "\u00e9 "])
    return '{"answer": ' + json.dumps(sentence(draw) + exact(draw, inner))


def json_keys(draw: random.Random) -> str:
    return '{"items": [' + exact(
        draw, draw.choice(['"",', '{"', "[[", "{}, ", "null, ", '"a", "b", ', "}]", '{"key": {"key": '])
    )


def code_line(draw: random.Random) -> str:
    form = draw.choice(
        ["    {a} = {a} + 1\n", "import {a}\n", "    print('{b}')\n", "        self.{a}.{c}({b})\n", "# {b} {a}\n"]
    )
    return exact(draw, form.format(a=draw.choice(NOUNS), b=draw.choice(THINGS), c=draw.choice(VERBS)))


def code_function(draw: random.Random) -> str:
    name, thing = draw.choice(NOUNS), draw.choice(THINGS)
    return exact(
        draw,
        f"def get_{name}(self, {thing}):\n    if {thing} is None:\n        return None\n"
        f"    return self.{name}[{thing}]\n\n",
    )


def other_script(draw: random.Random) -> str:
    vocabulary, glue, end = words.foreign(draw)
    return exact(draw, words.line(draw, vocabulary, draw.randint(1, 12), glue, draw.choice([end, glue])))


def emoji(draw: random.Random) -> str:
    return exact(draw, "".join(draw.choices(EMOJI, k=draw.randint(1, 5))) + draw.choice(["", " ", "\n"]))


def tag(draw: random.Random) -> str:
    unit = [
        "<br>",
        "</div>\n",
        "&nbsp;",
        "<td></td>",
        "</tool_call>",
        "<p></p>\n",
        "[/INST]",
        "<|im_end|>\n",
        "</think>\n",
    ]
    return exact(draw, draw.choice(unit))


def table_row(draw: random.Random) -> str:
    rows = [
        f"| {draw.choice(NAMES)} | {draw.choice(PLACES)} | {draw.randint(1, 99)} |\n",
        "| | | | |\n",
        "|---|---|---|\n",
        "|  ",
    ]
    return exact(draw, draw.choice(rows))


def digits(draw: random.Random) -> str:
    return draw.choice(["0.", "x = ", "["]) + exact(
        draw, draw.choice(["3", "142857", "0, ", "1, 1, 2, ", "0.0, ", "1000", "9\n", "5.00\n"])
    )


def path(draw: random.Random) -> str:
    first, second = draw.choice(NOUNS), draw.choice(NOUNS)
    return "https://example.org/" + exact(
        draw, draw.choice([f"{first}/", f"{first}/{second}/", "../", f"?{first}={second}&"])
    )


def tool_call(draw: random.Random) -> str:
    call = {
        "name": f"get_{draw.choice(NOUNS)}",
        "arguments": {"city": draw.choice(PLACES), "item": draw.choice(THINGS)},
    }
    return exact(draw, f"<tool_call>\n{json.dumps(call)}\n</tool_call>\n")


def dialogue(draw: random.Random) -> str:
    return exact(draw, f"User: {sentence(draw)}\nAssistant: {sentence(draw)}\n")


def loops_in_turn(draw: random.Random) -> str:
    """One loop, then another."""
    return "".join(exact(draw, phrase(draw, 1, 12) + " ") for _ in range(2))


# Loops with a part that drifts


def numbered(draw: random.Random) -> str:
    said, form = phrase(draw, 4, 10), draw.choice(["{n}. {s}\n", "{n}. **{s}**\n", "({n}) {s}\n", "{n}. {s}.\n\n"])
    return turns(draw, lambda number: form.format(n=number + 1, s=said))


def counted_sentence(draw: random.Random) -> str:
    said = phrase(draw, 6, 14)
    form = draw.choice(
        ["Step {n}: {s}. ", "Attempt {n} failed, so I will try again: {s}.\n", "This is iteration {n} and {s}. "]
    )
    return turns(draw, lambda number: form.format(n=number + 1, s=said))


def counted_object(draw: random.Random) -> str:
    said = sentence(draw)
    return turns(draw, lambda number: json.dumps({"id": number + 1, "answer": said, "state": "open"}) + ",\n")


def changing_word(draw: random.Random) -> str:
    said, pool = sentence(draw).split(), draw.sample(NOUNS, draw.randint(4, 12))
    said += sentence(draw).split()
    at = draw.randrange(len(said))

    def unit(_: int) -> str:
        said[at] = draw.choice(pool)
        return " ".join(said) + " "

    return turns(draw, unit)


def second_thoughts(draw: random.Random) -> str:
    starts = ["Wait,", "Hmm,", "Actually,", "But", "So", "OK,", "No,", "Right,"]
    said = [phrase(draw, 8, 16) for _ in range(draw.randint(1, 3))]
    return turns(draw, lambda number: f"{draw.choice(starts)} {said[number % len(said)]}. ")


def noisy(draw: random.Random) -> str:
    said, rate = paragraph(draw, draw.randint(1, 2)).split(), draw.uniform(0.01, 0.03)

    def unit(_: int) -> str:
        kept = (
            draw.choice([word + " " + word, "", draw.choice(NOUNS)]) if draw.random() < rate else word for word in said
        )
        return " ".join(kept) + " "

    return turns(draw, unit)


# Collapse: nothing new, without a period


def shuffled_words(draw: random.Random) -> str:
    pool, end = draw.sample(NOUNS + VERBS + ADJECTIVES, draw.randint(4, 10)), draw.choice([" ", " ", " ", ", "])
    return turns(draw, lambda _: draw.choice(pool) + end)


def shuffled_sentences(draw: random.Random) -> str:
    pool, end = [sentence(draw) for _ in range(draw.randint(3, 6))], draw.choice([" ", " ", "\n"])
    return turns(draw, lambda _: draw.choice(pool) + end)


def praise(draw: random.Random) -> str:
    pool = draw.sample(ADJECTIVES, draw.randint(3, 7))
    small = ["so", "very", "really", "and", "truly", "it is"]
    return turns(draw, lambda _: f"{draw.choice(small)} {draw.choice(pool)}{draw.choice([' ', ' ', ' ', '! '])}")


def chain(draw: random.Random) -> str:
    """A walk over a few words, each followed by one of two."""
    pool = draw.sample(NOUNS + VERBS, draw.randint(8, 16))
    after: dict[str, Sequence[str]] = {word: draw.sample(pool, 2) for word in pool}

    def walk() -> Iterator[str]:
        word = pool[0]
        while True:
            yield word + " "
            word = draw.choice(after[word])

    steps = walk()
    return turns(draw, lambda _: next(steps))


def and_the(draw: random.Random) -> str:
    pool, glue = draw.sample(NOUNS, draw.randint(4, 9)), draw.choice([" and the ", ", then the ", " of the "])
    return "the " + turns(draw, lambda _: draw.choice(pool) + glue)


def laughter(draw: random.Random) -> str:
    one, two = draw.choice(["ha", "HA", "xo", "ja", "lo"])
    return turns(draw, lambda _: draw.choice([one, two, one + two]))


def shuffled_script(draw: random.Random) -> str:
    vocabulary, glue, _ = words.foreign(draw)
    pool = draw.sample(vocabulary, draw.randint(4, 8))
    return turns(draw, lambda _: draw.choice(pool) + glue)


def shuffled_emoji(draw: random.Random) -> str:
    pool = draw.sample(EMOJI, draw.randint(2, 4))
    return turns(draw, lambda _: draw.choice(pool))


FAMILIES = {
    make.__name__: make
    for make in (
        one_character, one_word, few_words, one_sentence, one_paragraph, bullet, bullets_in_turn, json_object,
        json_string, json_keys, code_line, code_function, other_script, emoji, tag, table_row, digits, path, tool_call,
        dialogue, loops_in_turn, numbered, counted_sentence, counted_object, changing_word, second_thoughts, noisy,
        shuffled_words, shuffled_sentences, praise, chain, and_the, laughter, shuffled_script, shuffled_emoji,
    )
}  # fmt: skip
