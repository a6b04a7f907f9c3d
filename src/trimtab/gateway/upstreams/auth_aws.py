"""AWS: requests signed with Signature Version 4, by botocore's signer and with credentials it finds.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from trimtab.clock import Clock
from trimtab.declare.project import Model
from trimtab.gateway.upstreams.auth import anthropic_lines
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.renewal import Fetched, NotFetched, Renewed

LOOK_EVERY_S: Final = 60.0
"""How often the source of credentials is looked at; temporary ones are renewed 15 minutes before they expire."""
DATE: Final = "%Y%m%dT%H%M%SZ"


class Keys(NamedTuple):
    """What requests are signed with; temporary keys have a token."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return f"Keys({self.access_key[:4]}...)"


class AwsKeys:
    """Fetches the keys of a profile, or those that AWS's own tools would use here.

    In their order: environment, web identity, SSO, files, process, container, instance. Keys that last are looked up
    anew each time, so that a changed file counts.
    """

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._temporary: Any = None

    def __call__(self) -> Fetched[Keys]:
        """The keys; raises `NotFetched`."""
        try:
            from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - an extra, and slow to import
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
            from botocore.session import Session  # noqa: PLC0415
        except ImportError:
            raise NotFetched('run pip install "trimtab[aws]"') from None
        try:
            found = self._temporary or Session(profile=self._profile or None).get_credentials()
            keys = None if found is None else found.get_frozen_credentials()
        except (BotoCoreError, ClientError, OSError, ValueError) as failure:
            raise NotFetched(type(failure).__name__) from None
        self._temporary = found if isinstance(found, RefreshableCredentials) else None
        if keys is None or not keys.access_key or not keys.secret_key:
            raise NotFetched("none were found")
        return Fetched(Keys(keys.access_key, keys.secret_key, keys.token), None, LOOK_EVERY_S)

    def __repr__(self) -> str:
        return f"AwsKeys({self._profile or 'the environment'})"


class AwsSigner:
    """Signs host, date, content type, token and body of each request for a service in a region."""

    __slots__ = ("_anthropic", "_base", "_clock", "_keys", "_region", "_service")

    def __init__(self, model: Model, origin: Origin, keys: Renewed[Keys], clock: Clock) -> None:
        self._region, self._service = model.auth.region, model.auth.service
        self._anthropic = model.wire == "anthropic"
        self._base = f"{origin.scheme}://{origin.authority}"
        self._keys = keys
        self._clock = clock

    def target(self, path: str, *, stream: bool) -> str:
        """The path as it is: Bedrock serves both wires' own paths, below base paths of its own."""
        del stream
        return path

    def body(self, path: str, body: bytes) -> bytes:
        """The body as it is."""
        del path
        return body

    def headers(self, method: str, target: str, body: bytes, sent: Mapping[bytes, bytes]) -> bytes:
        """The signature, its date and the token; and the version and beta fields of the Anthropic wire."""
        keys = self._keys.value()
        date = datetime.fromtimestamp(self._clock.wall_ns() // 10**9, UTC).strftime(DATE)
        signed = {"X-Amz-Date": date}
        if keys.token:
            signed["X-Amz-Security-Token"] = keys.token
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in signed.items())
        content_type = sent.get(b"content-type")
        if content_type is not None:
            signed["Content-Type"] = content_type.decode("latin-1")
        authorization = self._authorization(keys, method, self._base + target, body, signed)
        lines += f"authorization: {authorization}\r\n"
        return lines.encode("latin-1") + (anthropic_lines(sent) if self._anthropic else b"")

    def _authorization(self, keys: Keys, method: str, url: str, body: bytes, signed: dict[str, str]) -> str:
        """The steps of botocore's `SigV4Auth.add_auth`, which takes the time from the machine and logs the token."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - an extra; loaded already, since there are keys
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        signer = SigV4Auth(keys, self._service, self._region)
        request = AWSRequest(method=method, url=url, data=body, headers=signed)
        request.context["timestamp"] = signed["X-Amz-Date"]
        names = signer.signed_headers(signer.headers_to_sign(request))
        text = signer.string_to_sign(request, signer.canonical_request(request))
        scope, signature = signer.scope(request), signer.signature(text, request)
        return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"

    def __repr__(self) -> str:
        return f"AwsSigner({self._service} in {self._region}, {self._base})"
