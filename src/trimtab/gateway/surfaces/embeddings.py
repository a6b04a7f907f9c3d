"""`POST /v1/embeddings`."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces.chat import OpenAIWire
from trimtab.gateway.surfaces.chat_history import TextHistory
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.surface import Asked, History, Wire


class Embeddings(Completions):
    """OpenAI embeddings: never streamed, nothing is sampled."""

    name = "embeddings"
    path = "/v1/embeddings"
    repeatable = True
    wires: Mapping[str, Wire] = {"openai": OpenAIWire("embeddings")}
    history: History | None = TextHistory("input")

    def read(self, body: bytes) -> Asked:
        """What the request asks for."""
        asked = super().read(body)
        if asked.stream:
            raise InvalidRequest(detail="`stream` is not available for embeddings; leave it out")
        return asked
