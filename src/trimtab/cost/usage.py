"""Usage objects of every dialect of the OpenAI wire and of Anthropic's, normalised once into disjoint classes.

Servers disagree on what their counts contain, and the same names are used for both meanings. What is read, and as what:

| who | says | means |
|---|---|---|
| OpenAI, vLLM, SGLang, xAI, OpenRouter | `prompt_tokens_details.cached_tokens` | part of `prompt_tokens` |
| OpenRouter, LiteLLM | `prompt_tokens_details.cache_write_tokens`, `cache_creation_tokens` | part of `prompt_tokens` |
| DeepSeek | `prompt_cache_hit_tokens` + `prompt_cache_miss_tokens` | together `prompt_tokens` |
| Moonshot | `cached_tokens` at the top | part of `prompt_tokens` |
| LiteLLM | `cache_read_input_tokens`, `cache_creation_input_tokens` by `prompt_tokens` | part of it (aider #5516) |
| other proxies of Anthropic | the same names | on top of `prompt_tokens` |
| Anthropic | the same names beside `input_tokens` | on top of `input_tokens` |
| OpenAI, DeepSeek, vLLM | `completion_tokens_details.reasoning_tokens` | part of `completion_tokens` |
| xAI; Gemini through proxies | the same name | on top of `completion_tokens` (vercel/ai pull 12425) |
| Gemini | nothing but a `total_tokens` that is too large | the rest was thinking (mozilla-ai/any-llm issue 1290) |
| SGLang | `reasoning_tokens` at the top | part of `completion_tokens` |
| embeddings | `prompt_tokens` alone | input |

Where one name has two meanings, `total_tokens` decides: the reading whose classes add up to it is taken. Without a
total the first reading in which no class is negative is taken, counts inside counts first. Numbers that fit no reading
are not guessed at: the answer is None, and the caller estimates and says so.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from trimtab.record.events import Usage

BYTES_PER_TOKEN = 4

Count = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None


class PromptDetails(Struct):
    """What is told of the tokens of a prompt."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_tokens: Count = None
    cache_creation_input_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    video_tokens: Count = None


class CompletionDetails(Struct):
    """What is told of the tokens of an answer."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    video_tokens: Count = None


class UsageObject(Struct):
    """Every field of a usage object that is read."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    input_tokens: Count = None
    output_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    input_tokens_details: PromptDetails | None = None
    output_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None
    prompt_cache_miss_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cached_tokens: Count = None
    reasoning_tokens: Count = None


class CacheCreation(Struct):
    """Anthropic's split of the tokens written to its cache, by how long they stay there."""

    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class ThinkingDetails(Struct):
    """What Anthropic tells of the tokens of an answer."""

    thinking_tokens: Count = None


class MessagesUsage(Struct):
    """Every field of a usage object of Anthropic's messages that is read."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: ThinkingDetails | None = None


class Told(NamedTuple):
    """The counts of one usage object, whatever they contain."""

    prompt: int
    cache_read: int
    cache_write: int
    completion: int
    reasoning: int
    total: int


NO_PROMPT_DETAILS = PromptDetails()
NO_COMPLETION_DETAILS = CompletionDetails()

_decoder = msgspec.json.Decoder(UsageObject)
_messages_decoder = msgspec.json.Decoder(MessagesUsage | None)


def from_openai(raw: Raw | bytes) -> Usage | None:
    """The usage object of chat, completions or embeddings; None for one that is malformed or contradicts itself."""
    try:
        told = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return _plain(told) or _any_dialect(told)


def from_anthropic(*told: Raw | bytes) -> Usage | None:
    """The usage of a message from the usage objects it was told in, first to last; None if they cannot be read.

    A stream tells it twice: at its start, and with its end, where a count that is there replaces the earlier one.
    `input_tokens` excludes what the cache gave and took. Tokens written for an hour cost more than those written for
    five minutes, so they are named in `modalities`; both are in `cache_write`.
    Source: the Anthropic API reference (messages, `usage`).
    """
    last: dict[str, int] = {}
    for raw in told:
        try:
            usage = _messages_decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        last |= _messages_counts(usage) if usage is not None else {}
    if "input" not in last or "output" not in last:
        return None
    short, long = last.get("write_5m", 0), last.get("write_1h", 0)
    written = last.get("write", short + long)
    reasoning = last.get("reasoning", 0)
    if reasoning > last["output"]:
        return None
    split = {"cache_write_1h": long} if long and short + long == written else {}
    return Usage(last["input"], last.get("read", 0), written, last["output"], reasoning, split)


def _messages_counts(usage: MessagesUsage) -> dict[str, int]:
    written, details = usage.cache_creation or CacheCreation(), usage.output_tokens_details or ThinkingDetails()
    counts = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "read": usage.cache_read_input_tokens,
        "write": usage.cache_creation_input_tokens,
        "write_5m": written.ephemeral_5m_input_tokens,
        "write_1h": written.ephemeral_1h_input_tokens,
        "reasoning": details.thinking_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _plain(told: UsageObject) -> Usage | None:
    """What OpenAI's three counts and `cached_tokens` say, if nothing else is told and they add up: the usual case."""
    prompt, completion, details = told.prompt_tokens, told.completion_tokens, told.prompt_tokens_details
    cached = None if details is None else details.cached_tokens
    expected = UsageObject(
        prompt, completion, told.total_tokens, prompt_tokens_details=None if details is None else PromptDetails(cached)
    )
    if prompt is None or completion is None or told.total_tokens != prompt + completion or told != expected:
        return None
    cached = cached or 0
    return Usage(prompt - cached, cached, 0, completion) if cached <= prompt else None


def _any_dialect(told: UsageObject) -> Usage | None:
    prompt_details = told.prompt_tokens_details or told.input_tokens_details
    completion_details = told.completion_tokens_details or told.output_tokens_details
    counts = _counts(told, prompt_details or NO_PROMPT_DETAILS, completion_details or NO_COMPLETION_DETAILS)
    if counts is None:
        return None
    anthropic = told.prompt_tokens is None and told.input_tokens_details is None
    usage = _read(counts, cache_may_be_inside=not anthropic)
    if usage is None or (prompt_details is None and completion_details is None):
        return usage
    modalities = _modalities(prompt_details or NO_PROMPT_DETAILS, completion_details or NO_COMPLETION_DETAILS)
    return msgspec.structs.replace(usage, modalities=modalities) if modalities else usage


def estimate(request_bytes: int, response_text_bytes: int) -> Usage:
    """Tokens of a call whose usage was not told: four bytes each, rounded up. Its cost is labelled `estimated`."""
    return Usage(input=-(-request_bytes // BYTES_PER_TOKEN), output=-(-response_text_bytes // BYTES_PER_TOKEN))


def _counts(told: UsageObject, prompt_details: PromptDetails, completion_details: CompletionDetails) -> Told | None:
    """The counts by what they are called; None where two fields say different things of the same."""
    prompt = _agreed(told.prompt_tokens, told.input_tokens)
    hit, miss = told.prompt_cache_hit_tokens, told.prompt_cache_miss_tokens
    if hit is not None and miss is not None:
        prompt = _agreed(prompt, hit + miss)
    cache_read = _agreed(prompt_details.cached_tokens, told.cache_read_input_tokens, told.cached_tokens, hit)
    cache_write = _agreed(
        prompt_details.cache_write_tokens,
        prompt_details.cache_creation_tokens,
        prompt_details.cache_creation_input_tokens,
        told.cache_creation_input_tokens,
    )
    completion = _agreed(told.completion_tokens, told.output_tokens)
    reasoning = _agreed(completion_details.reasoning_tokens, told.reasoning_tokens)
    named = told.prompt_tokens is not None or told.input_tokens is not None or hit is not None
    if not named or None in (prompt, cache_read, cache_write, completion, reasoning):
        return None
    return Told(prompt or 0, cache_read or 0, cache_write or 0, completion or 0, reasoning or 0, told.total_tokens or 0)


def _agreed(*counts: int | None) -> int | None:
    """The one count above zero, 0 if there is none, None if there are two different ones."""
    agreed = 0
    for count in counts:
        if count:
            if agreed not in {0, count}:
                return None
            agreed = count
    return agreed


def _read(told: Told, *, cache_may_be_inside: bool) -> Usage | None:
    """The first reading of the counts in which no class is negative and the sum is the total that was told."""
    cached = told.cache_read + told.cache_write
    for cache_inside in (True, False):
        if cache_inside and cached and not cache_may_be_inside:
            continue
        prompt = told.prompt if cache_inside else told.prompt + cached
        for reasoning_inside in (True, False):
            output = told.completion if reasoning_inside else told.completion + told.reasoning
            fits = prompt >= cached and output >= told.reasoning
            if fits and told.total in {0, prompt + output}:
                return Usage(prompt - cached, told.cache_read, told.cache_write, output, told.reasoning)
    thinking = told.total - told.prompt - told.completion
    if thinking > 0 and not told.reasoning and told.completion and told.prompt >= cached:
        uncached = told.prompt - cached
        return Usage(uncached, told.cache_read, told.cache_write, told.completion + thinking, thinking)
    return None


def _modalities(prompt: PromptDetails, completion: CompletionDetails) -> dict[str, int]:
    told = {
        "input_audio": prompt.audio_tokens,
        "input_image": prompt.image_tokens,
        "input_video": prompt.video_tokens,
        "output_audio": completion.audio_tokens,
        "output_image": completion.image_tokens,
        "output_video": completion.video_tokens,
    }
    return {name: count for name, count in told.items() if count}
