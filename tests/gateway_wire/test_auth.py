"""What is sent to authenticate: keys, AWS signatures, and which signer and credential each model has."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tests.gateway_wire.signing import EMPTY, KEY, At, Have, model, read_secret, serving
from trimtab.clock import SystemClock
from trimtab.declare.project import Auth
from trimtab.errors import SecretMissing
from trimtab.gateway.upstreams.auth import AzureSigner, KeySigner, missing_extras
from trimtab.gateway.upstreams.auth_aws import AwsKeys, AwsSigner, Keys
from trimtab.gateway.upstreams.auth_google import GoogleSigner, GoogleToken, Token
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.renewal import Fetched, NotFetched, Renewed
from trimtab.gateway.upstreams.signers import Signers

VERTEX = Auth("google", project="p", region="us-east5")


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
    assert isinstance(signers.signer(one, origin), AwsSigner), "a call under an older snapshot"
    await signers.ready()
    assert b"Credential=AKA/" in signers.signer(one, origin).headers("GET", "/", b"", EMPTY)
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
        repr(GoogleSigner(model(auth=VERTEX), cast(Renewed[Token], Have(Token("geheim", ""))))),
        repr(Token("geheim", "geheim")),
        repr(Fetched(Keys("AKIDEXAMPLE", "geheim", "geheim"), None, 1.0)),
        f"{Token('geheim', '')}{Keys('AKIDEXAMPLE', 'geheim', 'geheim')}",
    ]
    assert not [text for text in shown if "geheim" in text or "wJalr" in text or "AKIDEX" in text]
