"""The `openai` client's chats on a vLLM that is reached over Anthropic's wire: what can be carried means the same."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.acceptance import test_openai_client as direct
from tests.acceptance.conftest import Target
from tests.acceptance.test_openai_client import EXTRACT, EXTRACTED, chat

pytestmark = pytest.mark.engine

__all__ = ["chat"]  # its fixture, for the tests below

test_a_chat_is_answered = direct.test_a_chat_is_answered
test_the_async_client_is_answered_too = direct.test_the_async_client_is_answered_too
test_models_are_listed = direct.test_models_are_listed
test_text_parts_are_joined = direct.test_text_parts_are_joined
test_a_stream_says_what_the_answer_says = direct.test_a_stream_says_what_the_answer_says
test_a_stream_has_its_usage_when_asked = direct.test_a_stream_has_its_usage_when_asked
test_async_streams_do_not_mix = direct.test_async_streams_do_not_mix
test_a_tool_is_called = direct.test_a_tool_is_called
test_a_tool_call_is_streamed = direct.test_a_tool_call_is_streamed
test_a_tool_call_is_streamed_to_the_async_client = direct.test_a_tool_call_is_streamed_to_the_async_client
test_the_answer_to_a_call_goes_back = direct.test_the_answer_to_a_call_goes_back
test_tool_choice_none_calls_nothing = direct.test_tool_choice_none_calls_nothing
test_tool_choice_required_calls_one = direct.test_tool_choice_required_calls_one
test_a_named_tool_is_called = direct.test_a_named_tool_is_called
test_no_logprobs_unasked = direct.test_no_logprobs_unasked
test_a_stop_string_cuts_the_answer = direct.test_a_stop_string_cuts_the_answer
test_the_length_is_limited = direct.test_the_length_is_limited
test_a_mistake_is_the_clients_own_error = direct.test_a_mistake_is_the_clients_own_error
test_a_mistake_is_the_async_clients_error_too = direct.test_a_mistake_is_the_async_clients_error_too


@pytest.fixture(scope="session")
def target(vllm_messages: Target) -> Target:
    """VLLM over Anthropic's wire."""
    return vllm_messages


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("logprobs", {"logprobs": True}),
        ("n", {"n": 2}),
        ("logit_bias", {"logit_bias": {"2": 100}}),
        ("seed", {"seed": 7}),
        ("temperature", {"temperature": 2.0}),
        ("frequency_penalty", {"frequency_penalty": 1.0}),
        ("ignore_eos", {"extra_body": {"ignore_eos": True}}),
        ("response_format", {"response_format": {"type": "json_object"}}),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(chat: Any, name: str, fields: dict[str, Any], stream: bool) -> None:
    """The client's own error, with our code, before anything was sent."""
    with pytest.raises(openai.BadRequestError, match=f"`{name}` cannot be carried") as caught:
        chat(stream=stream, **fields)
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("model", ["jobs-messages", "jobs-small"])
def test_other_routes_say_where_they_go(client: OpenAI, model: str) -> None:
    """A text is completed where the model's wire has such a route, and refused with a reason where not."""
    if model == "jobs-small":
        assert client.completions.create(model=model, prompt="my lamp", max_tokens=3).choices[0].text
        return
    with pytest.raises(openai.BadRequestError, match="jobs-messages") as caught:
        client.completions.create(model=model, prompt="my lamp", max_tokens=3)
    assert caught.value.code == "invalid_request"


def test_asking_for_what_happens_anyway_is_no_reason(chat: Any) -> None:
    """Defaults that a client library spells out pass."""
    answer = chat(EXTRACT, n=1, logprobs=False, presence_penalty=0, parallel_tool_calls=True, user="ada")
    assert answer.choices[0].message.content == EXTRACTED
