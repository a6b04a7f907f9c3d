"""What control finds of keeper."""

from __future__ import annotations

import socket
from pathlib import Path

from trimtab.journal.asks import Begin, Find, Open
from trimtab.journal.client import KeeperClient
from trimtab.journal.entries import Started
from trimtab.journal.keeper import Keeper
from trimtab.journal.run_counts import RunSums
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.keeper_watch import KeeperWatch
from trimtab.processes.listeners import open_unix_listener
from trimtab.testing import JumpingClock


async def test_keeper_is_up_and_then_gone(tmp_path: Path) -> None:
    """While keeper answers, its figures are told; when it is gone, that is told beside what it said last."""
    clock = JumpingClock()
    listener = open_unix_listener(tmp_path / "keeper.sock")
    keeper = Keeper(RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), clock), clock)
    client = KeeperClient(tmp_path / "keeper.sock", patience_s=2.0)
    watch = KeeperWatch(client, clock)
    assert watch.view is None
    await keeper.start(listener)
    await client.do(Find())
    await client.do(Open("r", Started(clock.wall_ns(), "refund", through="gateway")))
    await client.do(Begin("r", 0, "model", "answer", "aa"))
    await watch.look()
    assert watch.view is not None
    assert watch.view.up
    assert watch.view.health is not None
    assert (watch.view.health.asks, watch.view.health.connections) == (3, 1)
    await keeper.stop()
    await watch.look()
    assert not watch.view.up
    assert "keeper.sock" in watch.view.detail
    assert watch.view.runs is not None
    assert watch.view.runs.sums == (RunSums("refund", 1, 1, 1, 1, 1, 0, 0),)
    assert watch.view.health is not None
    assert watch.view.health.asks == 3
    await client.close()


def test_an_old_socket_is_replaced(tmp_path: Path) -> None:
    """A socket that an earlier life left gives way; the new one may only be opened by its owner."""
    path = tmp_path / ("d" * 90) / "keeper.sock"
    for _ in range(2):
        with open_unix_listener(path) as listener:
            assert path.stat().st_mode & 0o777 == 0o600
            assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
