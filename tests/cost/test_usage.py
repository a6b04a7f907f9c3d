"""Usage objects of every dialect, with counts from published answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.cost.usage import estimate, from_anthropic, from_openai
from trimtab.record.events import Usage

PUBLISHED = {
    "openai, litellm issue 6215": (
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        Usage(input=86, cache_read=1920, output=300),
    ),
    "gemini through litellm, issue 14849": (
        {
            "total_tokens": 264704,
            "prompt_tokens": 262960,
            "completion_tokens": 1744,
            "prompt_tokens_details": {"text_tokens": 262960, "cached_tokens": 257955},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        Usage(input=5005, cache_read=257955, output=1744),
    ),
    "anthropic through litellm, issue 11364": (
        {
            "total_tokens": 103925,
            "prompt_tokens": 98805,
            "completion_tokens": 5120,
            "prompt_tokens_details": {"text_tokens": None, "cached_tokens": 66360, "cache_creation_tokens": 32435},
            "cache_read_input_tokens": 66360,
            "completion_tokens_details": {"text_tokens": None, "reasoning_tokens": 1710},
            "cache_creation_input_tokens": 32435,
        },
        Usage(input=10, cache_read=66360, cache_write=32435, output=5120, reasoning=1710),
    ),
    "anthropic through litellm without details or total, aider issue 5516": (
        {
            "prompt_tokens": 17111,
            "completion_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 17102,
        },
        Usage(input=9, cache_read=17102, output=5),
    ),
    "anthropic's own names, litellm issue 9812": (
        {
            "input_tokens": 3,
            "cache_creation_input_tokens": 12304,
            "cache_read_input_tokens": 0,
            "output_tokens": 550,
        },
        Usage(input=3, cache_write=12304, output=550),
    ),
    "a proxy that leaves anthropic's counts apart, told by the total": (
        {
            "prompt_tokens": 20000,
            "completion_tokens": 10,
            "total_tokens": 37112,
            "cache_read_input_tokens": 17102,
        },
        Usage(input=20000, cache_read=17102, output=10),
    ),
    "a proxy that leaves anthropic's counts apart, told by what would be negative": (
        {"prompt_tokens": 3, "completion_tokens": 550, "cache_creation_input_tokens": 12304},
        Usage(input=3, cache_write=12304, output=550),
    ),
    "openai responses names": (
        {
            "input_tokens": 125,
            "output_tokens": 48,
            "total_tokens": 173,
            "input_tokens_details": {"cached_tokens": 98},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
        Usage(input=27, cache_read=98, output=48),
    ),
    "vllm's responses, recorded": (
        {
            "input_tokens": 129,
            "input_tokens_details": {
                "cached_tokens": 128,
                "cache_write_tokens": 0,
                "input_tokens_per_turn": [],
                "cached_tokens_per_turn": [],
            },
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0, "tool_output_tokens": 0, "output_tokens_per_turn": []},
            "total_tokens": 131,
        },
        Usage(input=1, cache_read=128, output=2),
    ),
    "xai, prompt caching page": (
        {
            "prompt_tokens": 125,
            "completion_tokens": 48,
            "total_tokens": 173,
            "prompt_tokens_details": {"text_tokens": 125, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 98},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        Usage(input=27, cache_read=98, output=48),
    ),
    "xai reasoning outside completion, vercel/ai pull 12425": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 1,
            "total_tokens": 399,
            "completion_tokens_details": {"reasoning_tokens": 386},
        },
        Usage(input=12, output=387, reasoning=386),
    ),
    "gemini thinking and nothing else, CLIProxyAPI issue 5733": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "total_tokens": 81,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
        Usage(input=21, output=60, reasoning=60),
    ),
    "gemini thinking only in the total, any-llm issue 1290": (
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        Usage(input=20, output=603, reasoning=405),
    ),
    "deepseek": (
        {
            "prompt_tokens": 80,
            "completion_tokens": 7,
            "total_tokens": 87,
            "prompt_cache_hit_tokens": 50,
            "prompt_cache_miss_tokens": 30,
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
        Usage(input=30, cache_read=50, output=7, reasoning=4),
    ),
    "openrouter, usage accounting page": (
        {
            "completion_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost": 0.95,
            "cost_details": {"upstream_inference_cost": 19},
            "prompt_tokens": 194,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100, "audio_tokens": 0},
            "total_tokens": 196,
        },
        Usage(input=94, cache_write=100, output=2),
    ),
    "moonshot": (
        {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "cached_tokens": 60},
        Usage(input=40, cache_read=60, output=5),
    ),
    "vllm without --enable-prompt-tokens-details": (
        {"prompt_tokens": 1652, "total_tokens": 1678, "completion_tokens": 26, "prompt_tokens_details": None},
        Usage(input=1652, output=26),
    ),
    "sglang": (
        {
            "prompt_tokens": 9,
            "total_tokens": 29,
            "completion_tokens": 20,
            "prompt_tokens_details": None,
            "reasoning_tokens": 15,
        },
        Usage(input=9, output=20, reasoning=15),
    ),
    "openai embeddings": ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
    "openai audio": (
        {
            "prompt_tokens": 33,
            "completion_tokens": 90,
            "total_tokens": 123,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 13},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 71},
        },
        Usage(input=33, output=90, modalities={"input_audio": 13, "output_audio": 71}),
    ),
}


@pytest.mark.parametrize("told, expected", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_dialects_become_disjoint_classes(told, expected):
    """Every known dialect is read as what its own documents say it means."""
    assert from_openai(json.dumps(told).encode()) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b"{",
        b'{"completion_tokens": 4}',
        b'{"prompt_tokens": -1, "completion_tokens": 4}',
        b'{"prompt_tokens": "9", "completion_tokens": 4}',
        b'{"prompt_tokens": 9.5, "completion_tokens": 4}',
        b'{"prompt_tokens": 99999999999999999999}',
        b'{"prompt_tokens": 9, "prompt_tokens_details": 3}',
        b'{"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 12}',
        b'{"prompt_tokens": 9, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 10}}',
        b'{"prompt_tokens": 9, "cache_read_input_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}',
        b'{"prompt_tokens": 9, "prompt_cache_hit_tokens": 3, "prompt_cache_miss_tokens": 3}',
        b'{"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "reasoning_tokens": 40}',
        b'{"prompt_tokens": "\xff"}',
    ],
)
def test_counts_that_fit_no_reading_are_not_guessed_at(raw):
    """A malformed, negative or contradictory usage object counts as none at all."""
    assert from_openai(raw) is None


counts = st.one_of(st.none(), st.integers(0, 50), st.integers())
details = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens"]), counts
    ),
)
objects = st.dictionaries(
    st.sampled_from(
        [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "reasoning_tokens",
            "prompt_cache_hit_tokens",
            "prompt_cache_miss_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        ]
    ),
    counts,
)


@given(objects, details, details)
def test_classes_are_never_negative_and_add_up_to_the_total(told, prompt, completion):
    """Whatever a server says, classes are not negative, reasoning is part of the output, and a total is kept to."""
    told = told | {"prompt_tokens_details": prompt, "completion_tokens_details": completion}
    usage = from_openai(json.dumps(told).encode())
    if usage is not None:
        assert min(usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning) >= 0
        assert usage.reasoning <= usage.output
        if told.get("total_tokens"):
            assert usage.input + usage.cache_read + usage.cache_write + usage.output == told["total_tokens"]


@given(st.binary(max_size=200))
def test_any_bytes_are_usage_or_none(raw):
    """Bytes from a server never raise."""
    assert from_openai(raw) is None or isinstance(from_openai(raw), Usage)


def test_missing_usage_is_estimated_at_four_bytes_a_token():
    """Bytes become tokens, rounded up, and nothing stays nothing."""
    assert estimate(1001, 8) == Usage(input=251, output=2)
    assert estimate(0, 0) == Usage()


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.none() | st.integers(0, 10**6), st.integers(-2, 2))
def test_the_usual_case_is_read_as_any_other(prompt: int, completion: int, cached: int | None, off: int) -> None:
    """An empty detail, which says nothing, changes nothing: three plain counts are read by the same rules."""
    total = max(0, prompt + completion + off)
    plain: dict[str, object] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    if cached is not None:
        plain["prompt_tokens_details"] = {"cached_tokens": cached}
    roundabout = {**plain, "completion_tokens_details": {}}
    assert from_openai(json.dumps(plain).encode()) == from_openai(json.dumps(roundabout).encode())


MESSAGES = {
    "the API reference's example of caching": (
        [
            {
                "input_tokens": 2048,
                "cache_read_input_tokens": 1800,
                "cache_creation_input_tokens": 248,
                "output_tokens": 503,
                "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
            }
        ],
        Usage(input=2048, cache_read=1800, cache_write=248, output=503, modalities={"cache_write_1h": 100}),
    ),
    "five minutes only": (
        [{"input_tokens": 3, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 9}}],
        Usage(input=3, cache_write=9, output=1),
    ),
    "a stream: its end replaces what its start told": (
        [
            {"input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 7},
            {"output_tokens": 15, "cache_read_input_tokens": None},
        ],
        Usage(input=25, cache_read=7, output=15),
    ),
    "a stream of vLLM": (
        [
            {"input_tokens": 51, "output_tokens": 0},
            {
                "input_tokens": 35,
                "output_tokens": 28,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 16,
            },
        ],
        Usage(input=35, cache_read=16, output=28),
    ),
    "thinking is part of the output": (
        [{"input_tokens": 5, "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 60}}],
        Usage(input=5, output=90, reasoning=60),
    ),
    "a total that outgrew its split": (
        [
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_1h_input_tokens": 10},
            },
            {"output_tokens": 2, "cache_creation_input_tokens": 30},
        ],
        Usage(input=1, cache_write=30, output=2),
    ),
    "nothing of the output": ([{"input_tokens": 5}], None),
    "more thinking than output": (
        [{"input_tokens": 5, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}}],
        None,
    ),
    "no object": ([None], None),
    "a count below zero": ([{"input_tokens": -5, "output_tokens": 1}], None),
}


@pytest.mark.parametrize(("told", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_usage_of_messages(told: list[object], expected: Usage | None) -> None:
    """Anthropic's counts exclude each other, and the last one told counts."""
    assert from_anthropic(*(json.dumps(part).encode() for part in told)) == expected
