"""An upstream that answers under a schema by chance rightly or wrongly: `python -m bench.answering PORT`.

It knows nothing of `response_format`. The text of a request's first message is a JSON object:

    {"shape": "enum", "seed": 7, "wrong": 0.6}

Each answer is one of the shape's right ones, or with the given chance one that has been spoilt; what is asked again
gets another draw.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable
from typing import Any

from bench.shapes import SHAPES
from trimtab.testing import Answer, Received, Script, ScriptedUpstream, chat_json, chat_stream

Spoil = Callable[[str, random.Random], str]


def cut(text: str, draw: random.Random) -> str:
    """It breaks off."""
    return text[: draw.randrange(len(text))]


def with_line_break(text: str, draw: random.Random) -> str:
    """A raw control character in a string, which some readers let through."""
    place = text.find('"') + 1
    return text[:place] + draw.choice("\n\t\x01") + text[place:]


def fenced(text: str, draw: random.Random) -> str:
    """In a code fence."""
    return f"```json\n{text}\n```"


def introduced(text: str, draw: random.Random) -> str:
    """Behind words."""
    return f"Here you are: {text}"


def followed(text: str, draw: random.Random) -> str:
    """Before words, or another answer."""
    return text + draw.choice([" Done.", text, "}", "]", ","])


def with_nothing(text: str, draw: random.Random) -> str:
    """One of its values is replaced."""
    value = json.loads(text)
    return json.dumps(put(value, draw, draw.choice([{}, [], -1.5, "?" * 99, False])))


def put(value: Any, draw: random.Random, other: Any) -> Any:
    """The value with `other` in a place drawn at random."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        name = draw.choice(list(value))
        return {**value, name: put(value[name], draw, other)}
    if isinstance(value, list) and value and draw.random() < 0.9:
        place = draw.randrange(len(value))
        return [*value[:place], put(value[place], draw, other), *value[place + 1 :]]
    return other


def with_more(text: str, draw: random.Random) -> str:
    """A property that the schema does not have, or one twice."""
    return text[:-1] + draw.choice([', "more": 1}', f", {text[1:]}", ",}"]) if text.startswith("{") else f"[{text}]"


def with_less(text: str, draw: random.Random) -> str:
    """A property is missing."""
    value = json.loads(text)
    if isinstance(value, dict) and value:
        value.pop(draw.choice(list(value)))
    return json.dumps(value)


def not_a_number(text: str, draw: random.Random) -> str:
    """NaN and its like, half a pair of surrogates, and nothing at all."""
    return draw.choice(["NaN", '{"label": Infinity}', '"\\ud800"', "", "  ", "[" * 300, "'sales'"])


SPOILS: tuple[Spoil, ...] = (
    cut, with_line_break, fenced, introduced, followed, with_nothing, with_more, with_less, not_a_number,
)  # fmt: skip


def made(asked: dict[str, Any], turns: int) -> tuple[str, str]:
    """The text and the finish reason of the answer to a conversation of so many turns."""
    draw = random.Random(f"{asked['seed']}/{turns}")
    text = json.dumps(draw.choice(SHAPES[asked["shape"]].right), ensure_ascii=draw.random() < 0.5)
    finish = "stop"
    if draw.random() < asked["wrong"]:
        spoil = draw.choice(SPOILS)
        text = spoil(text, draw)
        finish = draw.choice(["stop", "length"]) if spoil is cut else finish
    return text, finish


def play(request: Received) -> Script:
    """The script that answers a request, in pieces of a few characters."""
    body = json.loads(request.body)
    asked: dict[str, Any] = json.loads(body["messages"][0]["content"])
    text, finish = made(asked, len(body["messages"]))
    draw, pieces = random.Random(asked["seed"]), []
    while text:
        size = draw.randint(1, 9)
        pieces.append(text[:size])
        text = text[size:]
    tokens = max(1, len(pieces))
    usage = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
    answer = Answer(tuple(pieces), finish_reason=finish, usage=usage)
    return chat_stream(answer) if body.get("stream") else chat_json(answer)


async def main(port: int) -> None:
    """Serve until killed."""
    async with ScriptedUpstream(port=port) as upstream:
        upstream.always(play)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
