"""`trimtab up` for real: workers that die, restarts, edits, stops. One upstream follows a script in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.harness import Response
from tests.gateway_wire.conftest import Certificates
from tests.processes.upping import UP, Up, write_project, write_task
from trimtab.access.keys import KeyDirectory, KeyStore
from trimtab.assemble.up import House
from trimtab.clock import SystemClock
from trimtab.database.connection import connect_read_only
from trimtab.database.migrate import known, open_state
from trimtab.declare.load import load
from trimtab.errors import DirectoryInUse
from trimtab.ids import IdSource
from trimtab.processes import roster
from trimtab.processes.directory import DataDirectory
from trimtab.record.events import ABANDONED, OK, Admitted, Settled
from trimtab.testing import Hang, Script, ScriptedUpstream, Send, WaitFor, chat_json, chat_stream
from trimtab.testing.answers import HELLO
from trimtab.testing.scripts import PLAIN

BEGUN = (Send(PLAIN.head()), *PLAIN.steps([*HELLO.opening(), *HELLO.deltas()[:2]]))
CHAT = "/v1/chat/completions"
REST = (*PLAIN.steps([*HELLO.deltas()[2:], *HELLO.closing()]), *PLAIN.end())


@pytest.fixture
async def replica() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that answers whole."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        yield upstream


def opened(event: asyncio.Event) -> Script:
    """A stream that goes on when the event is set."""
    return Script((*BEGUN, WaitFor(event), *REST))


async def begin_stream(up: Up) -> asyncio.StreamReader:
    """A streamed call whose first content has come."""
    reader = await up.open(stream=True)
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head + await reader.read()
    return reader


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What is left of a stream, to the end of its connection, however that ends."""
    rest = b""
    async with asyncio.timeout(30):
        try:
            while data := await reader.read(65536):
                rest += data
        except ConnectionResetError:
            return rest
    return rest


async def test_killed_worker_is_replaced_and_its_calls_settled(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """SIGKILL of the only worker amid a stream: the client's stream breaks, the call is settled as abandoned, and the
    next call, made at once, is answered by the successor.
    """
    write_project(tmp_path, replica.url)
    replica.add(Script((*BEGUN, Hang())), path=CHAT)
    async with Up(tmp_path) as up:
        stream = await begin_stream(up)
        worker = await up.member("gateway")
        os.kill(worker.pid, signal.SIGKILL)
        assert (await up.call()).status == 200
        assert not (await rest_of(stream)).endswith(b"0\r\n\r\n")
        await up.logged("orphans_settled")
        after = await up.member("gateway", after=worker)
        assert (after.restarts, after.slot) == (1, 0)
        assert after.epoch != worker.epoch
    settled = [event for event in up.events() if isinstance(event, Settled)]
    assert sorted(event.outcome for event in settled) == [ABANDONED, OK]
    assert [change.subject for change in up.changes("worker_died")] == ["gateway 0"]


async def test_rolling_restarts_lose_no_connection_and_no_stream(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """3 rolling restarts of 2 workers under load, a connection for each call: no call fails, and a stream that was
    open before the first restart ends well after the last.
    """
    write_project(tmp_path, replica.url, workers=2)
    go_on = asyncio.Event()
    replica.add(opened(go_on), path=CHAT)
    async with Up(tmp_path) as up:
        stream = await begin_stream(up)
        done = asyncio.Event()
        answers: list[Response] = []

        async def load() -> None:
            while not done.is_set():
                answers.append(await up.call())

        loading = [asyncio.ensure_future(load()) for _ in range(2)]
        first = {member.pid for member in up.members("gateway")}
        for number in range(3):
            if number == 1:
                go_on.set()  # a slot waits for its predecessor's streams before it is restarted again
                assert (await rest_of(stream)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            up.signal(signal.SIGUSR2)
            assert (await up.logged("rolling_restart_ended", number + 1))["complete"]
        done.set()
        await asyncio.gather(*loading)
        assert {answer.status for answer in answers} == {200}
        assert all(answer.whole for answer in answers)
        assert not first & {member.pid for member in up.members("gateway")}
    settled = [event for event in up.events() if isinstance(event, Settled)]
    assert {event.outcome for event in settled} == {OK}
    assert len(settled) == len(answers) + 1


async def test_an_edit_is_in_force_and_drops_no_stream(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """A changed task is in force, recorded as a change; the stream that was open goes on to its end."""
    write_project(tmp_path, replica.url)
    go_on = asyncio.Event()
    replica.add(opened(go_on), path=CHAT)
    async with Up(tmp_path) as up:
        stream = await begin_stream(up)
        before = up.standing()["digest"]
        write_task(tmp_path, first_token="19s")
        await up.until(lambda: up.members("gateway")[0].snapshot != before)
        after = up.standing()["digest"]
        assert (await up.call()).headers["x-trimtab-snapshot"] == after[:12]
        go_on.set()
        assert (await rest_of(stream)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        (start, edit) = up.changes("snapshot")
        assert (start.by, start.after) == ("start", before)
        assert (edit.by, edit.before, edit.after) == ("edit", before, after)
        admitted = [event for event in up.events() if isinstance(event, Admitted)]
        assert [event.snapshot for event in admitted] == [before, after]


async def test_bad_edit_keeps_what_was_in_force_and_says_so(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """An edit with a mistake changes nothing: log, record and standing tell file and line, until it is mended."""
    write_project(tmp_path, replica.url)
    async with Up(tmp_path) as up:
        before = up.standing()["digest"]
        task = tmp_path / "tasks" / "chat" / "task.toml"
        task.write_text('owner = "team"\nmodel = "large"\n')
        (mistake,) = (await up.logged("edit_refused"))["mistakes"]
        assert mistake.startswith("tasks/chat/task.toml:2: ")
        assert up.standing()["digest"] == before
        assert up.standing()["refused"]["mistakes"] == [mistake]
        await up.until(lambda: [change.detail for change in up.changes("snapshot_refused")] == [mistake])
        assert (await up.call()).status == 200
        write_task(tmp_path)
        await up.until(lambda: up.standing()["refused"] is None)
        assert up.standing()["digest"] == before


async def test_edit_that_needs_a_restart_is_held_back_whole(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """Workers are fixed at the start: an edit of them is not taken, nor what was edited with it, and both are told."""
    write_project(tmp_path, replica.url)
    async with Up(tmp_path) as up:
        before = up.standing()["digest"]
        declaration = tmp_path / "trimtab.toml"
        text = declaration.read_text()
        declaration.write_text(text.replace("workers = 1", "workers = 2").replace('"test"', '"prod"'))
        assert (await up.logged("edit_needs_restart"))["settings"] == ["[gateway] workers: 1 -> 2"]
        assert up.standing()["needs_restart"] == ["[gateway] workers: 1 -> 2"]
        assert up.standing()["digest"] == before
        declaration.write_text(text)
        await up.until(lambda: up.standing()["needs_restart"] == [])
        up.signal(signal.SIGHUP)
        assert (await up.logged("declaration_unchanged", 2))["by"] == "SIGHUP"


async def test_stop_lets_streams_end_and_refuses_a_second_life_meanwhile(
    replica: ScriptedUpstream, tmp_path: Path
) -> None:
    """After SIGTERM an open stream goes on to its end, nobody else gets the directory until then, and the exit is 0
    with every call settled and the roster empty.
    """
    write_project(tmp_path, replica.url)
    go_on = asyncio.Event()
    replica.add(opened(go_on), path=CHAT)
    async with Up(tmp_path) as up:
        stream = await begin_stream(up)
        up.signal(signal.SIGTERM)
        await up.logged("draining")
        with (
            pytest.raises(DirectoryInUse, match=f"is held by process {up.process.pid};"),
            DataDirectory(tmp_path / ".trimtab").hold(),
        ):
            raise AssertionError("held twice")
        go_on.set()
        assert (await rest_of(stream)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert await up.ended() == 0, str(up.log)
        assert [event.outcome for event in up.events() if isinstance(event, Settled)] == [OK]
        assert up.members("gateway") == []
        assert len(up.changes("stopped")) == 1


async def test_second_signal_does_not_wait(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """A second SIGINT ends what is still open at once; the call that was cut is settled as abandoned."""
    write_project(tmp_path, replica.url)
    replica.add(Script((*BEGUN, Hang())), path=CHAT)
    async with Up(tmp_path) as up:
        await begin_stream(up)
        up.signal(signal.SIGINT)
        await up.logged("draining")
        up.signal(signal.SIGINT)
        assert await up.ended() == 0, str(up.log)
        assert [event.outcome for event in up.events() if isinstance(event, Settled)] == [ABANDONED]


async def test_children_of_a_killed_supervisor_finish_and_the_next_life_takes_over(
    replica: ScriptedUpstream, tmp_path: Path
) -> None:
    """SIGKILL of the supervisor: its worker ends the open stream well and goes; a `trimtab up` started meanwhile
    waits for that and then answers.
    """
    write_project(tmp_path, replica.url)
    go_on = asyncio.Event()
    replica.add(opened(go_on), path=CHAT)
    async with Up(tmp_path) as first:
        stream = await begin_stream(first)
        first.signal(signal.SIGKILL)
        await first.logged("supervisor_gone")
        second = Up(tmp_path)
        starting = asyncio.ensure_future(second.__aenter__())
        go_on.set()
        assert (await rest_of(stream)).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        await starting
        try:
            assert (await second.call()).status == 200
        finally:
            await second.__aexit__()
    assert {event.outcome for event in second.events() if isinstance(event, Settled)} == {OK}


async def test_port_that_is_taken_is_said_and_nothing_is_left(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """A gateway address in use ends `trimtab up` with a sentence that names it, and the directory is free again."""
    write_project(tmp_path, replica.url)
    declaration = tmp_path / "trimtab.toml"
    declaration.write_text(declaration.read_text().replace("127.0.0.1:0", f"127.0.0.1:{replica.port}", 1))
    up = Up(tmp_path)
    await up.spawn()
    assert await up.ended() != 0
    said = "\n".join(str(line) for line in up.log)
    assert f"Cannot listen on 127.0.0.1:{replica.port}: another process listens there" in said
    with DataDirectory(tmp_path / ".trimtab").hold():
        pass


def edit(root: Path, old: str, new: str) -> None:
    """Changes the project's trimtab.toml."""
    declaration = root / "trimtab.toml"
    text = declaration.read_text()
    assert old in text
    declaration.write_text(text.replace(old, new))


async def test_keys_hold_while_it_runs(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """With keys required a call without one is refused; a key works once it is made, and not once it is revoked."""
    write_project(tmp_path, replica.url)
    edit(tmp_path, 'keys = "open"', 'keys = "required"')
    async with Up(tmp_path) as up:
        assert (await up.call()).status == 401
        keys = KeyStore(open_state(tmp_path / ".trimtab" / "state.db"), SystemClock(), IdSource())
        _, up.key = keys.new("app")
        await answered_with(up, 200)
        keys.revoke("app")
        await answered_with(up, 401)


async def test_the_state_database_is_whole_before_a_child_reads_it(tmp_path: Path) -> None:
    """Joined, and nothing started: it has its newest schema and is in WAL mode, so that no worker meets it locked."""
    write_project(tmp_path, "http://127.0.0.1:9/none")
    project = load(tmp_path)
    directory = DataDirectory.of(project)
    with contextlib.ExitStack() as held:
        lock = held.enter_context(directory.hold())
        async with asyncio.TaskGroup() as tasks:
            House(project, directory, lock, tasks, held)
        reader = held.enter_context(contextlib.closing(connect_read_only(directory.state)))
        assert reader.execute("PRAGMA user_version").fetchone() == (known()[-1].number,)
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        finder = held.enter_context(contextlib.closing(KeyDirectory(directory.state)))
        assert finder.refresh()


async def test_calls_are_answered_though_the_state_database_is_damaged(
    replica: ScriptedUpstream, tmp_path: Path
) -> None:
    """It is said and left as it is."""
    write_project(tmp_path, replica.url)
    state = tmp_path / ".trimtab" / "state.db"
    state.parent.mkdir(mode=0o700)
    state.write_bytes(b"this is no database" * 100)
    async with Up(tmp_path) as up:
        assert "state.db" in (await up.logged("state_not_opened"))["error"]
        assert (await up.call()).status == 200
    assert state.read_bytes() == b"this is no database" * 100


async def answered_with(up: Up, status: int) -> None:
    """Waits until a call ends with this status."""
    async with asyncio.timeout(30):
        while (await up.call()).status != status:
            await asyncio.sleep(0.02)


async def test_gateway_serves_tls(replica: ScriptedUpstream, tmp_path: Path, certificates: Certificates) -> None:
    """With [gateway] tls a worker and its successor answer over TLS, and the URL that is told says https."""
    write_project(tmp_path, replica.url)
    place = Path(certificates.ca).parent
    tls = f'tls = {{ cert = "{place}/cert.pem", key = "{place}/key.pem" }}'
    edit(tmp_path, 'keys = "open"', f'keys = "open"\n{tls}')
    async with Up(tmp_path) as up:
        assert up.started["gateway"].startswith("https://")
        up.tls = certificates.client
        assert (await up.call()).status == 200
        up.signal(signal.SIGUSR2)
        await up.logged("rolling_restart_ended")
        assert (await up.call()).status == 200


HIDE_UVLOOP = """
import sys

class NoUvloop:
    def find_spec(self, name, path=None, target=None):
        if name == "uvloop":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoUvloop())
"""


async def test_worker_runs_on_asyncios_own_loop(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """Without uvloop the worker serves whole answers and streams on the standard loop."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(HIDE_UVLOOP)
    root = tmp_path / "project"
    write_project(root, replica.url)
    replica.add(chat_stream(), path=CHAT)
    async with Up(root, path=hidden) as up:
        worker = await up.member("gateway")
        assert "uvloop" not in Path(f"/proc/{worker.pid}/maps").read_text()
        assert (await rest_of(await begin_stream(up))).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert (await up.call()).status == 200


async def test_closed_terminal_stops_it(replica: ScriptedUpstream, tmp_path: Path) -> None:
    """When the terminal it was started from is closed, `trimtab up` ends as if it had been told to stop."""
    write_project(tmp_path, replica.url)
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *UP, "--project", str(tmp_path), preexec_fn=lambda: os.login_tty(theirs), pass_fds=[theirs]
    )
    os.close(theirs)
    shown = b""
    while b'"started"' not in shown:
        shown += await asyncio.to_thread(os.read, ours, 65536)
    os.close(ours)
    async with asyncio.timeout(30):
        await process.wait()
    with DataDirectory(tmp_path / ".trimtab").hold():
        assert roster.read(tmp_path / ".trimtab" / "run" / "processes.json") == ()
