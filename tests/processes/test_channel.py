"""The line between supervisor and child."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import ChannelBroken
from trimtab.processes import channel
from trimtab.processes.channel import (
    LINE_LIMIT,
    UNREAD_LIMIT,
    Drain,
    Drained,
    Ready,
    Refused,
    UseSnapshot,
    Using,
    child_end,
    supervisor_end,
)


async def test_messages_arrive_in_order_both_ways() -> None:
    """Directives go down and reports come up, each as one line of JSON, and the end shows as None."""
    ours, theirs = socket.socketpair()
    supervisor, child = await supervisor_end(ours), await child_end(theirs)
    supervisor.send(UseSnapshot("run/snapshot-1.mp"))
    supervisor.send(Drain("restart"))
    child.send(Ready())
    child.send(Using("d1"))
    child.send(Refused("run/snapshot-2.mp", "board full"))
    child.send(Drained(3))
    assert [await child.receive(), await child.receive()] == [UseSnapshot("run/snapshot-1.mp"), Drain("restart")]
    assert [await supervisor.receive() for _ in range(4)] == [
        Ready(),
        Using("d1"),
        Refused("run/snapshot-2.mp", "board full"),
        Drained(3),
    ]
    await child.close()
    assert await supervisor.receive() is None
    await supervisor.close()


async def test_wire_format() -> None:
    """What stands on the wire is what the documentation says."""
    ours, theirs = socket.socketpair()
    with theirs:
        supervisor = await supervisor_end(ours)
        supervisor.send(UseSnapshot("p"))
        supervisor.send(Drain())
        await supervisor.close()
        assert theirs.recv(4096) == b'{"do":"snapshot","path":"p"}\n{"do":"drain","reason":"stop"}\n'


@pytest.mark.parametrize("sent", [b"no json\n", b'{"say":"more"}\n', b"x" * (LINE_LIMIT + 2)])
async def test_what_is_no_message_breaks_the_channel(sent: bytes) -> None:
    """Garbage, an unknown report and a line over 64 KiB are a broken channel, not a crash."""
    ours, theirs = socket.socketpair()
    supervisor = await supervisor_end(ours)
    sending = asyncio.get_running_loop().sock_sendall
    theirs.setblocking(False)
    reader = asyncio.ensure_future(supervisor.receive())
    await sending(theirs, sent)
    with pytest.raises(ChannelBroken):
        await reader
    theirs.close()
    await supervisor.close()


async def test_half_a_line_at_the_end_is_the_end() -> None:
    """A child that died amid a line has ended; its half line is no message."""
    ours, theirs = socket.socketpair()
    supervisor = await supervisor_end(ours)
    theirs.sendall(b'{"say":"ready"}\n{"say":"dra')
    theirs.close()
    assert await supervisor.receive() == Ready()
    assert await supervisor.receive() is None
    await supervisor.close()


async def test_end_that_reads_nothing_is_noticed() -> None:
    """What a child leaves unread is bounded: past 256 KiB in our buffer sending breaks."""
    ours, theirs = socket.socketpair()
    supervisor = await supervisor_end(ours)
    directive = UseSnapshot("x" * 10_000)
    with pytest.raises(ChannelBroken, match="unread"):
        for _ in range(10 * UNREAD_LIMIT // 10_000):
            supervisor.send(directive)
    theirs.close()
    await supervisor.close()


@given(st.binary(max_size=300))
def test_readers_raise_one_kind_of_error(line: bytes) -> None:
    """Any line is a message or a `ChannelBroken`."""

    async def read() -> None:
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        reader.feed_data(line.replace(b"\n", b" ") + b"\n")
        reader.feed_eof()
        ours, theirs = socket.socketpair()
        with theirs:
            _, writer = await asyncio.open_unix_connection(sock=ours)
            end = channel.Channel[Drain, Ready](reader, writer, channel._reports.decode)  # type: ignore[arg-type]
            try:
                await end.receive()
            except ChannelBroken:
                pass
            finally:
                await end.close()

    asyncio.run(read())


def test_child_without_a_loop_waits_for_the_drain() -> None:
    """The blocking end reports ready, passes over snapshots, and returns at a drain or when the supervisor is gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel.say_ready(theirs)
        assert ours.recv(100) == b'{"say":"ready"}\n'
        ours.sendall(b'{"do":"snapshot","path":"p"}\n{"do":"drain"}\n{"do":"drain"}\n')
        channel.wait_for_drain(theirs)
        ours.close()
        channel.wait_for_drain(theirs)
