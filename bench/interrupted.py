"""Streams of plain text that are to be interrupted: what is asked, what would have come, and what has come instead.

Everything is asked at temperature 0, so that the uncut answer is known. Most answers may not end by themselves (their
end-of-text tokens are forbidden), which makes them long; the others end as the model wants.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from bench import chat, client
from bench.arm import Target
from bench.gateway import Gateway
from trimtab.demo.jobs import JobGenerator

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""The first tokens of the demo models' vocabulary, which are no text."""
NEVER = {str(number): -100 for number in range(len(SPECIAL))}
NATURAL_ONE_IN = 5
KNOWN_WELL = 0.8
"""The share of requests of the job whose answers the model writes in the tokens that its text is read as again.

Of other jobs it babbles, here without their tools: in up to a quarter of all places its text is read as other tokens.
"""
PATIENCE_S = 900.0
COUNTED = {"include_usage": True, "continuous_usage_stats": True}
PLAIN = {"include_usage": True}
LIKELIEST = len(SPECIAL) + 2

Outcome = Literal["equal", "different", "error", "silent"]
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Uncut:
    """A request, and its answer when nothing happens to it; `size` is the least that it has on the wire, in bytes."""

    body: dict[str, Any]
    said: chat.Said
    size: int


@dataclass
class Seen:
    """What a client saw of a request whose answer was to be interrupted, and what the record says of it."""

    uncut: Uncut
    said: chat.Said
    outcome: Outcome
    seams: tuple[int, ...] = ()
    causes: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    wrong: list[str] = field(default_factory=list)


def bodies(count: int, seed: int, tokens: tuple[int, int]) -> list[dict[str, Any]]:
    """Requests for streams of so many tokens, one in five of which end earlier if the model wants."""
    draw, jobs = random.Random(f"{seed}/bodies"), JobGenerator(seed)
    made = []
    for number in range(count):
        messages = jobs.sample("extract" if draw.random() < KNOWN_WELL else None).messages
        body = {"messages": messages, "temperature": 0, "max_tokens": draw.randint(*tokens)}
        made.append({**body, "stream": True} | ({"logit_bias": NEVER} if number % NATURAL_ONE_IN else {}))
    return made


async def each(items: Iterable[Item], at_once: int, do: Callable[[Item], Awaitable[Made]]) -> list[Made]:
    """What `do` makes of each item, so many at once; in the order of the items."""
    places = asyncio.Semaphore(at_once)

    async def one(item: Item) -> Made:
        async with places:
            return await do(item)

    return await asyncio.gather(*map(one, items))


async def ask(target: Target, body: dict[str, Any]) -> tuple[client.Answer, chat.Said]:
    """One answer, to its end."""
    answer = await client.ask(target, client.request(target, body), PATIENCE_S)
    return answer, chat.read(answer, stream=bool(body.get("stream")))


async def uncut(server: Target, asked: Sequence[dict[str, Any]], at_once: int = 16) -> list[Uncut]:
    """The answers of a server that nothing happens to; raises RuntimeError if one is not whole."""

    async def one(body: dict[str, Any]) -> Uncut:
        answer, said = await ask(server, {**body, "stream_options": COUNTED})
        if said.end != "whole":
            raise RuntimeError(f"the server itself ends badly: {answer.status} {answer.body[-300:]!r}")
        return Uncut(body, said, len(answer.head) + len(answer.body))

    return await each(asked, at_once, one)


async def watch(target: Target, one: Uncut, user: str) -> Seen:
    """Asks for it again, of a gateway, while something happens."""
    _, said = await ask(target, {**one.body, "stream_options": PLAIN, "user": user})
    return Seen(one, said, judged(said, one.said))


def judged(said: chat.Said, whole: chat.Said) -> Outcome:
    """What came, beside what would have come.

    A part of the answer that looks like all of it is `silent`, and so is one that just stops.
    """
    if said.end == "error":
        return "error"
    if said.end == "neither":
        return "silent"
    if said.text == whole.text:
        return "equal" if said.finish == whole.finish else "different"
    return "silent" if whole.text.startswith(said.text) else "different"


def check_record(seen: Seen, opened: Gateway) -> None:
    """Compares with the record of the call; what is wrong is put into `seen.wrong`."""
    detail = opened.call(seen.said.call)
    call, attempts = detail["call"], detail["attempts"]
    seen.seams = tuple(call.get("seams", ()))
    seen.causes = tuple(one["cause"] for one in attempts)
    seen.replicas = tuple(one["replica"] for one in attempts)
    if call["attempts"] != len(attempts):
        seen.wrong.append(f"{call['attempts']} attempts are told, {len(attempts)} are there")
    for name in ("input", "cache_read", "output"):
        total = sum((one.get("usage") or {}).get(name, 0) for one in attempts)
        if (call.get("usage") or {}).get(name, 0) != total:
            seen.wrong.append(f"usage.{name} is {call['usage']}, the attempts' sum is {total}")
    if seen.seams and len(attempts) < 2:
        seen.wrong.append("a seam without a second attempt")
    text = seen.said.text.encode()
    if any(not 0 < seam <= len(text) for seam in seen.seams) or list(seen.seams) != sorted(set(seen.seams)):
        seen.wrong.append(f"seams {seen.seams} in {len(text)} bytes")
    if (call["outcome"] == "ok") != (seen.said.end == "whole"):
        seen.wrong.append(f"outcome {call['outcome']}, but the client saw {seen.said.end}")
    if seen.said.end == "whole":
        if not seen.said.usage:
            seen.wrong.append("the client got no usage")
        elif call.get("answer_tokens") != seen.said.usage["completion_tokens"]:
            seen.wrong.append(f"answer_tokens {call.get('answer_tokens')}, the client was told {seen.said.usage}")


@dataclass(frozen=True)
class Difference:
    """Where an answer parts from the uncut one.

    `after_seam` is in characters from the first seam, negative before it; `gap` how much likelier the uncut answer's
    token there was than the runner-up, in nats; `other_tokens` whether the server reads the text before a seam as other
    tokens than it had made it of, so that it goes on from something else. None where that cannot be told.
    """

    after_seam: int | None
    gap: float | None
    other_tokens: bool | None
    expected: str
    came: str


@dataclass(frozen=True)
class Token:
    """A token of an answer: its id, its text, and the log probabilities of the likeliest that were allowed there."""

    number: int
    text: bytes
    likely: tuple[float, ...]


async def difference(server: Target, seen: Seen) -> Difference:
    """Where and by how little it parted; asks the server again for the uncut answer, token by token."""
    whole, came = seen.uncut.said.text, seen.said.text
    pairs = enumerate(zip(whole, came, strict=False))
    place = next((at for at, (a, b) in pairs if a != b), min(len(whole), len(came)))
    seam = len(came.encode()[: seen.seams[0]].decode("utf-8", "ignore")) if seen.seams else None
    made = await tokens_of(server, seen.uncut)
    at, gap = 0, None
    for token in made:
        at += len(token.text)
        if at > len(whole[:place].encode()):
            gap = token.likely[0] - token.likely[1]
            break
    before = [one for one in seen.seams if came.encode()[:one] == whole.encode()[:one]]
    reread = [await read_otherwise(server, seen.uncut, made, one) for one in before]
    around = slice(max(0, place - 8), place + 16)
    others = any(reread) if reread else None
    return Difference(None if seam is None else place - seam, gap, others, whole[around], came[around])


async def tokens_of(server: Target, one: Uncut) -> list[Token]:
    """The uncut answer, token by token."""
    asked = {"stream": False, "logprobs": True, "top_logprobs": LIKELIEST, "return_tokens_as_token_ids": True}
    answer, _ = await ask(server, {**one.body, **asked})
    barred = NEVER if "logit_bias" in one.body else {}
    made = []
    for token in json.loads(answer.body)["choices"][0]["logprobs"]["content"]:
        likely = [top["logprob"] for top in token["top_logprobs"] if token_id(top) not in barred]
        made.append(Token(int(token_id(token)), bytes(token["bytes"]), tuple(likely)))
    return made


def token_id(token: dict[str, Any]) -> str:
    """The id of a token of an answer that was asked for with them."""
    return str(token["token"]).removeprefix("token_id:")


async def read_otherwise(server: Target, one: Uncut, made: Sequence[Token], seam: int) -> bool:
    """Whether the server makes other tokens of the text before `seam`, in bytes, than the answer had there."""
    messages, before, at = one.body["messages"], list[int](), 0
    for token in made:
        if at >= seam:
            break
        at += len(token.text)
        before.append(token.number)
    text = b"".join(token.text for token in made)[:seam].decode("utf-8", "ignore")
    begun = [*messages, {"role": "assistant", "content": text}]
    goes_on = {"continue_final_message": True, "add_generation_prompt": False}
    prompt = await tokenized(server, {"messages": messages, "add_generation_prompt": True})
    return await tokenized(server, {"messages": begun, **goes_on}) != prompt + before


async def tokenized(server: Target, body: dict[str, Any]) -> list[int]:
    """The tokens that a vLLM makes of messages."""
    answer, _ = await ask(replace(server, path="/tokenize"), body)
    found: list[int] = json.loads(answer.body)["tokens"]
    return found
