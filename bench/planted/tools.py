"""Made-up tools: each a random plan of fields, lists, maps and kinds of items, and answers drawn from that plan."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Draw = Callable[[random.Random], Any]
SHARES = (1.0, 1.0, 1.0, 1.0, 1.0, 0.999, 0.99, 0.95, 0.9, 0.7, 0.5, 0.2, 0.05, 0.01)
"""How often a field is there."""
NULLS = (0.0, 0.0, 0.0, 0.0, 0.001, 0.02, 0.1, 0.5, 0.95)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(draw: random.Random, least: int = 3) -> str:
    """A word that means nothing."""
    return "".join(draw.choices(LETTERS, k=draw.randint(least, 12)))


def tool(plan: random.Random, depth: int = 0) -> Draw:
    """Answers of one tool: an object, or now and then a list of them."""
    made = record(plan, depth)
    return listed(plan, made) if depth == 0 and plan.random() < 0.15 else made


def record(plan: random.Random, depth: int) -> Draw:
    """Objects of one kind; which fields go together is part of the kind now and then."""
    fields = [(word(plan), plan.choice(SHARES), value(plan, depth)) for _ in range(plan.randint(1, 9))]
    together = {name for name, _, _ in fields if plan.random() < 0.2}

    def draws(draw: random.Random) -> dict[str, Any]:
        has = draw.random() < 0.5
        found = {}
        for name, share, drawn in fields:
            if has if name in together else draw.random() < share:
                found[name] = drawn(draw)
        return found

    return draws


def value(plan: random.Random, depth: int) -> Draw:
    """One field's values, null as often as it says."""
    makers: list[Callable[[], Draw]] = [
        lambda: word,
        lambda: lambda draw: draw.choice(["", "Zürich", "東京", "https://example.org/x?y=1", "12"]),
        lambda: lambda draw: draw.randint(-(10**15), 10**15),
        lambda: lambda draw: draw.choice([draw.randint(0, 9), draw.uniform(0, 9), 1e300, -0.0]),
        lambda: lambda draw: draw.random() < 0.5,
        lambda: lambda draw: draw.choice([draw.randint(0, 9), word(draw)]),
        lambda: lambda draw: [word(draw) for _ in range(draw.choice([0, 1, 3, 40]))],
        lambda: lambda draw: draw.sample([1, "x", None, 2.5, True], draw.randint(0, 5)),
    ]
    if depth < 3:
        makers += [
            lambda: record(plan, depth + 1),
            lambda: listed(plan, record(plan, depth + 1)),
            lambda: kinds(plan, depth + 1),
            lambda: mapped(plan, value(plan, depth + 2)),
        ]
    drawn, nulls = plan.choice(makers)(), plan.choice(NULLS)
    return lambda draw: None if draw.random() < nulls else drawn(draw)


def listed(plan: random.Random, item: Draw) -> Draw:
    """A list of things, now and then empty."""
    lengths = plan.choice([(0, 1, 2), (1, 5), (0, 0, 0, 3), (10, 30)])
    return lambda draw: [item(draw) for _ in range(draw.choice(lengths))]


def kinds(plan: random.Random, depth: int) -> Draw:
    """A list of objects of several kinds, told apart by a field."""
    made = {word(plan): record(plan, depth) for _ in range(plan.randint(2, 4))}

    def item(draw: random.Random) -> dict[str, Any]:
        kind = draw.choice(list(made))
        return {"kind": kind, **made[kind](draw)}

    return listed(plan, item)


def mapped(plan: random.Random, drawn: Draw) -> Draw:
    """A map whose keys are data."""
    key: Draw = plan.choice([
        lambda draw: f"20{draw.randint(10, 40)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
        lambda draw: str(draw.randint(0, 10**6)),
        lambda draw: f"{draw.getrandbits(64):016x}",
        lambda draw: f"{word(draw)}@example.org",
        lambda draw: f"{word(draw)}/{word(draw)}.py",
        lambda draw: word(draw, 6),
        lambda draw: f"{word(draw).title()} {word(draw).title()}",
    ])  # fmt: skip
    most = plan.choice([1, 4, 20])
    return lambda draw: {key(draw): drawn(draw) for _ in range(draw.randint(0, most))}


def always(draws: Draw, seed: int) -> list[str]:
    """The fields at the top that every answer of a tool has, of one type and never null."""
    draw = random.Random(seed)
    answers = [draws(draw) for _ in range(200)]
    if not all(isinstance(answer, dict) for answer in answers):
        return []
    return sorted(
        name
        for name in answers[0]
        if len({_type(answer.get(name)) for answer in answers}) == 1 and answers[0][name] is not None
    )


def _type(value: Any) -> str | None:
    return None if value is None else "number" if type(value) in (int, float) else type(value).__name__
