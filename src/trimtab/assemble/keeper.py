"""Keeper, joined from its parts: the sole writer of the journal of runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec

from trimtab.assemble import loop
from trimtab.assemble.journal import open_journal, open_journal_to_read
from trimtab.clock import Clock, SystemClock
from trimtab.errors import ChannelBroken, FormatError, StoreError
from trimtab.journal.keeper import Keeper
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.reader import RunReader
from trimtab.journal.runs.store import RunStore
from trimtab.journal.spare import Spared
from trimtab.processes import roster
from trimtab.processes.channel import Channel, Directive, Drain, Drained, Ready, Report, child_end
from trimtab.processes.directory import DataDirectory
from trimtab.processes.logs import event
from trimtab.processes.orders import KeeperOrders
from trimtab.record.bodies import PACK_AGE_S, PACK_BYTES
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.room import Room

ALONE_S: Final = 60
"""How long keeper may go on after the supervisor died; then SIGALRM ends it, because it holds the directory."""
LOOK_S: Final = 0.25
GC_THRESHOLD: Final = (50_000, 20, 20)
SWITCH_S: Final = 0.0005
"""How long the thread that reads sockets may keep the one that commits from going on; Python's own is ten times it."""

log = logging.getLogger("trimtab.keeper")


def run(orders: bytes) -> None:
    """Keeps the journal until it is told to end."""
    sys.setswitchinterval(SWITCH_S)
    loop.run(keeper(msgspec.json.decode(orders, type=KeeperOrders)))


async def keeper(orders: KeeperOrders) -> None:
    """Makes keeper's parts and lets it work."""
    clock = SystemClock()
    directory = DataDirectory(Path(orders.data.directory))
    channel = await child_end(socket.socket(fileno=orders.channel))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kept = RollingLog(directory.bodies / orders.epoch, PACK, clock, Disk(), max_bytes=PACK_BYTES, max_age_s=PACK_AGE_S)
    database = open_journal(directory, orders.data.journal)
    store = RunStore(database, PackedBodies(kept, FoundBodies(directory.bodies)), clock)
    room = room_of(orders, directory, clock)
    reader = RunReader(open_journal_to_read(directory, orders.data.journal), FoundBodies(directory.bodies))
    keeping = Keeper(Spared(store, room), clock, reader=reader, trouble=say)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    await keeping.start(socket.socket(fileno=orders.listener))
    channel.send(Ready())
    event(log, logging.INFO, "keeping", journal=repr(database), pid=os.getpid())
    obeying = asyncio.ensure_future(obey(channel, directory, stop))
    await stop.wait()
    obeying.cancel()
    await keeping.stop()
    reader.close()
    store.close()
    kept.close()
    room.close()
    channel.send(Drained())
    await channel.close()


def room_of(orders: KeeperOrders, directory: DataDirectory, clock: Clock) -> Room:
    """The disk space held back for results of steps that were begun."""
    reserve = orders.data.reserve_bytes
    return Room(directory.root, orders.epoch, clock, Disk(), reserve_bytes=reserve, spool_limit_bytes=sys.maxsize)


def say(trouble: str) -> None:
    """Tells the log that commits fail, or do not fail any more."""
    if trouble:
        event(log, logging.ERROR, "journal_trouble", error=trouble)
    else:
        event(log, logging.INFO, "journal_well")


async def obey(channel: Channel[Report, Directive], directory: DataDirectory, stop: asyncio.Event) -> None:
    """Ends when the supervisor says so. Where it died, keeper stays until the gateways that outlive it are gone."""
    while True:
        try:
            directive = await channel.receive()
        except ChannelBroken as broken:
            event(log, logging.ERROR, "directive_unread", error=str(broken))
            directive = None
        match directive:
            case Drain():
                break
            case None:
                event(log, logging.WARNING, "supervisor_gone")
                signal.alarm(ALONE_S)
                await outlived(gateways(directory))
                break
    stop.set()


def gateways(directory: DataDirectory) -> list[int]:
    """The pids of the workers that may still have calls open."""
    try:
        members = roster.read(directory.processes)
    except StoreError:
        return []
    return [member.pid for member in members if member.role == "gateway"]


async def outlived(pids: list[int]) -> None:
    """Waits until these processes are gone, but not for ever."""
    for _ in range(int(ALONE_S / LOOK_S)):
        if not any(map(lives, pids)):
            return
        await asyncio.sleep(LOOK_S)


def lives(pid: int) -> bool:
    """Whether there is a process of this pid."""
    return Path(f"/proc/{pid}").exists()


class FoundBodies:
    """Bodies in the packs of every process; looks for new ones when it does not know one."""

    def __init__(self, directory: Path) -> None:
        self._index = BodyIndex(directory)

    def read(self, digest: str) -> bytes | None:
        """The body of that digest; None where it is not kept. Raises `StoreError` for a damaged one."""
        found = self._index.read(digest)
        if found is None:
            try:
                self._index.update()
            except FormatError as damage:  # told once; what is whole was taken in
                event(log, logging.ERROR, "pack_damaged", error=str(damage))
            found = self._index.read(digest)
        return found

    def __repr__(self) -> str:
        return f"FoundBodies({self._index!r})"
