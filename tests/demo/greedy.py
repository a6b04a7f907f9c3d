"""The 200 prompts on which the demo engine must write what vLLM writes, and the recording of what vLLM wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.demo.jobs import JOBS, SYSTEM, TOOLS, JobGenerator

RECORDING = Path(__file__).parent / "vllm_greedy.jsonl"
MODELS = ("jobs-small", "jobs-mid")
MAX_TOKENS = 64
TIE = 1e-3  # a difference between the two best logits below which either token is right

OWN_WORDS = [
    "Where is my parcel?",
    "hello, my new phone is not working at all",
    "You charged me twice!!",
    "Ich möchte mein Geld zurück, bitte.",
    "¿Cuándo llega mi pedido?",
    "注文した商品が届きません",
    "forgot the password of my account, help 🙏",
    "do you sell bicycles in Reykjavík",
    "the invoice is wrong; the refund is late; the app is down",
    "cancel",
    "I'd like 3 desks, what's the price for an office of 40 people?",
    "Ошибка 500 при входе",
    "my café's printer prints naïve garbage",
    "   leading spaces and\ttabs\nand a second line",
    '{"name": "Ada"}',
    "<tool_call>",
    "please please please please please please please refund",
    "ORDER 66",
    "a",
    'the courier wrote: "left at door" but there is no door',
]


@dataclass(frozen=True)
class Prompt:
    """One chat request: its messages and the tools it offers, if any."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Recorded:
    """What vLLM wrote for one prompt with one model at temperature 0.

    `top2` holds the two largest log-probabilities of each step, rounded to 4 places.
    """

    model: str
    prompt: str
    ids: list[int]
    top2: list[list[float]]

    def ties(self) -> set[int]:
        """The steps at which the two best tokens lie within TIE (widened by the rounding of the recording)."""
        return {step for step, (first, second) in enumerate(self.top2) if first - second < TIE + 1e-4}


def prompts() -> list[Prompt]:
    """200 prompts: all jobs with known, held-out and invented words, tool results, and people's own words."""
    sources = [
        JobGenerator(71, "test", heldout_words=False),
        JobGenerator(72, "test", heldout_words=True),
        JobGenerator(73, "train", pseudo=0.5),
    ]
    made = [source.sample(job) for _ in range(16) for source in sources for job in JOBS]  # 144
    several = [Prompt(list(example.messages), example.tools) for example in made]
    several += [_after_a_tool_result(sources[0]) for _ in range(16)]
    several += [Prompt([_says("system", SYSTEM["route"]), _says("user", text)]) for text in OWN_WORDS]
    several += [Prompt([_says("user", text)]) for text in OWN_WORDS]
    return several


def _after_a_tool_result(source: JobGenerator) -> Prompt:
    first, second = source.sample("tool"), source.sample("tool")
    call = json.loads(first.answer.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    called = [{"id": "call_1", "type": "function", "function": function}]
    history: list[dict[str, Any]] = [
        *first.messages,
        {"role": "assistant", "content": None, "tool_calls": called},
        {"role": "tool", "tool_call_id": "call_1", "content": "none"},
        second.messages[-1],
    ]
    return Prompt(history, TOOLS)


def _says(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def digest(prompt_ids: Sequence[int]) -> str:
    """16 hexadecimal digits that stand for a prompt's token ids."""
    return hashlib.blake2s(json.dumps(list(prompt_ids)).encode(), digest_size=8).hexdigest()


def recorded(path: Path = RECORDING) -> list[Recorded]:
    """The recording, in the order of `MODELS` and, within a model, of `prompts()`."""
    return [Recorded(**json.loads(line)) for line in path.read_text().splitlines()]


def write_recording(lines: Sequence[Recorded], path: Path = RECORDING) -> None:
    """Keep what vLLM wrote, one line for each prompt and model."""
    dumped = (json.dumps(vars(line), separators=(",", ":")) for line in lines)
    path.write_text("".join(line + "\n" for line in dumped))
