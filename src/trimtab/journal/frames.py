"""What goes over keeper's socket: frames of a length (32 bits, big-endian) and a msgpack array of two.

Asked is `[id, ask]`, told is `[id, told]`; ids are the client's, from 1 on, and many may be open at once. What keeper
says by itself, an order that was given, has the id 0. A `Hello` may come first, and is answered out of turn, as is
`Health`: neither waits for the disk.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from trimtab.errors import JournalUnavailable, TrimtabError
from trimtab.journal.asks import Ask, Refused, Told
from trimtab.journal.entries import Order
from trimtab.journal.refusals import BY_NAME, AskInvalid, JournalRefusal

PROTOCOL: Final = 1
LENGTH_BYTES: Final = 4
FRAME_LIMIT: Final = 64 << 20
PUSHED: Final = 0


class FrameTooLong(TrimtabError):
    """A message of {length} bytes for keeper is over its limit of {limit}; keep large values outside the run and pass
    on where they lie.
    """


class Hello(Struct, frozen=True, tag_field="ask", tag="hello"):
    """Who is there: `orders` asks to be told of each order that is given, `holder` is the gateway worker that it is."""

    protocol: int = PROTOCOL
    orders: bool = False
    holder: str = ""


class Health(Struct, frozen=True, tag_field="ask", tag="health"):
    """How is keeper doing?"""


class Welcome(Struct, frozen=True, tag_field="told", tag="welcome"):
    """Keeper speaks this protocol."""

    protocol: int = PROTOCOL


class Healthy(Struct, frozen=True, tag_field="told", tag="healthy"):
    """What keeper did since it began at `since_ns`, and what waits. Times in seconds, sums over its life.

    `trouble` is why the latest commit failed, empty when it did not.
    """

    since_ns: int
    connections: int
    waiting: int
    asks: int
    refused: int
    commits: int
    commit_s: float
    longest_commit_s: float
    unavailable: int = 0
    expired: int = 0
    woken: int = 0
    trouble: str = ""


class Given(Struct, frozen=True, omit_defaults=True, tag_field="told", tag="given"):
    """An order was given that reaches these runs."""

    runs: tuple[str, ...]
    order: Order
    by: str = ""
    reason: str = ""


Asked = Ask | Hello | Health
Said = Told | Welcome | Healthy | Given

_encoder = msgspec.msgpack.Encoder()
_numbered = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_asked: msgspec.msgpack.Decoder[Asked] = msgspec.msgpack.Decoder(Asked)
_said: msgspec.msgpack.Decoder[tuple[int, Said]] = msgspec.msgpack.Decoder(tuple[int, Said])


def frame(number: int, message: Asked | Said) -> bytes:
    """A message as it goes over the socket; raises `FrameTooLong`, and `AskInvalid` for facts that no message holds."""
    try:
        content = _encoder.encode((number, message))
    except (OverflowError, ValueError) as wrong:
        detail = f"keeper cannot be told what it says ({wrong})"
        raise AskInvalid(run=getattr(message, "run", ""), detail=detail) from wrong
    if len(content) > FRAME_LIMIT:
        raise FrameTooLong(length=len(content), limit=FRAME_LIMIT)
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def number_of(content: bytes) -> tuple[int, msgspec.Raw]:
    """A frame's id and its ask, not read yet; raises `msgspec.DecodeError`."""
    return _numbered.decode(content)


def read_ask(raw: msgspec.Raw) -> Asked:
    """Raises `msgspec.DecodeError` for what keeper of this release cannot be asked."""
    return _asked.decode(raw)


def read_told(content: bytes) -> tuple[int, Said]:
    """A frame from keeper; raises `msgspec.DecodeError`."""
    return _said.decode(content)


class Frames:
    """Cuts what comes over a socket into the contents of frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The contents that are whole now; raises `FrameTooLong` as soon as a length says so."""
        held = self._held
        held += data
        whole = []
        start = 0
        while len(held) - start >= LENGTH_BYTES:
            length = int.from_bytes(held[start : start + LENGTH_BYTES], "big")
            if length > FRAME_LIMIT:
                raise FrameTooLong(length=length, limit=FRAME_LIMIT)
            end = start + LENGTH_BYTES + length
            if len(held) < end:
                break
            whole.append(bytes(held[start + LENGTH_BYTES : end]))
            start = end
        del held[:start]
        return whole


def refusal(error: Exception, run: str = "") -> Refused:
    """What an error is told as; `error_of` makes it one again."""
    if isinstance(error, JournalRefusal | JournalUnavailable):
        return Refused(type(error).__name__, {name: str(fact) for name, fact in error.facts.items()})
    return Refused("JournalUnavailable", {"detail": str(error), "run": run})


def error_of(refused: Refused) -> TrimtabError:
    """The error that was told; one that this release does not know is a `JournalRefusal` with the facts as detail."""
    if refused.error == JournalUnavailable.__name__:
        return JournalUnavailable(detail=refused.facts.get("detail", ""))
    kind = BY_NAME.get(refused.error)
    if kind is not None:
        try:
            return kind(**refused.facts)
        except KeyError:
            pass
    facts = ", ".join(f"{name} {fact}" for name, fact in refused.facts.items())
    return JournalRefusal(run=refused.facts.get("run", ""), detail=f"{refused.error}: {facts}")
