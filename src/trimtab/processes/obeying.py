"""What control is told by the supervisor: which snapshot is in force, and when to end."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Final

import msgspec

from trimtab.errors import ChannelBroken
from trimtab.policy.snapshot import Snapshot, decode
from trimtab.processes.channel import Channel, Directive, Drain, Ready, Refused, Report, UseSnapshot, Using
from trimtab.processes.logs import event

ALONE_S: Final = 60
"""How long control may go on after the supervisor died; then SIGALRM ends it, because it holds the directory."""

log = logging.getLogger("trimtab.control")


class LastTold:
    """The snapshot in force, as control was last told."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def __repr__(self) -> str:
        return f"LastTold({self.snapshot.digest[:12]})"


def tell_ready(channel: Channel[Report, Directive], in_force: LastTold) -> None:
    """Says that control does its work from now on, and under which snapshot."""
    channel.send(Ready())
    channel.send(Using(in_force.snapshot.digest))


async def obey(channel: Channel[Report, Directive], in_force: LastTold, stop: asyncio.Event) -> None:
    """Does what the supervisor says until it is gone; then control ends too."""
    while True:
        try:
            directive = await channel.receive()
        except ChannelBroken as broken:
            event(log, logging.ERROR, "directive_unread", error=str(broken))
            directive = None
        match directive:
            case UseSnapshot(path):
                await _use(channel, in_force, path)
            case Drain():
                stop.set()
            case None:
                event(log, logging.WARNING, "supervisor_gone")
                signal.alarm(ALONE_S)
                stop.set()
                return


async def _use(channel: Channel[Report, Directive], in_force: LastTold, path: str) -> None:
    """Puts a published snapshot in force, or says why not and keeps the one there is."""
    try:
        in_force.snapshot = decode(await asyncio.to_thread(Path(path).read_bytes))
    except (OSError, msgspec.DecodeError) as failure:
        keeps = in_force.snapshot.digest
        event(log, logging.ERROR, "snapshot_refused", path=path, keeps=keeps, error=str(failure))
        channel.send(Refused(path, str(failure)))
        return
    channel.send(Using(in_force.snapshot.digest))
