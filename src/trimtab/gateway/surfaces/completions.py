"""`POST /v1/completions`."""

from __future__ import annotations

from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces import openai
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.surface import Asked


class Completions(ChatCompletions):
    """OpenAI's text completions: the chat surface without messages."""

    name = "completions"
    path = "/v1/completions"

    def read(self, body: bytes) -> Asked:
        """What the request asks for; a prompt of ours needs messages, so inputs are refused."""
        asked = openai.read_request(body)
        if asked.inputs is not None:
            raise InvalidRequest(detail="`trimtab.inputs` needs messages; use /v1/chat/completions")
        return asked
