"""Families of tools that answer JSON, each with the variety that answers of real tools have."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Answer = Callable[[random.Random], Any]


def _some(draw: random.Random, share: float, key: str, value: Any) -> dict[str, Any]:
    return {key: value} if draw.random() < share else {}


def _word(draw: random.Random) -> str:
    return "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(draw.randint(3, 9)))


def weather(draw: random.Random) -> Any:
    """Numbers that are whole now and then, an alert that is there for some places, nulls where nothing was measured."""
    return {
        "place": draw.choice(["Zürich", "東京", "Ciudad de México"]),
        "temperature_c": draw.choice([draw.randint(-20, 40), round(draw.uniform(-20, 40), 1)]),
        "wind": {"speed": draw.randint(0, 30), "gust": draw.choice([None, draw.randint(0, 60)])},
        **_some(draw, 0.2, "alert", {"level": "amber", "until": "2026-11-25T20:00:00Z"}),
        "hours": [{"at": hour, "rain_mm": draw.choice([0, 0.5])} for hour in range(draw.choice([0, 3, 24]))],
    }


def search(draw: random.Random) -> Any:
    """Hits of several kinds in one list, and no hits at all."""

    def hit() -> dict[str, Any]:
        kind = draw.choice(["page", "file", "person"])
        told: dict[str, Any] = {"kind": kind, "id": _word(draw), "score": draw.choice([1, draw.random()])}
        if kind == "page":
            return {**told, "url": "https://example.org/", **_some(draw, 0.6, "snippet", "...")}
        return {**told, "name": _word(draw), **_some(draw, 0.03, "deleted", True)}

    return {"total": draw.randint(0, 900), "hits": [hit() for _ in range(draw.choice([0, 1, 5, 40, 400]))]}


def orders(draw: random.Random) -> Any:
    """An array at the root; a code that is a text or a number; a note that is null more often than not."""
    return [
        {
            "order_id": draw.randint(1, 10**12),
            "code": draw.choice([draw.randint(1, 99), f"A{draw.randint(1, 99)}"]),
            "lines": [
                {"sku": _word(draw), "qty": 1, "price": draw.choice([3, 3.25])} for _ in range(draw.randint(0, 9))
            ],
            "note": draw.choice([None, None, "leave at the door"]),
            **_some(draw, 0.5, "coupon", {"code": _word(draw), "percent": 5}),
        }
        for _ in range(draw.randint(0, 12))
    ]


def prices_by_day(draw: random.Random) -> Any:
    """Keys that are dates, ids and addresses."""
    return {
        "symbol": "ABC",
        "by_day": {
            f"2026-{month:02}-{draw.randint(1, 28):02}": draw.uniform(1, 9) for month in range(1, draw.randint(1, 12))
        },
        "by_id": {
            f"{draw.getrandbits(32):08x}{n}": {"open": True, **_some(draw, 0.3, "why", "x")}
            for n in range(draw.randint(0, 5))
        },
        "owners": {f"user{draw.randint(1, 99999)}@example.org": draw.randint(1, 3) for _ in range(draw.randint(0, 4))},
    }


def word_counts(draw: random.Random) -> Any:
    """Keys that are words, other ones each time."""
    return {"counts": {_word(draw): draw.randint(1, 9) for _ in range(draw.randint(0, 20))}, "language": "en"}


def tree(draw: random.Random, depth: int = 0) -> Any:
    """Nodes in nodes, to a depth that differs."""
    below = [tree(draw, depth + 1) for _ in range(draw.randint(0, 2))] if depth < draw.randint(1, 5) else []
    return {"name": _word(draw), "children": below, **_some(draw, 0.5, "size", draw.randint(0, 9))}


def page(draw: random.Random) -> Any:
    """A cursor that the last page does not have, and a wide record with rare fields."""
    rare = {f"extra_{letter}": 1 for letter in "abcdefghij" if draw.random() < 0.02}
    return {
        "ok": True,
        "items": [draw.randint(0, 9) for _ in range(draw.randint(0, 30))],
        **_some(draw, 0.9, "cursor", "x"),
        **rare,
    }


def user(draw: random.Random) -> Any:
    """A record with nested optional objects."""
    return {
        "id": draw.randint(1, 10**6),
        "email": f"{_word(draw)}@example.org",
        "age": draw.choice([None, draw.randint(1, 99)]),
        "manager": draw.choice([None, {"id": 1, "email": "m@example.org", **_some(draw, 0.5, "title", "Dr")}]),
        "roles": draw.choice([[], ["admin"], ["admin", "user"]]),
        **_some(draw, 0.98, "created", "2026-01-01"),
    }


FAMILIES: dict[str, Answer] = {
    "weather": weather,
    "search": search,
    "orders": orders,
    "prices_by_day": prices_by_day,
    "word_counts": word_counts,
    "tree": tree,
    "page": page,
    "user": user,
}
