"""The supervisor over light children, and the declaration it holds in force."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.processes.crewing import Bench, role
from tests.processes.upping import write_project, write_task
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.errors import CannotStart, DeclarationError
from trimtab.processes.burial import Burial
from trimtab.processes.changes import Changes
from trimtab.processes.crew import Crew
from trimtab.processes.inforce import InForce
from trimtab.processes.roster import Member
from trimtab.processes.supervisor import Supervisor
from trimtab.processes.watch import Watch, look
from trimtab.record import tail
from trimtab.record.disk import Disk
from trimtab.record.events import Change
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.spool import Spool


class House:
    """A supervisor whose one gateway does what `mode` says."""

    def __init__(self, root: Path, bench: Bench, mode: str) -> None:
        clock = SystemClock()
        write_project(root, "http://127.0.0.1:9")
        self.spool = root / "spool"
        log = RollingLog(self.spool / "s-1", SEGMENT, clock, Disk(), max_bytes=1 << 20, max_age_s=60.0)
        self.in_force = InForce(load(root), root, root / "declaration.json", clock)
        self.crew = Crew(root / "processes.json", lambda: Member("supervisor", 0, os.getpid(), "s-1", 0.0, 0, "ready"))
        self.crew.add(bench.post(role(mode)))
        burial = Burial(lambda epoch: 0, lambda: None)
        self.supervisor = Supervisor(
            self.in_force, self.crew, burial, Watch(lambda: look(root)), Changes(Spool(log), clock)
        )
        self.started = asyncio.Event()
        self.running = asyncio.ensure_future(self.supervisor.run(self.started.set))

    def changes(self) -> list[str]:
        """The kinds of the changes that were recorded."""
        found = [event for segment in tail.segments(self.spool) for _, event in tail.read(segment.path, 0)]
        return [event.kind for event in found if isinstance(event, Change)]


async def test_stop_during_the_start_ends_it(bench: Bench, tmp_path: Path) -> None:
    """Told to stop while a gateway is not ready yet, everything ends in order, and nothing is said to run."""
    house = House(tmp_path, bench, "mute")
    await bench.until(lambda: house.crew.posts[0].alive)
    house.supervisor.stop()
    await house.running
    assert not house.started.is_set()
    assert house.crew.posts[0].alive == []
    assert house.changes() == ["snapshot", "not_locked", "stopped"]


async def test_gateway_that_cannot_start_ends_the_run_with_the_reason(bench: Bench, tmp_path: Path) -> None:
    """When the start fails the run raises why, after everything has ended."""
    house = House(tmp_path, bench, "dies")
    with pytest.raises(CannotStart, match=r"gateway 0 does not start: .* exit code 3"):
        await house.running
    assert house.crew.posts[0].alive == []


async def test_states_are_told(bench: Bench, tmp_path: Path) -> None:
    """What a supervisor is doing can be read off it."""
    house = House(tmp_path, bench, "works")
    await house.started.wait()
    digest = house.in_force.snapshot.digest[:12]
    assert repr(house.in_force) == f"InForce({digest})"
    assert repr(house.supervisor).startswith(f"Supervisor(minding, InForce({digest}), Crew(Post(gateway 0: Child(")
    house.supervisor.stop()
    await house.running
    assert repr(house.supervisor).startswith("Supervisor(stopping, ")


async def test_what_is_not_installed_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose authentication needs an extra that is not there keeps `trimtab up` from starting, and says why."""
    write_project(tmp_path, "http://127.0.0.1:9")
    declaration = tmp_path / "trimtab.toml"
    declaration.write_text(declaration.read_text() + '[models.claude]\nmodel = "c"\nreplicas = ["http://b"]\n')
    with declaration.open("a") as file:
        file.write('auth = { kind = "aws", region = "eu-central-1" }\n')
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(DeclarationError, match=r'models.claude.auth .* run pip install "trimtab\[aws\]"'):
        InForce(load(tmp_path), tmp_path, tmp_path / "declaration.json", SystemClock())


async def test_edit_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    """Reading again tells nothing new, a switch, mistakes, or what needs a restart; only a switch publishes."""
    write_project(tmp_path, "http://127.0.0.1:9")
    in_force = InForce(load(tmp_path), tmp_path, tmp_path / "declaration.json", SystemClock())
    first = in_force.path
    assert in_force.renew().kind == "same"
    write_task(tmp_path, first_token="3s")
    switched = in_force.renew()
    assert (switched.kind, switched.after) == ("switched", in_force.snapshot.digest)
    assert in_force.path != first
    (tmp_path / "tasks" / "chat" / "task.toml").write_text("model = 3\n")
    assert in_force.renew().kind == "refused"
    assert repr(in_force) == f"InForce({switched.after[:12]}, an edit was refused)"
    (tmp_path / "tasks" / "chat" / "task.toml").write_text('model = "small"\noutput = { schema = "s.json" }\n')
    (tmp_path / "tasks" / "chat" / "s.json").write_text('{"type": "text"}')
    refused = in_force.renew()
    assert (refused.kind, in_force.snapshot.digest) == ("refused", switched.after)
    assert refused.lines[0].startswith("tasks/chat/s.json:1: this JSON Schema cannot be used: ")
    write_task(tmp_path, first_token="3s")
    declaration = tmp_path / "trimtab.toml"
    text = declaration.read_text().replace('keys = "open"', 'keys = "required"')
    declaration.write_text(text.replace('reserve = "1MiB"', 'reserve = "2MiB"'))
    assert in_force.renew()[3] == ("[gateway] keys: open -> required", "[data]: reserve_bytes 1048576 -> 2097152")
    assert repr(in_force) == f"InForce({switched.after[:12]}, an edit needs a restart)"
    assert in_force.snapshot.digest == switched.after
