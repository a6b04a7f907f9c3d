"""What a call's headers ask of a run."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from trimtab.errors import InvalidRequest
from trimtab.gateway.admission import label
from trimtab.gateway.exchange import Exchange
from trimtab.record.events import JUDGE_TASK

RUN: Final = b"x-trimtab-run"
REPLAY: Final = b"x-trimtab-replay"
SESSION: Final = b"x-trimtab-replay-session"
SPEED: Final = b"x-trimtab-replay-speed"
BRANCH: Final = b"x-trimtab-branch"
LEASE: Final = b"x-trimtab-lease"
AFTER: Final = b"x-trimtab-after"
MOST: Final = 2**53


class RunHeaders(Struct, frozen=True):
    """`run` is the run that the call is a step of, `replay` the one whose recorded answers it may get.

    `paced` asks for the delays of then. Without `run` nothing is written.
    """

    run: str = ""
    replay: str = ""
    session: str = ""
    branch: str = ""
    epoch: int = 0
    after: int = 0
    paced: bool = False

    @property
    def only_recorded(self) -> bool:
        """Whether no replica may be asked."""
        return bool(self.replay) and self.run != self.replay


def run_headers(exchange: Exchange) -> RunHeaders | None:
    """What is asked; None for a call of no run, and for calls of our own. Raises `InvalidRequest`."""
    headers = exchange.request.headers
    if (RUN not in headers and REPLAY not in headers) or exchange.purpose or exchange.redrive_of:
        return None
    if exchange.key == JUDGE_TASK:
        return None
    run, replay, session = label(exchange, RUN), label(exchange, REPLAY), label(exchange, SESSION)
    if not run and not replay:
        raise InvalidRequest(detail="x-trimtab-run and x-trimtab-replay are empty; name a run, or leave them out")
    if run and run == replay and not session:
        raise InvalidRequest(
            detail=f"run {run} can go on from its recorded answers only under an x-trimtab-replay-session; send any "
            "text that is another one each time your program starts"
        )
    speed = headers.get(SPEED, b"full")
    if speed not in (b"full", b"recorded"):
        raise InvalidRequest(detail="x-trimtab-replay-speed is neither full nor recorded; send one of them")
    return RunHeaders(
        run=run,
        replay=replay,
        session=session,
        branch=label(exchange, BRANCH),
        epoch=_number(exchange, LEASE),
        after=_number(exchange, AFTER),
        paced=speed == b"recorded",
    )


def _number(exchange: Exchange, header: bytes) -> int:
    text = exchange.request.headers.get(header, b"0")
    if not text.isdigit() or len(text) > 16 or int(text) > MOST:
        raise InvalidRequest(detail=f"{header.decode()} is no whole number; send what the journal told")
    return int(text)
