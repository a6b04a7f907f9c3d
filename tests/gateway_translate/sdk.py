"""What the providers' own clients make of bytes: the judges of every stream that we write ourselves."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai

STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def _transport(data: bytes, headers: dict[str, str], status: int = 200) -> httpx2.Client:
    answer = httpx2.Response(status, headers=headers, content=data)
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))


def anthropic_client(data: bytes, headers: dict[str, str], status: int = 200) -> anthropic.Anthropic:
    """Anthropic's client, which gets these bytes for whatever it asks."""
    return anthropic.Anthropic(
        api_key="k", base_url="http://gateway", http_client=_transport(data, headers, status), max_retries=0
    )


def openai_client(data: bytes, headers: dict[str, str], status: int = 200) -> openai.OpenAI:
    """OpenAI's client, which gets these bytes for whatever it asks."""
    return openai.OpenAI(
        api_key="k", base_url="http://gateway/v1", http_client=_transport(data, headers, status), max_retries=0
    )


def streamed_message(data: bytes) -> dict[str, Any]:
    """The message that Anthropic's streaming helper puts together."""
    turns: Any = [{"role": "user", "content": "x"}]
    with (
        anthropic_client(data, STREAM) as client,
        client.messages.stream(model="m", max_tokens=9, messages=turns) as stream,
    ):
        return stream.get_final_message().to_dict()


def whole_message(data: bytes) -> dict[str, Any]:
    """The message that Anthropic's client reads."""
    turns: Any = [{"role": "user", "content": "x"}]
    with anthropic_client(data, JSON) as client:
        return client.messages.create(model="m", max_tokens=9, messages=turns).to_dict()


def streamed_chat(data: bytes) -> dict[str, Any]:
    """The chat completion that OpenAI's streaming helper puts together."""
    turns: Any = [{"role": "user", "content": "x"}]
    with openai_client(data, STREAM) as client:
        try:
            with client.chat.completions.stream(model="m", messages=turns) as stream:
                return stream.get_final_completion().to_dict()
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError) as ended:
            completion = getattr(ended, "completion", None)
            assert completion is not None
            return completion.to_dict()


def whole_chat(data: bytes) -> dict[str, Any]:
    """The chat completion that OpenAI's client reads."""
    turns: Any = [{"role": "user", "content": "x"}]
    with openai_client(data, JSON) as client:
        return client.chat.completions.create(model="m", messages=turns).to_dict()
