"""`POST /v1/embeddings`."""

from __future__ import annotations

from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces import openai
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.surface import Asked, Edits


class Embeddings(Completions):
    """OpenAI embeddings: never streamed, nothing is sampled."""

    name = "embeddings"
    path = "/v1/embeddings"
    repeatable = True

    def read(self, body: bytes) -> Asked:
        """What the request asks for."""
        asked = super().read(body)
        if asked.stream:
            raise InvalidRequest(detail="`stream` is not available for embeddings; leave it out")
        return asked

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica: only the model changes."""
        return openai.splice_request(asked, edits, generates=False)
