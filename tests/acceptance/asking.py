"""The same question asked by each provider's client of each API, answered in one piece or by the streaming helper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anthropic import Anthropic
from openai import OpenAI

MOST_TOKENS = 64


@dataclass(frozen=True)
class Place:
    """Whom to ask: a gateway's URL without `/v1`, and a key."""

    url: str
    key: str

    def openai(self) -> OpenAI:
        """OpenAI's client, which sends its key as a bearer token."""
        return OpenAI(base_url=self.url + "/v1", api_key=self.key, max_retries=0, timeout=60)

    def anthropic(self) -> Anthropic:
        """Anthropic's client, which sends its key as `x-api-key`."""
        return Anthropic(base_url=self.url, api_key=self.key, max_retries=0, timeout=60)


def chat(place: Place, model: str, text: str, *, stream: bool) -> str:
    """What OpenAI's client is answered to a chat."""
    asked: Any = {"model": model, "max_tokens": MOST_TOKENS, "messages": [{"role": "user", "content": text}]}
    with place.openai() as client:
        if not stream:
            return client.chat.completions.create(**asked).choices[0].message.content or ""
        with client.chat.completions.stream(**asked) as events:
            return events.get_final_completion().choices[0].message.content or ""


def response(place: Place, model: str, text: str, *, stream: bool) -> str:
    """What it is answered to a request for a response."""
    asked: Any = {"model": model, "max_output_tokens": MOST_TOKENS, "input": text}
    with place.openai() as client:
        if not stream:
            return client.responses.create(**asked).output_text
        with client.responses.stream(**asked) as events:
            return events.get_final_response().output_text


def message(place: Place, model: str, text: str, *, stream: bool) -> str:
    """What Anthropic's client is answered to a message."""
    asked: Any = {"model": model, "max_tokens": MOST_TOKENS, "messages": [{"role": "user", "content": text}]}
    with place.anthropic() as client:
        if not stream:
            return str(client.messages.create(**asked).content[0].to_dict()["text"])
        with client.messages.stream(**asked) as events:
            return events.get_final_text()
