"""Questions as each wire takes them, and answers read for what they tell, whatever else is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.lock.identity_probes import EXACT, FIRST, FLOOR, FORMS, LOAD, TEXT, Form, body, read

TOKENS = [
    {
        "token": "Yes",
        "logprob": -0.25,
        "bytes": [89, 101, 115],
        "top_logprobs": [{"token": "Yes", "logprob": -0.25}, {"token": "No", "logprob": -1.5}],
    },
    {"token": "!", "logprob": -2.0, "top_logprobs": [{"token": "!", "logprob": -2.0}]},
]


def chat(tokens: Any = None, **more: Any) -> bytes:
    choice = {
        "message": {"role": "assistant", "content": "Yes!"},
        "finish_reason": "stop",
        "logprobs": None if tokens is None else {"content": tokens},
    }
    return json.dumps({"model": "m-2026-01-01", "choices": [choice], **more}).encode()


def test_a_first_token_is_asked_for_with_its_likeliest_others() -> None:
    """One token, greedy, with as many log-probabilities as the form has."""
    assert json.loads(body(Form(top_logprobs=5), "m", FIRST[0])) == {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 5,
    }


def test_a_text_is_drawn_without_probabilities() -> None:
    """A sampled text is asked for at temperature 1; its tokens' probabilities would only cost."""
    asked = json.loads(body(Form(top_logprobs=5), "m", TEXT[0]))
    assert asked["temperature"] == 1.0
    assert "logprobs" not in asked


def test_a_server_that_takes_no_temperature_is_sent_none() -> None:
    """The field is left out, and the limit bears the name that the form has."""
    asked = json.loads(body(Form(limit="max_completion_tokens", temperature=False), "m", EXACT[0]))
    assert set(asked) == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("wire", FORMS)
def test_the_most_telling_form_is_tried_first(wire: Any) -> None:
    """Forms are of their wire, and none before another tells less."""
    told = [form.top_logprobs > 0 for form in FORMS[wire]]
    assert {form.wire for form in FORMS[wire]} == {wire}
    assert told == sorted(told, reverse=True)


def test_prompts_are_different() -> None:
    """A prompt names its probe, so that no two are alike, and load is none of them."""
    prompts = [probe.prompt for probe in (*EXACT, *FIRST, *TEXT, *LOAD)]
    assert len(set(prompts)) == len(prompts)


def test_a_chat_is_read() -> None:
    """Text, tokens, the likeliest at each place, who answered and what it cost."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    reading = read("openai", chat(TOKENS, system_fingerprint="fp_1", usage=usage))
    assert reading.text == "Yes!"
    assert reading.tokens == ("Yes", "!")
    assert reading.logprobs == (-0.25, -2.0)
    assert reading.top == ({"Yes": -0.25, "No": -1.5}, {"!": -2.0})
    assert (reading.model, reading.fingerprint, reading.finish) == ("m-2026-01-01", "fp_1", "stop")
    assert json.loads(bytes(reading.usage)) == usage


def test_what_is_not_told_is_empty() -> None:
    """Without log-probabilities and fingerprint there is the text."""
    reading = read("openai", chat(system_fingerprint=None))
    assert (reading.tokens, reading.top, reading.fingerprint) == ((), (), "")


def test_parts_of_a_character_are_told_apart_by_their_bytes() -> None:
    """Two halves of letters are both written as a replacement character, and are two tokens all the same."""
    halves = [
        {"token": "�", "logprob": -1.0, "bytes": [195]},
        {"token": "�", "logprob": -2.0, "bytes": [196]},
    ]
    told = [{"token": "�", "logprob": -1.0, "bytes": [195], "top_logprobs": halves}]
    assert read("openai", chat(told)).top == ({"bytes:c3": -1.0, "bytes:c4": -2.0},)


def test_of_two_tokens_written_alike_the_likelier_counts() -> None:
    """Servers that tell no bytes may list a text twice."""
    alike = [{"token": "a", "logprob": -3.0}, {"token": "a", "logprob": -1.0}]
    told = [{"token": "a", "logprob": -1.0, "top_logprobs": alike}]
    assert read("openai", chat(told)).top == ({"a": -1.0},)


@pytest.mark.parametrize(("told", "taken"), [(-9999.0, FLOOR), (0.0, 0.0), (1e-9, 0.0)])
def test_log_probabilities_stay_in_bounds(told: float, taken: float) -> None:
    """Minus infinity is written in several ways; a rounding above zero is zero."""
    assert read("openai", chat([{"token": "a", "logprob": told}])).logprobs == (taken,)


def test_a_message_is_read() -> None:
    """Its text blocks together; there are no probabilities on that wire."""
    blocks = [{"type": "text", "text": "Yes"}, {"type": "tool_use"}, {"type": "text", "text": "!"}]
    answer = {"content": blocks, "model": "claude-x", "stop_reason": "end_turn", "usage": {"input_tokens": 4}}
    reading = read("anthropic", json.dumps(answer).encode())
    assert (reading.text, reading.model, reading.finish, reading.tokens) == ("Yes!", "claude-x", "end_turn", ())


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"choices": []}', b'{"choices": [{}]}', b"\xff", b"[" * 9999])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_what_is_no_answer_is_refused(wire: Any, answer: bytes) -> None:
    """Nothing but an answer of the wire is read as one."""
    with pytest.raises(ValueError, match="answer"):
        read(wire, answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "logprobs", "token", "logprob", "top_logprobs", "model"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.one_of(st.binary(max_size=200), json_values.map(lambda value: json.dumps(value).encode())))
def test_foreign_bytes_are_read_or_refused(answer: bytes) -> None:
    """Whatever a server sends is a reading with values in bounds, or a `ValueError`."""
    for wire in ("openai", "anthropic"):
        try:
            reading = read(wire, answer)  # type: ignore[arg-type]
        except ValueError:
            continue
        assert all(FLOOR <= value <= 0 for value in reading.logprobs)
