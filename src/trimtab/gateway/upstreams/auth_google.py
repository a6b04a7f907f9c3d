"""Google Cloud: OAuth access tokens by google-auth, and the URLs of Vertex AI.

https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude and
https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Raw

from trimtab.clock import Clock
from trimtab.declare.project import Model
from trimtab.gateway.upstreams.renewal import Fetched, NotFetched, Renewed

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
RENEW_BEFORE_S: Final = 240.0
"""Metadata servers give the same token again until five minutes before it expires."""
TIMEOUT_S: Final = 10.0
OTHER_FILE: Final = (
    "the file holds neither a service account nor an authorized user; name it in GOOGLE_APPLICATION_CREDENTIALS instead"
)
VERTEX_VERSION: Final = Raw(b'"vertex-2023-10-16"')
MESSAGES: Final = "/v1/messages"
COUNT_TOKENS: Final = "/v1/messages/count_tokens"


class Token(NamedTuple):
    """An access token, and the project whose quota is used ("" for the credentials' own)."""

    token: str
    quota_project: str

    def __repr__(self) -> str:
        return "Token(...)"


class GoogleToken:
    """Fetches a token with the credentials in a file, or with those that Google's own tools would use here."""

    def __init__(self, credentials: str | None, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def __call__(self) -> Fetched[Token]:
        """A fresh token; raises `NotFetched`."""
        try:
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - an extra, and slow to import
            from google.auth.transport.urllib3 import Request  # noqa: PLC0415
            from urllib3 import PoolManager, Timeout  # noqa: PLC0415
        except ImportError:
            raise NotFetched('run pip install "trimtab[google]"') from None
        try:
            credentials = self._load()
            with PoolManager(timeout=Timeout(TIMEOUT_S)) as pool:
                credentials.refresh(Request(pool))
        except (GoogleAuthError, OSError, ValueError) as failure:
            raise NotFetched(type(failure).__name__) from None
        if not credentials.token or credentials.expiry is None:
            raise NotFetched("no token came")
        now = datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC)
        lasts_s = (credentials.expiry.replace(tzinfo=UTC) - now).total_seconds()
        token = Token(credentials.token, getattr(credentials, "quota_project_id", None) or "")
        return Fetched(token, lasts_s, max(lasts_s - RENEW_BEFORE_S, lasts_s / 2))

    def _load(self) -> Any:
        """The credentials, read again each time, so that a changed file counts."""
        import google.auth  # noqa: PLC0415
        from google.oauth2 import credentials, service_account  # noqa: PLC0415

        if self._credentials is None:
            return google.auth.default(scopes=[SCOPE])[0]
        written = json.loads(Path(self._credentials).read_bytes())
        kind = written.get("type") if isinstance(written, dict) else None
        if kind == "service_account":
            return service_account.Credentials.from_service_account_info(written, scopes=[SCOPE])
        if kind == "authorized_user":
            return credentials.Credentials.from_authorized_user_info(written, scopes=[SCOPE])
        raise NotFetched(OTHER_FILE)

    def __repr__(self) -> str:
        return f"GoogleToken({self._credentials or 'the environment'})"


class GoogleSigner:
    """Sends the token; with a project, asks for the models that Vertex serves in a region.

    On the Anthropic wire the URL names the model, and whether the answer is streamed; the body says which version of
    the wire it is. On OpenAI's, the body's model says who publishes it, as in `google/gemini-2.5-flash`.
    """

    __slots__ = ("_anthropic", "_model", "_place", "_token")

    def __init__(self, model: Model, token: Renewed[Token]) -> None:
        auth = model.auth
        self._anthropic = model.wire == "anthropic"
        self._model = quote(model.served_name, safe="@")
        self._place = f"/v1/projects/{auth.project}/locations/{auth.region}" if auth.project else ""
        self._token = token

    def target(self, path: str, *, stream: bool) -> str:
        """Vertex's path for a path of the wire; any other path, and every path without a project, is left as it is."""
        plain = path.partition("?")[0]
        if not self._place:
            return path
        if not self._anthropic:
            return f"{self._place}/endpoints/openapi/{path[len('/v1/') :]}" if path.startswith("/v1/") else path
        models = f"{self._place}/publishers/anthropic/models"
        if plain == COUNT_TOKENS:
            return f"{models}/count-tokens:rawPredict"
        return f"{models}/{self._model}:{'streamRawPredict' if stream else 'rawPredict'}" if plain == MESSAGES else path

    def body(self, path: str, body: bytes) -> bytes:
        """On the Anthropic wire, with the version in it, and without the model where the URL names that."""
        plain = path.partition("?")[0]
        if not self._anthropic or plain not in {MESSAGES, COUNT_TOKENS}:
            return body
        fields = msgspec.json.decode(body, type=dict[str, Raw])
        if plain == MESSAGES:
            fields.pop("model", None)
        return msgspec.json.encode({**fields, "anthropic_version": VERTEX_VERSION})

    def headers(self, method: str, target: str, body: bytes, sent: Mapping[bytes, bytes]) -> bytes:
        """The token's line, that of the project whose quota is used, and the betas that the client asks for."""
        del method, target, body
        token = self._token.value()
        lines = f"authorization: Bearer {token.token}\r\n"
        if token.quota_project:
            lines += f"x-goog-user-project: {token.quota_project}\r\n"
        beta = sent.get(b"anthropic-beta") if self._anthropic else None
        return lines.encode("latin-1") + (b"anthropic-beta: %b\r\n" % beta if beta else b"")

    def __repr__(self) -> str:
        return f"GoogleSigner({self._place or 'no project'})"
