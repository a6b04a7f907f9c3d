"""The contract of who takes an answer from a replica."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from trimtab.gateway.http.headers import Headers


class Failure(NamedTuple):
    """How an exchange with a replica broke.

    `sent`: bytes of the request left us, or may have; False only when certainly none did. `received`: bytes of an
    answer came. `reused`: the connection had served before, so it may have been stale.
    """

    detail: str
    sent: bool
    received: bool
    reused: bool


class Sink(Protocol):
    """Takes one answer: `on_head`, any number of `on_body`, then `on_end`; or at any point `on_broken`, and no more.

    None of them is called from within `send`, and none after `abort`. After `on_end` and `on_broken` the connection is
    the pool's again.
    """

    def on_head(self, status: int, headers: Headers) -> None:
        """The final status (200 to 599; interim answers are passed over) and the fields."""

    def on_body(self, data: bytes) -> None:
        """What one read brought of the body, without its transfer coding; never empty."""

    def on_end(self) -> None:
        """The answer is whole."""

    def on_broken(self, failure: Failure) -> None:
        """The answer will not come, or not whole."""
