"""The questions by which a model is told from another, how they are put on each wire, and how answers are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from trimtab.declare.project import Wire

PROBES_VERSION: Final = 1
"""Of the questions below; a baseline of another version cannot be compared with."""
FLOOR: Final = -50.0
"""Log-probabilities below it are told as it: servers write minus infinity in several ways."""
MAX_TOP: Final = 64
MAX_TOKENS_READ: Final = 256

Kind = Literal["exact", "first", "text"]


class Probe(NamedTuple):
    """One question: to be answered greedily by some tokens, by one token, or by a text drawn at temperature 1."""

    kind: Kind
    prompt: str
    tokens: int
    temperature: float


EXACT: Final = tuple(
    Probe("exact", prompt, 16, 0.0)
    for prompt in (
        "Continue: 1, 1, 2, 3, 5,",
        "The quick brown fox",
        "Order 4127 arrived broken. What now?",
        "List two colours.",
    )
)
FIRST: Final = tuple(Probe("first", prompt, 1, 0.0) for prompt in ("x", "7", "the", "?", "Yes or no"))
TEXT: Final = tuple(
    Probe("text", prompt, 24, 1.0)
    for prompt in (
        "Write a short sentence.",
        "Name three animals.",
        "Tell me something.",
        "Invent a name and an address.",
        "What comes next?",
    )
)
LOAD: Final = tuple(
    Probe("text", f"{prompt} " * 8, 32, 1.0) for prompt in ("Describe a long journey.", "Say it again in other words.")
)
"""What keeps a server busy while a baseline is taken: other prompts, of other lengths, in the same batches."""
PATHS: Final[dict[Wire, str]] = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


class Form(Struct, frozen=True):
    """Which fields a model's server takes. `top_logprobs` is how many it tells for each token, 0 for none."""

    wire: Wire = "openai"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    top_logprobs: int = 0
    temperature: bool = True


FORMS: Final[dict[Wire, tuple[Form, ...]]] = {
    "openai": (
        Form(top_logprobs=20),
        Form(top_logprobs=5),
        Form(limit="max_completion_tokens", top_logprobs=20),
        Form(limit="max_completion_tokens", top_logprobs=5),
        Form(),
        Form(limit="max_completion_tokens"),
        Form(limit="max_completion_tokens", temperature=False),
    ),
    "anthropic": (Form("anthropic"), Form("anthropic", temperature=False)),
}
"""What is tried in turn, the most telling first, until a server takes it."""


class Reading(Struct, frozen=True):
    """What an answer tells: its text, the chosen tokens with their log-probabilities, the likeliest at each place.

    `usage` is the server's own usage object, as it came.
    """

    text: str
    tokens: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    top: tuple[dict[str, float], ...] = ()
    model: str = ""
    fingerprint: str = ""
    finish: str = ""
    usage: Raw = Raw(b"null")


def body(form: Form, served_name: str, probe: Probe) -> bytes:
    """The request that puts a question to a server of this form."""
    asked: dict[str, Any] = {
        "model": served_name,
        "messages": [{"role": "user", "content": probe.prompt}],
        form.limit: probe.tokens,
    }
    if form.temperature:
        asked["temperature"] = probe.temperature
    if form.top_logprobs and probe.kind != "text":
        asked |= {"logprobs": True, "top_logprobs": form.top_logprobs}
    return msgspec.json.encode(asked)


def read(wire: Wire, answer: bytes) -> Reading:
    """What an answer tells; raises `ValueError` for one that is none of this wire's."""
    try:
        return _read_message(answer) if wire == "anthropic" else _read_chat(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise ValueError(
            f"the answer is no {'message' if wire == 'anthropic' else 'chat completion'}: {wrong}"
        ) from None


class _Alternative(Struct):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None


class _Token(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(Struct):
    content: list[_Token] | None = None


class _Message(Struct):
    content: str | None = None


class _Choice(Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Chat(Struct):
    choices: list[_Choice]
    model: str = ""
    system_fingerprint: str | None = None
    usage: Raw = Raw(b"null")


class _Block(Struct):
    type: str = ""
    text: str | None = None


class _Answer(Struct):
    content: list[_Block]
    model: str = ""
    stop_reason: str | None = None
    usage: Raw = Raw(b"null")


def _read_chat(answer: bytes) -> Reading:
    chat = msgspec.json.decode(answer, type=_Chat)
    if not chat.choices:
        raise ValueError("the answer has no choice")
    choice = chat.choices[0]
    told = (choice.logprobs.content if choice.logprobs else None) or []
    tokens = [one for one in told[:MAX_TOKENS_READ] if one.logprob is not None]
    return Reading(
        text=choice.message.content or "",
        tokens=tuple(map(_name, tokens)),
        logprobs=tuple(_value(one) for one in tokens),
        top=tuple(_alternatives(one.top_logprobs or [one]) for one in tokens),
        model=chat.model,
        fingerprint=chat.system_fingerprint or "",
        finish=choice.finish_reason or "",
        usage=chat.usage,
    )


def _read_message(answer: bytes) -> Reading:
    message = msgspec.json.decode(answer, type=_Answer)
    text = "".join(block.text or "" for block in message.content if block.type == "text")
    return Reading(text=text, model=message.model, finish=message.stop_reason or "", usage=message.usage)


def _alternatives(told: Sequence[_Alternative]) -> dict[str, float]:
    """Of two tokens that are written alike the likelier one."""
    found: dict[str, float] = {}
    for one in told[:MAX_TOP]:
        if one.logprob is not None:
            found[_name(one)] = max(found.get(_name(one), FLOOR), _value(one))
    return found


def _name(one: _Alternative) -> str:
    """Parts of a character are written alike by many servers; their bytes tell them apart."""
    if "�" in one.token and one.bytes:
        return "bytes:" + bytes(byte & 0xFF for byte in one.bytes).hex()
    return one.token


def _value(one: _Alternative) -> float:
    value = FLOOR if one.logprob is None or math.isnan(one.logprob) else one.logprob
    return max(FLOOR, min(0.0, value))
