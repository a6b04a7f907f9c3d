"""Failures as the providers' own clients meet them: never half an answer, never more requests than were declared.

Each failure comes after two good answers, so that no breaker opens.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.acceptance.asking import Place, chat, message, response
from tests.acceptance.running import RunningTrimtab
from tests.acceptance.scripted import ScriptedModel, Turn

STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
ASKED = pytest.mark.parametrize(
    ("ask", "wire"),
    [(chat, "openai"), (chat, "anthropic"), (response, "openai"), (message, "openai"), (message, "anthropic")],
)


@pytest.fixture
def place(scripted_gateway: RunningTrimtab) -> Place:
    """The gateway before the scripted model."""
    return Place(scripted_gateway.url, "none")


@STREAMS
@ASKED
def test_an_answer_that_breaks_off_is_an_error(
    place: Place, scripted: ScriptedModel, ask: Any, wire: str, stream: bool
) -> None:
    """The client raises its own error with our code, and gives no half of an answer."""
    whole = Turn("It is about billing.")
    scripted.plays(whole, whole, replace(whole, cut=True))
    for _ in range(2):
        assert ask(place, f"once-{wire}", "I was charged twice!", stream=stream) == whole.text
    with pytest.raises((openai.APIError, anthropic.APIStatusError)) as caught:
        ask(place, f"once-{wire}", "I was charged twice!", stream=stream)
    assert "upstream_truncated" in json.dumps(caught.value.body)
    assert len(scripted.asked) == 3


@STREAMS
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_clients_do_not_multiply_the_attempts(place: Place, scripted: ScriptedModel, wire: str, stream: bool) -> None:
    """A server that fails is asked as often as the task says, however often a client would try by itself."""
    asked: Any = {
        "model": f"once-{wire}",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": stream,
    }
    scripted.plays(*[Turn("Hello.")] * 4)
    with OpenAI(base_url=place.url + "/v1", api_key="none", max_retries=5) as client:
        for _ in range(4):
            client.chat.completions.create(**{**asked, "stream": False})
        with pytest.raises(openai.InternalServerError) as told:
            client.chat.completions.create(**asked)
    assert told.value.code == "upstream_error"
    with (
        Anthropic(base_url=place.url, api_key="none", max_retries=5) as messages,
        pytest.raises(anthropic.InternalServerError) as said,
    ):
        messages.messages.create(**asked)
    assert "upstream_error" in json.dumps(said.value.body)
    assert len(scripted.asked) == 6
