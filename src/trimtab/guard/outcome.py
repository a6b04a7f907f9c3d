"""How one attempt ended: what the pipeline tells to retry, breaker and routing."""

from __future__ import annotations

from msgspec import Struct


class Outcome(Struct, frozen=True):
    """The end of one attempt at one replica.

    `cause` is `ok`, an error code of `trimtab.errors` or `client_gone`. `status` is what the replica answered, 0 if
    it answered nothing. `content_started` says that a content-bearing part of the answer came. `shortened` says that
    the client itself had set the total limit that ended it, so that the replica is not to blame.
    """

    cause: str
    status: int = 0
    retry_after_s: float | None = None
    content_started: bool = False
    client_gone: bool = False
    shortened: bool = False
