"""Families made when the detector was finished: what it does with what it was not made for.

At the first try 5 of 16 tracebacks were flagged (precision 0.975), and lines of a stylesheet in any order were missed
whole (recall 0.857). One thing was changed since: a counter must count. The stylesheets are still missed.
"""

from __future__ import annotations

import random

from bench.repetition.degenerate import exact, phrase, turns
from bench.repetition.words import ADJECTIVES, KOREAN, NAMES, NOUNS, PLACES, THINGS, VERBS, line, sentence

# Legitimate


def settings(draw: random.Random) -> str:
    """Sections of keys and values."""
    parts = []
    for name in draw.sample(NOUNS, draw.randint(8, 20)):
        values = (
            f"{key} = {draw.choice(['true', 'false', '0', '1', draw.choice(NOUNS)])}" for key in draw.sample(NOUNS, 6)
        )
        parts.append(f"[{name}]\n" + "\n".join(values))
    return "\n\n".join(parts)


def tracebacks(draw: random.Random) -> str:
    """A recursion that went too deep, twice or thrice."""
    parts = []
    for _ in range(draw.randint(2, 3)):
        name = draw.choice(NOUNS)
        frames = (
            f'  File "{name}.py", line {draw.choice([12, 14, 31])}, in walk\n    return walk({name})' for _ in range(18)
        )
        parts.append("Traceback (most recent call last):\n" + "\n".join(frames) + f"\nRecursionError: {sentence(draw)}")
    return "\n\n".join(parts)


def sitemap(draw: random.Random) -> str:
    """Addresses of pages in XML."""
    pages = (
        f"  <url>\n    <loc>https://example.org/{draw.choice(NOUNS)}/{draw.choice(NOUNS)}</loc>\n"
        f"    <lastmod>2026-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}</lastmod>\n"
        "    <priority>0.5</priority>\n  </url>"
        for _ in range(draw.randint(15, 45))
    )
    return '<?xml version="1.0"?>\n<urlset>\n' + "\n".join(pages) + "\n</urlset>"


def bar_chart(draw: random.Random) -> str:
    """Bars of blocks."""
    bars = (f"{draw.choice(PLACES):<10} {'█' * (n := draw.randint(1, 60))} {n}" for _ in range(draw.randint(40, 80)))
    return "\n".join(bars)


def recurrence(draw: random.Random) -> str:
    """A sequence computed step by step."""
    a, b = draw.randint(1, 9), draw.randint(1, 9)
    steps = []
    for number in range(2, draw.randint(50, 90)):
        a, b = b, a + b
        steps.append(f"f({number}) = f({number - 1}) + f({number - 2}) = {b}")
    return "\n".join(steps)


def litany(draw: random.Random) -> str:
    """A response after each call."""
    said = draw.choice(["have mercy on us.", "hear our prayer.", "be with us tonight."])
    calls = (
        f"{draw.choice(ADJECTIVES).title()} {draw.choice(NOUNS)} of {draw.choice(PLACES)}, {said}" for _ in range(60)
    )
    return "\n".join(calls)


def commits(draw: random.Random) -> str:
    """A history."""
    lines = (
        f"{draw.randrange(1 << 28):07x} {draw.choice(['fix', 'feat', 'docs', 'test'])}: {draw.choice(VERBS)} "
        f"{draw.choice(NOUNS)} {draw.choice(NOUNS)}"
        for _ in range(draw.randint(50, 120))
    )
    return "\n".join(lines)


def checklist(draw: random.Random) -> str:
    """Done and not done."""
    lines = (f"- {draw.choice(['✅', '❌', '⏳'])} {draw.choice(VERBS)} the {draw.choice(NOUNS)}" for _ in range(90))
    return "\n".join(lines)


LEGITIMATE = {
    make.__name__: make for make in (settings, tracebacks, sitemap, bar_chart, recurrence, litany, commits, checklist)
}


# Degenerate


def thanks(draw: random.Random) -> str:
    """What speech recognition hears in silence."""
    pool = ["Thank you for watching.", "Thank you.", "Please subscribe.", "See you next time."]
    return turns(draw, lambda _: draw.choice(pool) + " ")


def doubt(draw: random.Random) -> str:
    """The same question, answered now so, now so."""
    asked = phrase(draw, 3, 8)
    return turns(draw, lambda _: f"Is it true that {asked}? {draw.choice(['Yes.', 'No.', 'Maybe.'])} ")


def bullets_shuffled(draw: random.Random) -> str:
    """A few items of a list in any order."""
    pool = [f"- {phrase(draw, 3, 7)}\n" for _ in range(draw.randint(3, 6))]
    return turns(draw, lambda _: draw.choice(pool))


def rules_shuffled(draw: random.Random) -> str:
    """A few lines of a stylesheet in any order."""
    pool = ["  margin: 0;\n", "  padding: 0;\n", "  display: block;\n", f"  width: {draw.randint(1, 99)}px;\n"]
    return turns(draw, lambda _: draw.choice(pool))


def quoted(draw: random.Random) -> str:
    """Quotes within quotes."""
    return exact(draw, draw.choice(["> ", ">> ", "(( ", "<<< ", "[quote]", "<b><i>"]))


def korean_shuffled(draw: random.Random) -> str:
    """A few Korean sentences in any order."""
    pool = [line(draw, KOREAN, draw.randint(3, 7)) for _ in range(draw.randint(2, 4))]
    return turns(draw, lambda _: draw.choice(pool) + " ")


def stammer(draw: random.Random) -> str:
    """A sentence that starts over before it ends."""
    said = sentence(draw).split()
    return turns(draw, lambda _: " ".join(said[: draw.randint(2, len(said))]) + "... ")


def still_to_do(draw: random.Random) -> str:
    """Comments with a number that counts."""
    said, thing = phrase(draw, 3, 7), draw.choice(THINGS)
    return turns(draw, lambda number: f"    # TODO {number + 1}: {said} of the {thing} for {NAMES[0]}\n")


DEGENERATE = {
    make.__name__: make
    for make in (thanks, doubt, bullets_shuffled, rules_shuffled, quoted, korean_shuffled, stammer, still_to_do)
}
