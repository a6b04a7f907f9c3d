"""The signers of one worker, and the credentials that they share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final, assert_never

from trimtab.clock import Clock
from trimtab.declare.project import Auth, Model
from trimtab.gateway.upstreams.auth import AzureSigner, KeySigner, ReadSecret, Signer
from trimtab.gateway.upstreams.auth_aws import AwsKeys, AwsSigner
from trimtab.gateway.upstreams.auth_google import GoogleSigner, GoogleToken
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.renewal import Renewed

READY_S: Final = 10.0


class Signers:
    """Makes the signer of each replica. What expires is fetched once for all models that declare it alike.

    `serve` tells which models there are, whenever that changes. What a model needs beside them is fetched when its
    signer is made, and ends with the next `serve`. Both must be called in the event loop.
    """

    def __init__(self, read_secret: ReadSecret, clock: Clock) -> None:
        self._read_secret = read_secret
        self._clock = clock
        self._renewed: dict[Source, tuple[Renewed[Any], asyncio.Task[None]]] = {}

    def serve(self, models: Iterable[Model]) -> None:
        """Begins to fetch what these models need, and ends what only others needed."""
        needed = {source(model.auth) for model in models if model.auth.kind in {"aws", "google"}}
        for gone in self._renewed.keys() - needed:
            self._renewed.pop(gone)[1].cancel()
        for new in needed:
            self._shared(new)

    async def ready(self, limit_s: float = READY_S) -> None:
        """Waits until each credential has been fetched or could not be, for a while at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                for renewed, _ in tuple(self._renewed.values()):
                    await renewed.tried()

    def close(self) -> None:
        """Ends every renewal."""
        self.serve(())

    def signer(self, model: Model, origin: Origin) -> Signer:
        """The signer for one replica of a model."""
        match model.auth.kind:
            case "bearer":
                return KeySigner(model, self._read_secret)
            case "azure":
                return AzureSigner(model, self._read_secret)
            case "aws":
                return AwsSigner(model, origin, self._shared(source(model.auth)), self._clock)
            case "google":
                return GoogleSigner(model, self._shared(source(model.auth)))
            case never:
                assert_never(never)

    def _shared(self, source: Source) -> Renewed[Any]:
        found = self._renewed.get(source)
        if found is None:
            renewed = self._renewing(source)
            found = self._renewed[source] = renewed, asyncio.get_running_loop().create_task(renewed.run())
        return found[0]

    def _renewing(self, source: Source) -> Renewed[Any]:
        kind, place = source
        if kind == "aws":
            return Renewed(f"aws:{place or 'environment'}", AwsKeys(place), self._clock)
        return Renewed(
            f"google:{'file' if place else 'environment'}", GoogleToken(place or None, self._clock), self._clock
        )

    def __repr__(self) -> str:
        return f"Signers({', '.join(repr(renewed) for renewed, _ in self._renewed.values())})"


Source = tuple[str, str]
"""Where a credential comes from: the kind, and the profile or file ("" for the environment's own)."""


def source(auth: Auth) -> Source:
    """Where what `auth` needs comes from."""
    return auth.kind, auth.profile if auth.kind == "aws" else auth.credentials or ""
