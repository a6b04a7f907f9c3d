"""`POST /v1/completions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.contracts.reply import Reply
from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces import openai
from trimtab.gateway.surfaces.chat import ChatCompletions, OpenAIWire
from trimtab.gateway.surfaces.chat_history import TextHistory
from trimtab.gateway.surfaces.surface import Asked, History, Wire


class Completions(ChatCompletions):
    """OpenAI's text completions: the chat surface without messages and tools."""

    name = "completions"
    path = "/v1/completions"
    wires: Mapping[str, Wire] = {"openai": OpenAIWire("text")}
    history: History | None = TextHistory("prompt")

    def read(self, body: bytes) -> Asked:
        """What the request asks for; a prompt of ours needs messages, so inputs are refused."""
        asked = openai.read_request(body)
        if asked.inputs is not None:
            raise InvalidRequest(detail="`trimtab.inputs` needs messages; use /v1/chat/completions")
        return asked

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """The same request: a text has no turns in which the model could be told, so it is sampled again."""
        return asked
