"""`trimtab data from-calls` and `coverage`, of a directory in which nothing runs and of a control that does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from tests.control.running import GUARD_S, PROJECT, TASK, control, data_of, until
from tests.store.conftest import ROOT
from tests.store.samples import SECOND_NS, call
from tests.store.spools import SegmentWriter
from trimtab.cli import run
from trimtab.clock import SystemClock
from trimtab.data.rows import Row, read_row
from trimtab.processes.directory import DataDirectory
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.redact import Redaction
from trimtab.record.room import Room

EPOCH = "g0-0123456789ab"
SECRET = "sk-abcdefghijklmnop"
TOPICS = ("the parcel to Lisbon never came", "please send the invoice again", "my password does not work any more")


def request(number: int) -> dict[str, Any]:
    said = f"{TOPICS[number % 3]}, number {number}, and here is {SECRET}"
    return {"model": "route", "messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": said}]}


def stream(text: str) -> bytes:
    """An answer as a stream, a letter at a time."""
    events = [{"choices": [{"index": 0, "delta": {"content": letter}}]} for letter in text]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def filled(directory: Path, redactions: tuple[Redaction, ...]) -> Path:
    """A project with one call of the task `route` for each redaction, a second apart; every third was repaired."""
    project, places = directory / "project", data_of(directory)
    (project / "tasks" / "route").mkdir(parents=True)
    (project / "trimtab.toml").write_text(PROJECT)
    (project / "tasks" / "route" / "task.toml").write_text(TASK)
    places.mkdir(parents=True)
    clock, disk = SystemClock(), Disk()
    room = Room(places, EPOCH, clock, disk, reserve_bytes=1 << 20, spool_limit_bytes=1 << 30)
    packs = RollingLog(places / "bodies" / EPOCH, PACK, clock, disk, max_bytes=1 << 26, max_age_s=600.0)
    bodies = Bodies(packs, room, clock)
    writer, now_ns = SegmentWriter(places / "spool", EPOCH), time.time_ns() - 1000 * SECOND_NS
    for number, redaction in enumerate(redactions):
        refs = bodies.request(json.dumps(request(number)).encode(), None, redaction)
        capture = bodies.capture(redaction)
        capture.add(stream('{"team": "orders"}'), 0.0)
        made = call(f"c{number}", now_ns + number * SECOND_NS, verdict="valid", repairs=int(number % 3 == 0))
        known = {"request_body": refs.body, "request_bytes": 100}
        writer.write(replace(made, admitted=replace(made.admitted, **known), response_body=bodies.response(capture)))
    bodies.close()
    writer.seal()
    return project


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Say = Callable[..., Said]


@pytest.fixture(params=["stopped", "running"])
def say(request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Carries out `trimtab data` on a project with nine calls that were kept whole and three that were not.

    Where nothing runs, a process of its own opens the stores: telemetry within this one would stay open.
    """
    root = filled(tmp_path, ("full",) * 9 + ("digest", "none", "preview"))

    def apart(*arguments: str) -> Said:
        command = [sys.executable, "-m", "trimtab", "data", *arguments, "--project", str(root)]
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=GUARD_S)
        return Said(done.returncode, done.stdout, done.stderr)

    def here(*arguments: str) -> Said:
        return Said(run(["data", *arguments, "--project", str(root)]), *capfd.readouterr())

    if request.param == "stopped":
        yield apart
        return
    with DataDirectory(data_of(tmp_path)).hold(), control(tmp_path) as running:
        assert until(lambda: len(running.ask("/api/calls")[1].get("calls", ())), 12) == 12
        yield here


def test_cases_of_calls(say: Say, tmp_path: Path) -> None:
    """Each call kept whole gives a case with its id, its messages and its answer; for the others it is told why not."""
    of_route = ("from-calls", "--task", "route", "--since", "1d")
    found = json.loads(say(*of_route, "--json").out)
    assert {case["call"] for case in found["cases"]} == {f"c{number}" for number in range(9)}
    assert found["passed_over"] == {"not_kept": 2, "preview": 1}
    first = next(case for case in found["cases"] if case["call"] == "c1")
    assert first["messages"][1]["content"] == f"{TOPICS[1]}, number 1, and here is [redacted]"
    assert (first["observed"], "expected" in first) == ({"team": "orders"}, False)
    said = say(*of_route, "--where", "outcome = ok and repairs > 0", "--sample", "2")
    rows = [read_row(line.encode(), 1) for line in said.out.splitlines()]
    assert len(rows) == 2
    assert {row.value["call"] for row in rows if isinstance(row, Row)} < {"c0", "c3", "c6"}
    assert "4 keep the conditions" in said.err
    refused = say(*of_route, "--where", "__class__ = x")
    assert (refused.status, "is no field of a call" in refused.err) == (1, True)
    target = tmp_path / "drawn.jsonl"
    assert "Next: trimtab data add" in say(*of_route, "--to", str(target)).out
    assert len(target.read_text().splitlines()) == 9
    assert say(*of_route, "--to", str(target)).status == 1


def test_coverage(say: Say, tmp_path: Path) -> None:
    """Two of three kinds of calls have a case; the third is told with an example, its share, and a case to add."""
    cases = [{"inputs": {"text": f"{topic}, number 999, and here is a thing"}} for topic in TOPICS[:2]]
    file = tmp_path / "project" / "tasks" / "route" / "cases.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in cases))
    of_route = ("coverage", "--task", "route", "--since", "1d", "--propose", "1")
    found = json.loads(say(*of_route, "--json").out)
    assert (found["cases"], found["coverage"]["calls"], found["coverage"]["uncovered"]) == (2, 9, 3)
    assert TOPICS[2] in found["examples"][0]["messages"][1]["content"]
    assert [case["call"] in {"c2", "c5", "c8"} for case in found["proposed"]] == [True]
    said = say(*of_route).out
    assert "33.3% of calls are represented by no case of tasks/route/cases (95 % interval 12.1% to 64.6%, n = 9" in said


def test_coverage_of_no_cases(say: Say) -> None:
    """A task without cases covers nothing, and its first ones are proposed; a set that is named has to be there."""
    of_route = ("coverage", "--task", "route", "--since", "1d", "--propose", "3", "--json")
    found = json.loads(say(*of_route).out)
    assert (found["cases"], found["coverage"]["calls"], found["coverage"]["uncovered"]) == (0, 9, 9)
    assert len({case["call"] for case in found["proposed"]}) == 3
    assert say(*of_route, "--cases", "nothing").status == 1
