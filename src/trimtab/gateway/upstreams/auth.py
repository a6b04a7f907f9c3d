"""How requests to the servers of a model are addressed and authenticated: the contract, and keys that are sent as such.

Signatures and tokens of clouds are in `auth_aws` and `auth_google`; what they need is renewed by `credentials`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Final, Protocol
from urllib.parse import quote

from trimtab.declare.project import Model, Secret

ReadSecret = Callable[[Secret], str]

ANTHROPIC_VERSION: Final = b"2023-06-01"
FORWARDED: Final = (b"anthropic-version", b"anthropic-beta")
BY_DEPLOYMENT: Final = frozenset(
    {"chat/completions", "completions", "embeddings", "images/generations", "audio/speech", "audio/transcriptions"}
)
"""Routes that Azure's dated versions have below a deployment; the others lie beside it."""
WITHOUT_DATES: Final = frozenset({"v1", "preview"})
"""Values of Azure's api-version that stand for its newer URLs, in which the body names the model."""
EXTRAS: Final = {"aws": ("botocore",), "google": ("google.auth", "urllib3")}
"""The extra that each kind needs, by its own name, and the packages that come with it."""


class Signer(Protocol):
    """Addresses and authenticates requests to one replica of a model. Nothing here waits.

    Called in this order: `target` and `body` make the request what the server expects, `headers` authenticates it.
    """

    def target(self, path: str, *, stream: bool) -> str:
        """The path and query to ask for, without the replica's base path, for a path of the wire: `/v1/messages`."""

    def body(self, path: str, body: bytes) -> bytes:
        """The body as this server wants it; `path` as for `target`."""

    def headers(self, method: str, target: str, body: bytes, sent: Mapping[bytes, bytes]) -> bytes:
        """Lines for the request's head, each with its line end.

        `target` is the whole of what is asked for, base path and all, `body` what is sent, and `sent` the client's
        header fields, names in lower case. Raises `SecretMissing` where there is nothing to authenticate with, yet or
        no more.
        """


class KeySigner:
    """A key as a bearer token, or as `x-api-key` on the Anthropic wire; without a key, nothing."""

    __slots__ = ("_anthropic", "_key", "_prefix", "_read_secret")

    def __init__(self, model: Model, read_secret: ReadSecret) -> None:
        self._key = model.api_key
        self._read_secret = read_secret
        self._anthropic = model.wire == "anthropic"
        self._prefix = b"x-api-key: " if self._anthropic else b"authorization: Bearer "

    def target(self, path: str, *, stream: bool) -> str:
        """The path as it is."""
        del stream
        return path

    def body(self, path: str, body: bytes) -> bytes:
        """The body as it is."""
        del path
        return body

    def headers(self, method: str, target: str, body: bytes, sent: Mapping[bytes, bytes]) -> bytes:
        """The key's line, and the version and beta fields of the Anthropic wire."""
        del method, target, body
        lines = anthropic_lines(sent) if self._anthropic else b""
        if self._key is not None:
            lines += b"%b%b\r\n" % (self._prefix, self._read_secret(self._key).encode("latin-1"))
        return lines

    def __repr__(self) -> str:
        return f"KeySigner({'a key' if self._key else 'no key'}{', Anthropic' if self._anthropic else ''})"


class AzureSigner:
    """Azure OpenAI: the key as `api-key`; the deployment and a dated version in the URL, or the newer `/openai/v1`.

    https://learn.microsoft.com/azure/ai-services/openai/reference and .../api-version-lifecycle
    """

    __slots__ = ("_deployment", "_key", "_read_secret", "_version")

    def __init__(self, model: Model, read_secret: ReadSecret) -> None:
        self._key = model.api_key
        self._read_secret = read_secret
        self._deployment = quote(model.served_name, safe="")
        self._version = model.auth.api_version

    def target(self, path: str, *, stream: bool) -> str:
        """The path below `/openai`; what does not begin with `/v1/` is left as it is."""
        del stream
        if not path.startswith("/v1/"):
            return path
        if self._version == "v1":
            return f"/openai{path}"
        if self._version in WITHOUT_DATES:
            return self._with_version(f"/openai{path}")
        route = path.removeprefix("/v1/")
        at = f"/openai/deployments/{self._deployment}/" if route.partition("?")[0] in BY_DEPLOYMENT else "/openai/"
        return self._with_version(at + route)

    def body(self, path: str, body: bytes) -> bytes:
        """The body as it is: with a dated version, Azure passes over the model it names."""
        del path
        return body

    def headers(self, method: str, target: str, body: bytes, sent: Mapping[bytes, bytes]) -> bytes:
        """The key's line."""
        del method, target, body, sent
        if self._key is None:
            return b""
        return b"api-key: %b\r\n" % self._read_secret(self._key).encode("latin-1")

    def _with_version(self, target: str) -> str:
        return f"{target}{'&' if '?' in target else '?'}api-version={self._version}"

    def __repr__(self) -> str:
        return f"AzureSigner({self._deployment}, {self._version})"


def anthropic_lines(sent: Mapping[bytes, bytes]) -> bytes:
    """The version of the Anthropic API, the client's own or the one that all its clients ask for, and its betas."""
    version, beta = (sent.get(name) for name in FORWARDED)
    lines = b"anthropic-version: %b\r\n" % (version or ANTHROPIC_VERSION)
    return lines + b"anthropic-beta: %b\r\n" % beta if beta else lines


def missing_extras(models: Mapping[str, Model]) -> tuple[str, ...]:
    """What these models need and this environment lacks, a line for each, with the command that brings it."""
    kinds = {name: model.auth.kind for name, model in models.items()}
    return tuple(
        f'models.{name}.auth is of the kind {kind}, which is not installed; run pip install "trimtab[{kind}]"'
        for name, kind in kinds.items()
        if not all(map(_is_installed, EXTRAS.get(kind, ())))
    )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
