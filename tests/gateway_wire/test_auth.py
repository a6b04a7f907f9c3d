"""What is sent to authenticate, and the URLs of each provider: keys, AWS signatures, Google tokens."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from trimtab.clock import SystemClock
from trimtab.declare.project import Auth, Model, Secret
from trimtab.errors import SecretMissing
from trimtab.gateway.upstreams.auth import AzureSigner, KeySigner, missing_extras
from trimtab.gateway.upstreams.auth_aws import AwsKeys, AwsSigner, Keys
from trimtab.gateway.upstreams.auth_google import GoogleSigner, GoogleToken, Token
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.renewal import Fetched, NotFetched, Renewed
from trimtab.gateway.upstreams.signers import Signers

KEY = Secret("env", "KEY")
EMPTY: Mapping[bytes, bytes] = {}


def read_secret(secret: Secret) -> str:
    return {"KEY": "geheim"}[secret.place]


def model(**fields: Any) -> Model:
    return Model(**{"name": "m", "served_name": "gpt-5", "replicas": ("https://host",), **fields})


class At:
    """A clock that stands at one moment."""

    def __init__(self, wall_s: int) -> None:
        self._wall_s = wall_s

    def monotonic(self) -> float:
        return 0.0

    def wall_ns(self) -> int:
        return self._wall_s * 10**9


class Have:
    """A credential that is at hand."""

    def __init__(self, value: object) -> None:
        self._value = value

    def value(self) -> object:
        return self._value


# keys


def test_a_key_on_the_wire_of_openai() -> None:
    """It is a bearer token; what the client says of Anthropic's API is not passed on, and the URL is the wire's."""
    signer = KeySigner(model(api_key=KEY), read_secret)
    lines = signer.headers("POST", "/v1/chat/completions", b"{}", {b"anthropic-version": b"2023-06-01"})
    assert lines == b"authorization: Bearer geheim\r\n"
    assert signer.target("/v1/chat/completions", stream=True) == "/v1/chat/completions"
    assert signer.body("/v1/chat/completions", b"{}") == b"{}"


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        ({}, b"anthropic-version: 2023-06-01\r\n"),
        (
            {b"anthropic-version": b"2027-01-01", b"anthropic-beta": b"a,b", b"x-api-key": b"the client's"},
            b"anthropic-version: 2027-01-01\r\nanthropic-beta: a,b\r\n",
        ),
    ],
)
def test_a_key_on_the_wire_of_anthropic(sent: dict[bytes, bytes], lines: bytes) -> None:
    """It is `x-api-key`; version and betas are the client's, and there is a version without them."""
    signer = KeySigner(model(wire="anthropic", api_key=KEY), read_secret)
    assert signer.headers("POST", "/v1/messages", b"{}", sent) == lines + b"x-api-key: geheim\r\n"


def test_no_key() -> None:
    """A server that wants no key gets none."""
    assert KeySigner(model(), read_secret).headers("POST", "/", b"", EMPTY) == b""
    assert KeySigner(model(wire="anthropic"), read_secret).headers("POST", "/", b"", EMPTY) == (
        b"anthropic-version: 2023-06-01\r\n"
    )


AZURE = {
    ("2024-10-21", "/v1/chat/completions"): "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21",
    ("2024-10-21", "/v1/embeddings"): "/openai/deployments/my%2Fgpt/embeddings?api-version=2024-10-21",
    ("2025-04-01-preview", "/v1/responses"): "/openai/responses?api-version=2025-04-01-preview",
    ("2024-10-21", "/v1/models?a=b"): "/openai/models?a=b&api-version=2024-10-21",
    ("v1", "/v1/chat/completions"): "/openai/v1/chat/completions",
    ("preview", "/v1/responses"): "/openai/v1/responses?api-version=preview",
    ("v1", "/tokenize"): "/tokenize",
}


@pytest.mark.parametrize(("asked", "target"), AZURE.items())
def test_azure(asked: tuple[str, str], target: str) -> None:
    """The key is `api-key`; dated versions name the deployment in the URL, the newer ones do not."""
    version, path = asked
    azure = model(served_name="my/gpt", api_key=KEY, auth=Auth("azure", api_version=version))
    signer = AzureSigner(azure, read_secret)
    assert signer.target(path, stream=False) == target
    assert signer.headers("POST", target, b"{}", EMPTY) == b"api-key: geheim\r\n"
    assert signer.body(path, b'{"model": "x"}') == b'{"model": "x"}'


# AWS

SUITE_KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
SUITE_TIME = 1_440_938_160
"""2015-08-30T12:36:00Z."""
SUITE_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwt"
    "hAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVX"
    "AkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = {b"content-type": b"application/x-www-form-urlencoded"}
SUITE = {
    "get-vanilla": (
        ("GET", "/", b"", EMPTY, None),
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "post-vanilla": (
        ("POST", "/", b"", EMPTY, None),
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "get-vanilla-query-order-key-case": (
        ("GET", "/?Param2=value2&Param1=value1", b"", EMPTY, None),
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-x-www-form-urlencoded": (
        ("POST", "/", b"Param1=value1", FORM, None),
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-sts-header-before": (
        ("POST", "/", b"", EMPTY, SUITE_TOKEN),
        "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
}
"""Cases of AWS's published test suite for Signature Version 4."""


def aws(keys: Keys, wall_s: int, url: str, auth: Auth, **fields: Any) -> AwsSigner:
    have = cast(Renewed[Keys], Have(keys))
    return AwsSigner(model(auth=auth, **fields), Origin.parse(url), have, At(wall_s))


@pytest.mark.parametrize(("request_", "signed", "signature"), SUITE.values(), ids=SUITE.keys())
def test_aws_signs_as_published(
    request_: tuple[str, str, bytes, Mapping[bytes, bytes], str | None], signed: str, signature: str
) -> None:
    """The signatures of the published test suite come out, at its time and with its keys."""
    method, target, body, sent, token = request_
    auth = Auth("aws", region="us-east-1", service="service")
    signer = aws(SUITE_KEYS._replace(token=token), SUITE_TIME, "https://example.amazonaws.com", auth)
    lines = signer.headers(method, target, body, sent).decode().split("\r\n")
    assert lines.pop() == ""
    assert lines[0] == "x-amz-date: 20150830T123600Z"
    assert lines[1:-1] == ([f"x-amz-security-token: {token}"] if token else [])
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    assert lines[-1] == (
        f"authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}"
    )


def test_aws_on_the_wire_of_anthropic() -> None:
    """Bedrock serves the wire's own path below /anthropic; version and betas are sent beside the signature."""
    auth = Auth("aws", region="eu-central-1", service="bedrock")
    signer = aws(SUITE_KEYS, SUITE_TIME, "https://bedrock-runtime.eu-central-1.amazonaws.com", auth, wire="anthropic")
    assert signer.target("/v1/messages", stream=True) == "/v1/messages"
    lines = signer.headers("POST", "/anthropic/v1/messages", b"{}", {b"anthropic-beta": b"x"})
    assert lines.endswith(b"\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: x\r\n")
    assert b"Credential=AKIDEXAMPLE/20150830/eu-central-1/bedrock/aws4_request, " in lines
    assert b"anthropic-version" not in lines.partition(b"SignedHeaders=")[2].partition(b",")[0]


@pytest.fixture
def aws_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which AWS's tools find nothing but what a test puts there."""
    for name in (
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "PROFILE",
        "DEFAULT_PROFILE",
        "ROLE_ARN",
        "WEB_IDENTITY_TOKEN_FILE",
        "CONTAINER_CREDENTIALS_RELATIVE_URI",
        "CONTAINER_CREDENTIALS_FULL_URI",
    ):
        monkeypatch.delenv(f"AWS_{name}", raising=False)  # fmt: skip
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_aws_keys_of_a_profile(aws_places: Path) -> None:
    """A profile's keys are read, and read again when its file has changed."""
    file = aws_places / "credentials"
    file.write_text("[prod]\naws_access_key_id = AKONE\naws_secret_access_key = one\n")
    fetch = AwsKeys("prod")
    assert fetch() == Fetched(Keys("AKONE", "one", None), None, 60.0)
    file.write_text("[prod]\naws_access_key_id = AKTWO\naws_secret_access_key = two\naws_session_token = t\n")
    assert fetch().value == Keys("AKTWO", "two", "t")


def test_aws_without_keys(aws_places: Path) -> None:
    """Where nothing is found, or no such profile, that is said."""
    with pytest.raises(NotFetched, match="none were found"):
        AwsKeys("")()
    with pytest.raises(NotFetched, match="ProfileNotFound"):
        AwsKeys("nobody")()


def test_aws_keys_that_expire(aws_places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary keys stay until they are about to expire; then the next fetch brings new ones.

    Found, they are looked at once more before they are used: those that last a minute are renewed at once.
    """
    lasting = iter([3600, 60, 60, 3600])

    def answer(_path: str, _body: bytes) -> dict[str, Any]:
        number = len(served.seen)
        expires = time.gmtime(time.time() + next(lasting))
        return {
            "AccessKeyId": f"AK{number}",
            "SecretAccessKey": "s",
            "Token": f"t{number}",
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", expires),
        }

    with serving(answer) as served:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{served.url}/keys")
        lasting_keys = AwsKeys("")
        assert [lasting_keys().value for _ in range(3)] == [Keys("AK1", "s", "t1")] * 3
        expiring_keys = AwsKeys("")
        assert [expiring_keys().value.token for _ in range(3)] == ["t3", "t4", "t4"]


# Google


class Served:
    """A small HTTP server of a test: where it is, and the bodies it got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, bytes]] = []


@contextmanager
def serving(answer: Any) -> Iterator[Served]:
    """Serves what `answer` gives for a path and a body, as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            served.seen.append((self.path, body))
            data = json.dumps(answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - as the base class calls it

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


# all of them


async def test_one_credential_for_all_models_that_share_it(aws_places: Path) -> None:
    """Models that declare the same source share its credential; what no model needs any more is no longer renewed."""
    (aws_places / "credentials").write_text("[a]\naws_access_key_id = AKA\naws_secret_access_key = s\n")
    signers = Signers(read_secret, SystemClock())
    one, two = (model(auth=Auth("aws", region=region, service="bedrock", profile="a")) for region in ("r1", "r2"))
    other = model(auth=Auth("aws", region="r1", service="bedrock", profile="b"))
    signers.serve([one, two, other, model()])
    await signers.ready()
    origin = Origin.parse("https://host")
    lines = [signers.signer(each, origin).headers("GET", "/", b"", EMPTY) for each in (one, two)]
    assert [b"Credential=AKA/" in each for each in lines] == [True, True]
    with pytest.raises(SecretMissing) as told:
        signers.signer(other, origin).headers("GET", "/", b"", EMPTY)
    assert "aws:b" in str(told.value)
    assert "ProfileNotFound" in str(told.value)
    assert repr(signers) in {
        "Signers(Renewed(aws:a, fetched), Renewed(aws:b, none))",
        "Signers(Renewed(aws:b, none), Renewed(aws:a, fetched))",
    }
    signers.serve([other])
    assert repr(signers) == "Signers(Renewed(aws:b, none))"
    signers.close()
    assert repr(signers) == "Signers()"


async def test_each_kind_has_its_signer() -> None:
    """The declared kind decides."""
    signers = Signers(read_secret, SystemClock())
    kinds = {
        "bearer": (Auth(), KeySigner),
        "azure": (Auth("azure", api_version="v1"), AzureSigner),
        "aws": (Auth("aws", region="r", service="bedrock", profile="nobody"), AwsSigner),
        "google": (Auth("google", credentials="nowhere.json"), GoogleSigner),
    }
    models = {kind: model(auth=auth) for kind, (auth, _) in kinds.items()}
    signers.serve(models.values())
    for kind, each in models.items():
        assert isinstance(signers.signer(each, Origin.parse("https://host")), kinds[kind][1])
    await signers.ready()
    signers.close()


def test_extras_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model needs and is not there is told with the command that brings it; so is a fetch without it."""
    models = {
        "small": model(),
        "bedrock": model(auth=Auth("aws", region="r", service="bedrock")),
        "vertex": model(auth=VERTEX),
    }
    assert missing_extras(models) == ()
    for package in ("botocore", "botocore.credentials", "google.auth", "google.auth.exceptions"):
        monkeypatch.setitem(sys.modules, package, None)
    assert missing_extras(models) == (
        'models.bedrock.auth is of the kind aws, which is not installed; run pip install "trimtab[aws]"',
        'models.vertex.auth is of the kind google, which is not installed; run pip install "trimtab[google]"',
    )
    with pytest.raises(NotFetched, match=r'pip install "trimtab\[aws\]"'):
        AwsKeys("")()
    with pytest.raises(NotFetched, match=r'pip install "trimtab\[google\]"'):
        GoogleToken(None, SystemClock())()


def test_secrets_are_not_shown() -> None:
    """No `repr` on the way shows a key or token."""
    shown = [
        repr(KeySigner(model(api_key=KEY), read_secret)),
        repr(AzureSigner(model(api_key=KEY, auth=Auth("azure", api_version="v1")), read_secret)),
        repr(aws(SUITE_KEYS, 0, "https://host", Auth("aws", region="r", service="s"))),
        repr(google(VERTEX)),
        repr(Token("geheim", "geheim")),
        repr(Fetched(Keys("AKIDEXAMPLE", "geheim", "geheim"), None, 1.0)),
        f"{Token('geheim', '')}{Keys('AKIDEXAMPLE', 'geheim', 'geheim')}",
    ]
    assert not [text for text in shown if "geheim" in text or "wJalr" in text or "AKIDEX" in text]
