"""Google Cloud: how tokens are asked for and sent, and the URLs and bodies of Vertex."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.gateway_wire.signing import Have, model, serving
from trimtab.clock import SystemClock
from trimtab.declare.project import Auth
from trimtab.gateway.upstreams.auth_google import GoogleSigner, GoogleToken, Token
from trimtab.gateway.upstreams.renewal import NotFetched, Renewed

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(folder: Path, token_uri: str) -> Path:
    private = RSA.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "k1",
        "private_key": private.decode(),
        "client_email": "robot@p.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    path = folder / "account.json"
    path.write_text(json.dumps(account))
    return path


def unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_google_asks_for_a_token_as_rfc_7523_says(tmp_path: Path) -> None:
    """A service account's assertion is a JWT that its key signed, for the token endpoint and the cloud's scope."""
    with serving(lambda _path, _body: {"access_token": "geheim", "expires_in": 3600, "token_type": "Bearer"}) as served:
        url = f"{served.url}/token"
        account = str(service_account(tmp_path, url))
        before = int(time.time())
        fetched = GoogleToken(account, SystemClock())()
    [(path, body)] = served.seen
    form = parse_qs(body.decode())
    assert (path, form["grant_type"]) == ("/token", ["urn:ietf:params:oauth:grant-type:jwt-bearer"])
    head, claims, signature = form["assertion"][0].split(".")
    RSA.public_key().verify(unpacked(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(unpacked(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    said = json.loads(unpacked(claims))
    assert said["iss"] == "robot@p.iam.gserviceaccount.com"
    assert said["aud"] == "https://oauth2.googleapis.com/token"  # always, says Google's documentation of the flow
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert before - 1 <= said["iat"] <= before + 60
    assert 0 < said["exp"] - said["iat"] <= 3600
    assert fetched.value == Token("geheim", "")
    assert fetched.lasts_s is not None
    assert 3500 < fetched.lasts_s <= 3600
    assert fetched.renew_in_s == fetched.lasts_s - 240


def test_google_finds_the_environments_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file of its own it uses those that Google's tools use; a short token is renewed halfway."""
    with serving(lambda _path, _body: {"access_token": "t", "expires_in": 60}) as served:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, f"{served.url}/token")))
        monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
        fetched = GoogleToken(None, SystemClock())()
    assert fetched.value == Token("t", "payer")
    assert fetched.lasts_s is not None
    assert fetched.renew_in_s == fetched.lasts_s / 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "^FileNotFoundError$"),
        ("geheim", "^JSONDecodeError$"),
        ("[]", "neither a service account nor an authorized user; name it in GOOGLE_APPLICATION_CREDENTIALS"),
        ('{"type": "external_account"}', "neither a service account nor an authorized user"),
        ('{"type": "service_account", "private_key": "geheim"}', "^MalformedError$"),
        ('{"type": "authorized_user"}', "^MalformedError$|^ValueError$"),
    ],
)
def test_google_without_good_credentials(tmp_path: Path, content: str | None, what: str) -> None:
    """A file that is none, or is not there, is said to be so, and nothing of it is repeated."""
    path = tmp_path / "account.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotFetched, match=what):
        GoogleToken(str(path), SystemClock())()


def test_google_refused(tmp_path: Path) -> None:
    """What the token endpoint answers is not repeated to clients."""
    with serving(lambda _path, _body: {"error": "geheim"}) as served, pytest.raises(NotFetched) as told:
        GoogleToken(str(service_account(tmp_path, f"{served.url}/token")), SystemClock())()
    assert str(told.value) == "RefreshError"


VERTEX = Auth("google", project="p", region="us-east5")
CLAUDE = "/v1/projects/p/locations/us-east5/publishers/anthropic/models"
TARGETS = {
    ("anthropic", "/v1/messages", False): f"{CLAUDE}/claude-sonnet-4-5@20250929:rawPredict",
    ("anthropic", "/v1/messages?beta=true", True): f"{CLAUDE}/claude-sonnet-4-5@20250929:streamRawPredict",
    ("anthropic", "/v1/messages/count_tokens", False): f"{CLAUDE}/count-tokens:rawPredict",
    ("anthropic", "/v1/models", False): "/v1/models",
    ("openai", "/v1/chat/completions", True): "/v1/projects/p/locations/us-east5/endpoints/openapi/chat/completions",
    ("openai", "/health", False): "/health",
}


@pytest.mark.parametrize(("asked", "target"), TARGETS.items())
def test_vertex_urls(asked: tuple[str, str, bool], target: str) -> None:
    """Claude is asked for by name in the URL, streamed or not; OpenAI's wire has an endpoint of its own."""
    wire, path, stream = asked
    assert google(VERTEX, wire=wire).target(path, stream=stream) == target
    assert google(Auth("google"), wire="openai").target(path, stream=stream) == path


TOKEN = Token("geheim", "")


def google(auth: Auth, token: Token = TOKEN, **fields: Any) -> GoogleSigner:
    have = cast(Renewed[Token], Have(token))
    return GoogleSigner(model(auth=auth, served_name="claude-sonnet-4-5@20250929", **fields), have)


def test_vertex_bodies() -> None:
    """A body for Claude names the version instead of the model; what counts tokens keeps the model."""
    claude = google(VERTEX, wire="anthropic")
    body = b'{"model": "m", "max_tokens": 1e2, "anthropic_version": "x", "messages": [{"model":1}]}'
    assert claude.body("/v1/messages?beta=true", body) == (
        b'{"max_tokens":1e2,"anthropic_version":"vertex-2023-10-16","messages":[{"model":1}]}'
    )
    assert claude.body("/v1/messages/count_tokens", b'{"model":"m"}') == (
        b'{"model":"m","anthropic_version":"vertex-2023-10-16"}'
    )
    assert claude.body("/v1/other", b"x") == b"x"
    assert google(VERTEX).body("/v1/messages", body) == body


def test_google_sends_its_token() -> None:
    """The token is a bearer token; the project whose quota is used and a client's betas have fields of their own."""
    sent = {b"anthropic-version": b"2023-06-01", b"anthropic-beta": b"x"}
    assert google(VERTEX).headers("POST", "/", b"", sent) == b"authorization: Bearer geheim\r\n"
    claude = google(VERTEX, Token("geheim", "payer"), wire="anthropic")
    assert claude.headers("POST", "/", b"", sent) == (
        b"authorization: Bearer geheim\r\nx-goog-user-project: payer\r\nanthropic-beta: x\r\n"
    )
