"""A post is kept filled, with real (light) processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.processes.crewing import LIMIT_S, Bench, role
from trimtab.errors import CannotStart
from trimtab.processes.channel import UseSnapshot
from trimtab.processes.post import Post


def port(post: Post) -> int:
    assert post._listener is not None
    found: int = post._listener.getsockname()[1]
    return found


async def answering_pid(at: int) -> int:
    """The pid of the process that accepts a connection."""
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", at)
        answer = await reader.read()
        writer.close()
        return int(answer)


async def test_child_serves_on_the_posts_socket(bench: Bench) -> None:
    """A post that is filled answers on the socket it was made with."""
    post = bench.post(role(), listening=True)
    await post.open()
    await post.filled()
    assert post.current is not None
    assert await answering_pid(port(post)) == post.current.pid
    await post.close()


async def test_killed_child_is_followed_and_buried(bench: Bench) -> None:
    """After SIGKILL the dead child's epoch is buried, the death noted, and a child with another epoch works."""
    post = bench.post(role())
    await post.open()
    await post.filled()
    first = post.current
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    await bench.until(lambda: post.current is not first and post.current is not None and post.current.ready.is_set())
    assert post.current is not None
    assert bench.buried == [first.launch.epoch]
    assert first.launch.epoch.startswith("g0-")
    assert post.current.launch.epoch != first.launch.epoch
    assert ("worker_died", "gateway 0", "signal SIGKILL") in bench.notes
    assert post.current.member().restarts == 1
    await post.close()


async def test_connection_made_while_nobody_works_is_served_by_the_successor(bench: Bench, tmp_path: Path) -> None:
    """A connection that comes while the slot is empty waits in the socket's queue and is answered, not reset."""
    broken = tmp_path / "broken"
    broken.touch()
    post = bench.post(role(str(broken)), listening=True)
    await post.open()
    await bench.until(lambda: post.restarts >= 2)
    waiting = asyncio.ensure_future(answering_pid(port(post)))
    broken.unlink()
    await post.filled()
    assert post.current is not None
    assert await waiting == post.current.pid
    await post.close()


async def test_replace_leaves_no_moment_without_a_worker(bench: Bench) -> None:
    """During 5 replacements every one of the connections that are made without a pause is answered."""
    post = bench.post(role(), listening=True)
    await post.open()
    await post.filled()
    pids: list[int] = []
    done = asyncio.Event()

    async def call() -> None:
        while not done.is_set():
            pids.append(await answering_pid(port(post)))

    calling = asyncio.ensure_future(call())
    for _ in range(5):
        assert await post.replace()
    done.set()
    await calling
    assert len(set(pids)) >= 2
    assert post.current is not None
    await bench.until(lambda: len(post.alive) == 1)
    assert len(bench.buried) == 5
    assert not [note for note in bench.notes if note[0] == "worker_died"]
    await post.close()


async def test_successor_that_does_not_start_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """When a successor dies before it is ready, the predecessor goes on and `replace` says no."""
    broken = tmp_path / "broken"
    post = bench.post(role(str(broken)), listening=True)
    await post.open()
    await post.filled()
    before = post.current
    broken.touch()
    assert not await post.replace()
    assert post.current is before
    assert before is not None
    assert await answering_pid(port(post)) == before.pid
    await post.close()


async def test_crash_loop_is_said_and_gives_up_the_start(bench: Bench) -> None:
    """A child that dies again and again before it is ready makes the start fail, with how it died, and a note."""
    post = bench.post(role("dies"))
    await post.open()
    with pytest.raises(CannotStart, match=r"gateway 0 does not start: .*exit code 3"):
        await post.filled()
    assert [note[1:] for note in bench.notes if note[0] == "crash_loop"] == [
        ("gateway 0", "5 deaths in a row, the last with exit code 3")
    ]
    await post.close()


async def test_child_that_ignores_a_drain_is_killed(bench: Bench) -> None:
    """A child that does not end within its patience is killed, so that a stop ends."""
    post = bench.post(role("stuck", patience_s=0.2))
    await post.open()
    await post.filled()
    child = post.current
    assert child is not None
    await post.close()
    assert child.ending == "signal SIGKILL"


async def test_child_that_babbles_is_killed_and_followed(bench: Bench) -> None:
    """A child whose report is no message is ended, and another is started."""
    post = bench.post(role("babbles"))
    await post.open()
    await bench.until(lambda: post.restarts >= 1)
    assert ("worker_died", "gateway 0", "signal SIGKILL") in bench.notes
    await post.close()


async def test_snapshot_reaches_the_child_and_its_answer_the_roster(bench: Bench) -> None:
    """What a child says it serves under stands in its line of the roster."""
    post = bench.post(role())
    await post.open()
    await post.filled()
    post.tell(UseSnapshot("snapshot-2.mp"))
    await bench.until(lambda: post.current is not None and post.current.snapshot)
    assert post.current is not None
    assert post.current.member().snapshot == "snapshot-2.mp"
    await post.close()
    assert repr(post) == "Post(gateway 0: empty, Backoff(0 deaths in a row))"
