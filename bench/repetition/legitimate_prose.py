"""Long answers in sentences that repeat themselves no more than people do: prose, verse, lists, other scripts."""

from __future__ import annotations

import random

from bench.repetition import words
from bench.repetition.words import ADJECTIVES, ADVERBS, LOREM, NAMES, NOUNS, PLACES, THINGS, VERBS, paragraph, sentence


def essay(draw: random.Random) -> str:
    """Headings and paragraphs."""
    parts = []
    for number in range(draw.randint(4, 14)):
        if number % 3 == 0:
            parts.append(f"{'#' * draw.randint(1, 3)} The {draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}")
        parts.append(paragraph(draw))
    return "\n\n".join(parts)


def numbered_list(draw: random.Random) -> str:
    """Steps with different words, often in one form."""
    form = draw.choice(
        [
            "{n}. **{a} {b}**: {s}",
            "{n}. Check the {a} {b} and make sure that it {v} the {c}.",
            "Step {n}: {s}",
            "{n}) {a} {b} - {v} the {c}",
            "- [ ] ({n}) {v} the {a} {b}",
        ]
    )
    return "\n".join(form.format(n=n + 1, **_slots(draw)) for n in range(draw.randint(30, 90)))


def _slots(draw: random.Random) -> dict[str, str]:
    a, b, c, v = draw.choice(ADJECTIVES), draw.choice(NOUNS), draw.choice(NOUNS), draw.choice(VERBS)
    return {"a": a, "b": b, "c": c, "v": v, "s": sentence(draw)}


def refrain(draw: random.Random) -> str:
    """A song: verses of their own, a chorus after each, sometimes twice, with a line of syllables."""
    chorus = [words.line(draw, NOUNS + VERBS, draw.randint(4, 7), end=",") for _ in range(draw.randint(2, 5))]
    chorus.append(" ".join([draw.choice(["la", "na", "oh", "hey"])] * draw.randint(4, 24)))
    parts = []
    for _ in range(draw.randint(5, 9)):
        parts.append("\n".join(sentence(draw) for _ in range(draw.randint(3, 8))))
        parts += ["\n".join(chorus)] * draw.choice([1, 1, 2])
    return "\n\n".join(parts)


def counting_song(draw: random.Random) -> str:
    """A song that counts down, the same verse again and again."""
    thing, place = draw.choice(THINGS), draw.choice(["wall", "shelf", "table", "window sill"])
    verse = "{n} green {t}s on the {p}, {n} green {t}s,\nif one of them should fall from the {p}, {m} green {t}s.\n"
    first = draw.randint(20, 99)
    return "\n".join(verse.format(n=n, m=n - 1, t=thing, p=place) for n in range(first, max(0, first - 60), -1))


def cumulative_song(draw: random.Random) -> str:
    """Each verse says all earlier ones again, and one line more."""
    gifts = [f"{draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}s {draw.choice(ADVERBS)}" for _ in range(12)]
    verses = []
    for day in range(1, draw.randint(9, 12) + 1):
        said = [f"{n + 1} {gifts[n]}" for n in range(day)][::-1]
        verses.append(f"On day {day} of {draw.choice(PLACES)} my true love sent to me\n" + ",\n".join(said) + ".")
    return "\n\n".join(verses)


def lorem(draw: random.Random) -> str:
    """Filler text; its paragraphs are sometimes the same three times over."""
    parts = []
    for _ in range(draw.randint(3, 12)):
        said = [words.line(draw, LOREM, draw.randint(5, 14)).capitalize() for _ in range(draw.randint(3, 6))]
        parts += [" ".join(said)] * draw.choice([1, 1, 1, 1, 3])
    return "\n\n".join(parts)


def dialogue(draw: random.Random) -> str:
    """Two people take turns; short answers come back."""
    first, second = draw.sample(NAMES, 2)
    short = ["Yes.", "No.", "I see.", "Of course.", "Are you sure?", "Go on."]
    lines = []
    for _ in range(draw.randint(15, 60)):
        lines.append(f"{first}: {sentence(draw)}")
        lines.append(f"{second}: {draw.choice(short) if draw.random() < 0.5 else sentence(draw)}")
    return draw.choice(["\n", "\n\n"]).join(lines)


def reasoning(draw: random.Random) -> str:
    """A model thinks aloud: it doubts in the same words again and again, but comes on."""
    doubts = [
        "Wait, let me check that again.",
        "Hmm, that does not look right.",
        "Let me double-check.",
        "Actually, let me re-read the question.",
        "But wait, is that so?",
        "OK, so far so good.",
    ]
    parts = []
    for _ in range(draw.randint(20, 60)):
        parts.append(draw.choice(doubts))
        a, b = draw.randint(2, 99), draw.randint(2, 99)
        parts.append(draw.choice([f"{a} * {b} = {a * b}, so the {draw.choice(NOUNS)} is {a * b}.", sentence(draw)]))
    return " ".join(parts)


def contract(draw: random.Random) -> str:
    """Clauses in the stiff phrases of law."""
    said = [
        "The Supplier shall {v} the {b} within {n} days of the {c}.",
        "Nothing in this Agreement shall limit the liability of either Party for the {a} {b}.",
        "The Customer shall not, without the prior written consent of the Supplier, {v} any {b} or {c}.",
        "Either Party may terminate this Agreement if the {b} {v} the {a} {c} for more than {n} days.",
        "For the purposes of this clause, '{b}' means any {a} {c} that {v} the {b}.",
    ]
    clauses = []
    for number in range(draw.randint(15, 50)):
        text = draw.choice(said).format(n=draw.randint(3, 90), **_slots(draw))
        clauses.append(f"{number // 5 + 1}.{number % 5 + 1} {text}")
    return "\n".join(clauses)


def glossary(draw: random.Random) -> str:
    """Terms and what they mean."""
    entries = [f"**{draw.choice(ADJECTIVES)} {noun}**\n: {sentence(draw)}" for noun in draw.sample(NOUNS, 40)]
    return "\n\n".join(entries)


def bibliography(draw: random.Random) -> str:
    """Sources in one style."""
    entries = []
    for number in range(draw.randint(20, 50)):
        name, other = draw.sample(NAMES, 2)
        first = draw.randint(1, 900)
        entries.append(
            f"[{number + 1}] {name}, {other[0]}. ({draw.randint(1950, 2025)}). The {draw.choice(ADJECTIVES)} "
            f"{draw.choice(NOUNS)} of {draw.choice(NOUNS)}s. Journal of {draw.choice(NOUNS).title()} Studies, "
            f"{draw.randint(1, 60)}({draw.randint(1, 12)}), {first}-{first + draw.randint(5, 30)}."
        )
    return "\n".join(entries)


def questions(draw: random.Random) -> str:
    """Many questions of a quiz with four answers each."""
    parts = []
    for number in range(draw.randint(10, 40)):
        options = [f"{letter}) the {draw.choice(ADJECTIVES)} {draw.choice(NOUNS)}" for letter in "ABCD"]
        asked = f"Question {number + 1}: What {draw.choice(VERBS)} the {draw.choice(NOUNS)} in {draw.choice(PLACES)}?"
        parts.append("\n".join([asked, *options, f"Answer: {draw.choice('ABCD')}"]))
    return "\n\n".join(parts)


def comparison(draw: random.Random) -> str:
    """One sentence form with other words, item after item, as listings of towns or products are."""
    form = draw.choice(
        [
            "{p} is known for its {a} {b} and its {c}.",
            "The {a} {b} is a kind of {c} that {v} in {p}.",
            "I like the {b} because it {v} the {c}.",
        ]
    )
    said = [form.format(p=draw.choice(PLACES), **_slots(draw)) for _ in range(draw.randint(30, 80))]
    return draw.choice([" ", "\n", "\n- "]).join(said)


def chinese_prose(draw: random.Random) -> str:
    """Chinese paragraphs."""
    parts = ["".join(words.chinese(draw) for _ in range(draw.randint(4, 12))) for _ in range(draw.randint(8, 24))]
    return "\n".join(parts)


def foreign_prose(draw: random.Random) -> str:
    """Prose in Japanese, Korean, Cyrillic, Arabic or Devanagari letters."""
    vocabulary, glue, end = words.foreign(draw)
    said = (words.line(draw, vocabulary, draw.randint(5, 14), glue, end) for _ in range(draw.randint(30, 90)))
    return "".join(text + ("\n" if draw.random() < 0.1 else "") for text in said)


def chinese_table(draw: random.Random) -> str:
    """A Markdown table in Chinese."""
    rows = ["| 编号 | 名称 | 数量 | 状态 | 说明 |", "|---|---|---|---|---|"]
    for number in range(draw.randint(30, 80)):
        state = draw.choice(["完成", "进行中", "取消"])
        name = words.line(draw, words.CHINESE, 2, "", "")
        note = words.line(draw, words.CHINESE, 3, "", "")
        rows.append(f"| {number + 1} | {name} | {draw.randint(1, 500)} | {state} | {note} |")
    return "\n".join(rows)


def emoji_posts(draw: random.Random) -> str:
    """Short posts full of emoji, some said several times."""
    posts = []
    for _ in range(draw.randint(20, 60)):
        posts.append(f"{sentence(draw)} {draw.choice(words.EMOJI) * draw.randint(1, 6)}{draw.choice(words.EMOJI)}")
    return "\n".join(posts)


def recipe(draw: random.Random) -> str:
    """Ingredients and steps, several dishes."""
    parts = []
    for _ in range(draw.randint(4, 9)):
        names = draw.sample(NOUNS, 8)
        listed = [f"- {draw.randint(1, 900)} g {name}" for name in names]
        steps = [
            f"{n + 1}. Add the {draw.choice(names)}, stir {draw.randint(1, 30)} minutes until it {draw.choice(VERBS)}."
            for n in range(draw.randint(5, 10))
        ]
        parts.append(
            "\n".join([f"## {draw.choice(ADJECTIVES).title()} {names[0]} of {draw.choice(PLACES)}", *listed, *steps])
        )
    return "\n\n".join(parts)


FAMILIES = {
    make.__name__: make
    for make in (
        essay, numbered_list, refrain, counting_song, cumulative_song, lorem, dialogue, reasoning, contract, glossary,
        bibliography, questions, comparison, chinese_prose, foreign_prose, chinese_table, emoji_posts, recipe,
    )
}  # fmt: skip
