"""Families made after the first, to try the detector on kinds of text that it had not been made for.

At that first try nothing legitimate was flagged, but talk in quotation marks and hashtags were missed whole (recall
0.81). The detector was then changed, so that these families now count as used for tuning.
"""

from __future__ import annotations

import random
from itertools import count

from bench.repetition.degenerate import exact, phrase, turns
from bench.repetition.words import (
    ADJECTIVES,
    NAMES,
    NOUNS,
    PLACES,
    STATES,
    THINGS,
    VERBS,
    foreign,
    line,
    paragraph,
    sentence,
)

THAI = """วันนี้ อากาศ ดี มาก เรา ไป ตลาด กับ เพื่อน ซื้อ ผลไม้ และ กลับ บ้าน ครู สอน ภาษา ใน โรงเรียน เด็ก อ่าน หนังสือ ทุก เช้า ฝน
ตก แต่ ไม่ หนาว แม่ ทำ อาหาร อร่อย พ่อ ดื่ม กาแฟ ร้อน รถไฟ มา ช้า ทะเล สวย ภูเขา สูง เมือง ใหญ่ คน เดิน ถนน ดอกไม้ สี แดง""".split()  # noqa: SIM905 - read best as text


# Legitimate


def subtitles(draw: random.Random) -> str:
    """Numbered lines of speech with times."""
    parts, at = [], 0
    for number in range(draw.randint(25, 70)):
        at += draw.randint(2, 9)
        span = f"00:{at // 60:02}:{at % 60:02},000 --> 00:{(at + 2) // 60:02}:{(at + 2) % 60:02},500"
        parts.append(f"{number + 1}\n{span}\n{draw.choice([sentence(draw), 'Yes.', '[music]', 'No!'])}\n")
    return "\n".join(parts)


def mail_thread(draw: random.Random) -> str:
    """Every answer quotes all that came before."""
    said = ""
    for _ in range(draw.randint(5, 7)):
        quoted = "\n".join(f"> {text}" for text in said.splitlines())
        said = f"{sentence(draw)}\n{sentence(draw)}\n\nKind regards\n{draw.choice(NAMES)}\n\n{quoted}"
    return said


def calendar_file(draw: random.Random) -> str:
    """Events of a calendar in the format of RFC 5545."""
    parts = ["BEGIN:VCALENDAR\nVERSION:2.0"]
    for _ in range(draw.randint(10, 30)):
        day, hour = draw.randint(1, 28), draw.randint(8, 17)
        parts.append(
            f"BEGIN:VEVENT\nUID:{draw.randrange(1 << 48):012x}@example.org\nDTSTART:202603{day:02}T{hour:02}0000Z\n"
            f"DTEND:202603{day:02}T{hour + 1:02}0000Z\nSUMMARY:{draw.choice(VERBS)} the {draw.choice(NOUNS)}\n"
            "END:VEVENT"
        )
    return "\n".join([*parts, "END:VCALENDAR"])


def server_blocks(draw: random.Random) -> str:
    """A server's configuration, a block for each name."""
    parts = []
    for name in draw.sample(NOUNS, draw.randint(8, 20)):
        parts.append(
            f"server {{\n    listen 443 ssl;\n    server_name {name}.example.org;\n    location / {{\n"
            f"        proxy_pass http://127.0.0.1:{draw.randint(3000, 9999)};\n        proxy_set_header Host $host;\n"
            "        proxy_set_header X-Forwarded-For $remote_addr;\n    }\n}\n"
        )
    return "\n".join(parts)


def thai_prose(draw: random.Random) -> str:
    """Words run together, as Thai is written."""
    return "\n".join(
        " ".join(line(draw, THAI, draw.randint(4, 9), "", "") for _ in range(draw.randint(6, 14))) for _ in range(12)
    )


def grids(draw: random.Random) -> str:
    """Sudoku grids, half empty."""
    parts = []
    for number in range(draw.randint(5, 9)):
        rows = [" ".join(draw.choice("123456789....") for _ in range(9)) for _ in range(9)]
        parts.append(f"Puzzle {number + 1}\n" + "\n".join(rows))
    return "\n\n".join(parts)


def graph(draw: random.Random) -> str:
    """The edges of a graph."""
    edges = (f"    {draw.choice(NOUNS)} --> {draw.choice(NOUNS)}" for _ in range(draw.randint(60, 150)))
    return "graph TD\n" + "\n".join(edges)


def release_notes(draw: random.Random) -> str:
    """What was mended, version by version."""
    parts = []
    for number in range(draw.randint(8, 20)):
        parts.append(f"## 1.{number}.0")
        for _ in range(draw.randint(2, 6)):
            parts.append(f"- Fixed a bug where the {draw.choice(NOUNS)} {draw.choice(VERBS)} the {draw.choice(NOUNS)}.")
    return "\n".join(parts)


def way(draw: random.Random) -> str:
    """Directions: few words, many turns."""
    parts = []
    for _ in range(draw.randint(40, 90)):
        street = f"{draw.choice(NOUNS).title()} {draw.choice(['Street', 'Road', 'Lane'])}"
        parts.append(draw.choice([f"Turn left onto {street}.", f"Turn right onto {street}.", f"Continue on {street}."]))
        parts.append(f"Go straight for {draw.randint(1, 20) * 50} metres.")
    return " ".join(parts)


def knitting(draw: random.Random) -> str:
    """Rows of a pattern, most in the same few signs."""
    rows = []
    for number in range(draw.randint(50, 100)):
        stitches = ", ".join(f"{draw.choice(['k', 'p', 'yo', 'k2tog', 'ssk'])}{draw.randint(1, 6)}" for _ in range(5))
        rows.append(f"Row {number + 1}: {stitches}; repeat from * to end ({draw.randint(40, 90)} sts)")
    return "\n".join(rows)


def workouts(draw: random.Random) -> str:
    """A plan of training, day by day, much the same each day."""
    moves = draw.sample(["push-ups", "squats", "lunges", "planks", "rows", "burpees", "dips", "jumps"], 5)
    parts = []
    for day in range(draw.randint(15, 30)):
        parts.append(f"Day {day + 1}")
        parts += [f"- {draw.randint(2, 5)} sets of {draw.randint(5, 20)} {move}, rest 60 seconds" for move in moves]
    return "\n".join(parts)


def marks(draw: random.Random) -> str:
    """Who passed."""
    people = (f"{draw.choice(NAMES)} {draw.choice(NOUNS).title()}" for _ in range(draw.randint(80, 160)))
    return "\n".join(f"{person}: {draw.choice(['pass', 'pass', 'fail'])}" for person in people)


def chords(draw: random.Random) -> str:
    """A song with the same chords over every line."""
    over = draw.choice(["C       G       Am      F", "Em  D  C  D", "A            E          F#m        D"])
    return "\n".join(f"{over}\n{sentence(draw)}" for _ in range(draw.randint(20, 40)))


def affirmations(draw: random.Random) -> str:
    """Short sentences that all begin alike."""
    start = draw.choice(["I am", "We are", "Today is"])
    return " ".join(f"{start} {draw.choice(ADJECTIVES)} and {draw.choice(ADJECTIVES)}." for _ in range(80))


LEGITIMATE = {
    make.__name__: make
    for make in (
        subtitles, mail_thread, calendar_file, server_blocks, thai_prose, grids, graph, release_notes, way, knitting,
        workouts, marks, chords, affirmations,
    )
}  # fmt: skip


# Degenerate


def apology(draw: random.Random) -> str:
    """Sorry, and the same code again."""
    code = f"```python\n{draw.choice(NOUNS)} = {draw.choice(NOUNS)}({draw.randint(1, 99)})\n```"
    return exact(draw, f"I apologize for the confusion. Here is the corrected {draw.choice(NOUNS)}:\n\n{code}\n\n")


def conclusions(draw: random.Random) -> str:
    """One conclusion after another, in three variants."""
    said = [f"## Conclusion\n\nIn conclusion, {phrase(draw, 6, 14)}.\n\n" for _ in range(3)]
    return turns(draw, lambda _: draw.choice(said))


def thai_shuffled(draw: random.Random) -> str:
    """A few Thai words."""
    pool = draw.sample(THAI, draw.randint(3, 8))
    return turns(draw, lambda _: draw.choice(pool))


def talk(draw: random.Random) -> str:
    """He said, she said."""
    said = [f'"{phrase(draw, 1, 4).capitalize()}," {who} said. ' for who in ("he", "she", "he", "she")]
    return turns(draw, lambda _: draw.choice(said))


def union(draw: random.Random) -> str:
    """A query without end."""
    columns = ", ".join(["NULL"] * draw.randint(2, 6))
    return exact(
        draw, draw.choice([f"UNION ALL SELECT {columns}\n", "AND 1=1 ", f"LEFT JOIN {draw.choice(NOUNS)} USING (id)\n"])
    )


def formula(draw: random.Random) -> str:
    """LaTeX that is stuck."""
    return exact(
        draw, draw.choice([r"\quad ", r"\left( ", r"\frac{1}{", r" + \frac{a}{b}", r"\\ \hline ", "$$ $$ ", "{{}"])
    )


def hashtags(draw: random.Random) -> str:
    """The same few hashtags."""
    pool = [f"#{word}" for word in draw.sample(NOUNS, draw.randint(3, 8))]
    return turns(draw, lambda _: draw.choice(pool) + " ")


def entries(draw: random.Random) -> str:
    """YAML that does not come on."""
    return exact(
        draw, f"- name: {draw.choice(THINGS)}\n  state: {draw.choice(STATES)}\n  city: {draw.choice(PLACES)}\n"
    )


def towns(draw: random.Random) -> str:
    """The same few names, listed again and again."""
    pool = draw.sample(PLACES, draw.randint(3, 7))
    return turns(draw, lambda _: draw.choice(pool) + ", ")


def lettered(draw: random.Random) -> str:
    """a) to z) with the same words, and again."""
    said = phrase(draw, 2, 4)[:20]
    return turns(draw, lambda number: f"{'abcdefghijklmnopqrstuvwxyz'[number % 26]}) {said}\n")


def blank(draw: random.Random) -> str:
    """Nothing but white space."""
    return exact(draw, draw.choice([" \n", "\t\t\n", "\r\n", "    \n\n", "\u3000", "\u00a0 "]))


def misprints(draw: random.Random) -> str:
    """A loop in which a letter is wrong now and then."""
    said = sentence(draw) + " "

    def unit(_: int) -> str:
        return "".join(draw.choice("aeiou") if draw.random() < 0.005 else letter for letter in said)

    return turns(draw, unit)


def two_languages(draw: random.Random) -> str:
    """A sentence and its supposed translation, in turn."""
    vocabulary, glue, end = foreign(draw)
    return exact(draw, f"{sentence(draw)}\n{line(draw, vocabulary, draw.randint(4, 9), glue, end)}\n")


def summary_of_summary(draw: random.Random) -> str:
    """A paragraph again and again under a heading whose number counts."""
    said = paragraph(draw, 2)[:250]
    numbers = count(1)
    return turns(draw, lambda _: f"Summary {next(numbers)}: {said}\n\n")


DEGENERATE = {
    make.__name__: make
    for make in (
        apology, conclusions, thai_shuffled, talk, union, formula, hashtags, entries, towns, lettered, blank,
        misprints, two_languages, summary_of_summary,
    )
}  # fmt: skip
