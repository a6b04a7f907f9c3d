"""The line between supervisor and child: a socket pair, one JSON object a line, at most 64 KiB each.

Down go directives, up come reports. When the supervisor dies, the child reads the end of the channel and drains.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from trimtab.errors import ChannelBroken

LINE_LIMIT = 64 << 10
UNREAD_LIMIT = 256 << 10

DrainReason = Literal["stop", "restart"]


class UseSnapshot(Struct, frozen=True, tag_field="do", tag="snapshot"):
    """Put the snapshot at `path` in force."""

    path: str


class Drain(Struct, frozen=True, tag_field="do", tag="drain"):
    """End what is open, then exit; on `restart` a successor takes the new connections."""

    reason: DrainReason = "stop"


class Ready(Struct, frozen=True, tag_field="say", tag="ready"):
    """The child does its work from now on."""


class Using(Struct, frozen=True, tag_field="say", tag="snapshot"):
    """The snapshot of this digest is in force in the child."""

    digest: str


class Refused(Struct, frozen=True, tag_field="say", tag="refused"):
    """The child could not put a snapshot in force and keeps the one it had."""

    path: str
    detail: str


class Drained(Struct, frozen=True, tag_field="say", tag="drained"):
    """All is ended and written; `cut` calls did not end in time."""

    cut: int = 0


Directive = UseSnapshot | Drain
Report = Ready | Using | Refused | Drained

_directives: msgspec.json.Decoder[Directive] = msgspec.json.Decoder(Directive)
_reports: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)

Sent = TypeVar("Sent", bound=Struct)
Received = TypeVar("Received", bound=Struct)


class Channel(Generic[Sent, Received]):
    """One end of the line; made by `supervisor_end` or `child_end`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        read: Callable[[bytes], Received],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._read = read

    def send(self, message: Sent) -> None:
        """Sends without waiting; raises `ChannelBroken` when the other end has stopped reading.

        To an end that is gone it sends nothing: its going shows in `receive`.
        """
        if self._writer.transport.get_write_buffer_size() > UNREAD_LIMIT:
            raise ChannelBroken(detail=f"{UNREAD_LIMIT} bytes of directives lie unread")
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(message) + b"\n")

    async def receive(self) -> Received | None:
        """The next message, or None at the end of the channel.

        Raises `ChannelBroken` for a line that is no message or longer than 64 KiB.
        """
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        except ValueError as failure:
            raise ChannelBroken(detail=f"a line of more than {LINE_LIMIT} bytes") from failure
        if not line.endswith(b"\n"):
            return None
        try:
            return self._read(line)
        except msgspec.DecodeError as failure:
            raise ChannelBroken(detail=f"{failure}: {line[:80]!r}") from failure

    async def close(self) -> None:
        """Sends what is waiting and leaves the channel."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return  # the other end went first


async def supervisor_end(end: socket.socket) -> Channel[Directive, Report]:
    """The supervisor's end: sends directives, receives reports."""
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=LINE_LIMIT)
    return Channel(reader, writer, _reports.decode)


async def child_end(end: socket.socket) -> Channel[Report, Directive]:
    """A child's end: sends reports, receives directives."""
    reader, writer = await asyncio.open_unix_connection(sock=end, limit=LINE_LIMIT)
    return Channel(reader, writer, _directives.decode)


def say_ready(end: socket.socket) -> None:
    """Reports `Ready` from a child that has no event loop of ours."""
    end.sendall(msgspec.json.encode(Ready()) + b"\n")


def wait_for_drain(end: socket.socket) -> None:
    """Blocks until the supervisor asks to drain or is gone: for a child that has no event loop of ours."""
    with end.makefile("rb") as lines:
        for line in lines:
            if isinstance(_directives.decode(line), Drain):
                return
