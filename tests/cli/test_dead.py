"""`trimtab dead`, asked of a control that runs and of a directory in which nothing does, and how letters read."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from tests.control.running import GUARD_S, control, data_of, until
from tests.store.conftest import ROOT
from tests.store.samples import SECOND_NS, call
from tests.store.spools import SegmentWriter
from trimtab.cli import run
from trimtab.cli.dead_client import Listed
from trimtab.cli.dead_text import age_text, causes_text, letter_text, listed_text, redriven_text
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.journal.alerts import AlertRow, AlertStore, Outgoing, Passed
from trimtab.journal.dead_letters import DeadLetter, Tally
from trimtab.journal.outbox import Outbox
from trimtab.processes.dead import Redriven, Shown
from trimtab.processes.directory import DataDirectory
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.room import Room

BODY = b'{"model": "route", "messages": [{"role": "user", "content": "hi"}]}'
EPOCH = "g0-0123456789ab"
SEGMENT = "g1-0123456789ab/00000000"
Say = Callable[..., "Said"]


class Said:
    """What a command printed, its words, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def words(self) -> str:
        return " ".join(self.out.split())

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Gateway(BaseHTTPRequestHandler):
    """Answers every call with the status that was set."""

    status = 200
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = b'{"error": {"message": "still broken"}}' if self.status >= 300 else b"{}"
        self.send_response(self.status)
        self.send_header("content-length", str(len(answer)))
        self.send_header("x-trimtab-call", "again")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def answering(handler: type[Gateway]) -> Iterator[int]:
    """A port on which the handler answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def filled(directory: Path) -> Path:
    """A data directory: calls that failed for good, one of them of no task, and a damaged segment."""
    places, clock, disk = data_of(directory), SystemClock(), Disk()
    places.mkdir(parents=True, exist_ok=True)
    room = Room(places, EPOCH, clock, disk, reserve_bytes=1 << 20, spool_limit_bytes=1 << 30)
    packs = RollingLog(places / "bodies" / EPOCH, PACK, clock, disk, max_bytes=1 << 26, max_age_s=600.0)
    bodies = Bodies(packs, room, clock)
    bodies.request(BODY, None, "full")
    bodies.close()
    writer, now_ns = SegmentWriter(places / "spool", EPOCH), time.time_ns() - 10 * SECOND_NS
    known = {"request_body": sha256(BODY).hexdigest(), "request_bytes": len(BODY), "run": "run-7", "key": "app"}
    tasks = ["route", "route", "route", "route", "(undeclared)"]
    for number, task in enumerate(tasks):
        at_ns = now_ns + number * SECOND_NS
        failed = call(
            f"c{number}", at_ns, outcome="deadline_gap" if number == 3 else "upstream_error", detail="it fell"
        )
        writer.write(replace(failed, admitted=replace(failed.admitted, **known | {"task": task})))
    writer.seal()
    damaged = SegmentWriter(places / "spool", SEGMENT.partition("/")[0])
    good = damaged.write(call("a", now_ns))
    damaged.write(call("b", now_ns), call("c", now_ns))
    damaged.seal()
    data = bytearray(damaged.path.read_bytes())
    data[good + 30] ^= 0xFF
    damaged.path.write_bytes(data)
    return directory / "project"


@pytest.fixture
def gateway() -> type[Gateway]:
    return type("Told", (Gateway,), {})


@pytest.fixture
def say(tmp_path: Path, gateway: type[Gateway], capfd: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Carries out `trimtab dead` on a project whose control runs beside something that answers as a gateway."""
    project = filled(tmp_path)
    places = DataDirectory(data_of(tmp_path))
    with places.hold(), answering(gateway) as port, control(tmp_path, gateway_port=port) as running:
        places.operator_key.write_text("tt_operator_x")
        assert until(lambda: len(running.ask("/api/dead")[1].get("letters", ())), 6) == 6

        def said(*arguments: str, **more: Any) -> Said:
            status = run(["dead", *arguments, "--project", str(project)])
            return Said(status, *capfd.readouterr())

        yield said


def test_list_and_show(say: Say) -> None:
    """Letters newest first with the causes under them, one with who called and what would be sent."""
    said = say("list", "--limit", "3")
    assert said.status == 0
    assert "c4 " in said.out
    assert "3 of 6: 3 upstream_error of route" in said.words
    assert said.out.rstrip().splitlines()[-1].startswith("Next: trimtab dead show ")
    found = say("list", "--task", "route", "--cause", "upstream_error", "--since", "1h", "--json").json()
    assert [letter["id"] for letter in found["letters"]] == ["c2", "c1", "c0"]
    assert say("list", "--cause", "internal").words.startswith("No such letter.")
    shown = say("show", "c3")
    for part in ("c3 deadline_gap", "it fell", "task route", "key app", "run run-7", '"content": "hi"'):
        assert part in shown.words
    assert "Next: trimtab dead redrive c3 --project " in shown.out
    assert say("show", "c3", "--json").json()["request"] == BODY.decode()
    private = say("show", "c4")
    assert "keeps no whole request" in private.words
    assert "Next: trimtab dead drop c4 --project " in private.out
    missing = say("show", "nope")
    assert (missing.status, missing.out) == (1, "")
    assert "trimtab: there is no dead letter nope" in missing.err


def test_redrive(say: Say, gateway: type[Gateway]) -> None:
    """What fails again stays, what arrives is gone, and what cannot be sent is left out of --all and told."""
    gateway.status = 502
    failed = say("redrive", "c0", "nope", "c0")
    assert failed.status == 1
    assert "1/2 c0 ! failed as again still broken" in failed.words
    assert "0 of 2 done." in failed.words
    gateway.status = 200
    arrived = say("redrive", "--all", "--task", "route", "--cause", "upstream_error", "--json").lines
    assert [(one["id"], one["ok"], one["call"]) for one in arrived] == [
        (name, True, "again") for name in ("c0", "c1", "c2")
    ]
    rest = say("redrive", "--all")
    assert rest.status == 0
    assert f"{SEGMENT} done, 1 records read behind the damage" in rest.words
    assert "2 of 2 done. 1 left out: the redaction of the task keeps no whole request." in rest.words
    assert [letter["id"] for letter in say("list", "--json").json()["letters"]] == ["c4"]
    refused = say("redrive", "c4")
    assert (refused.status, "redaction of task (undeclared)" in refused.words) == (1, True)


def test_drop(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named letters at once, all of them only after a yes; what was not there is told."""
    assert say("drop", "c0", "nope", "--json").json() == {"dropped": ["c0"], "missing": ["nope"]}
    some = say("drop", "c1", "nope")
    assert (some.status, some.words.startswith("1 dropped. Next: trimtab dead list --project ")) == (1, True)
    assert "There is no dead letter nope." in some.err
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    unsure = say("drop", "--all")
    assert (unsure.status, unsure.out) == (130, "")
    assert "Drop 4 letters?" in unsure.err
    everything = say("drop", "--all", "--yes", "--json")
    assert sorted(everything.json()["dropped"]) == sorted(["c2", "c3", "c4", SEGMENT])
    assert say("list").words.startswith("No dead letters. Next: trimtab status --project ")
    assert say("drop", "--all", "--yes").words.startswith("0 dropped. Next: trimtab dead list --project ")


@pytest.mark.parametrize("verb", ["redrive", "drop"])
@pytest.mark.parametrize("arguments", [(), ("c1", "--all"), ("c1", "--task", "route"), ("--task", "route")])
def test_a_command_that_is_not_understood(
    tmp_path: Path, verb: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Which letters are meant must be said, in one way; nothing is asked of anybody before."""
    with DataDirectory(data_of(tmp_path)).hold():
        (tmp_path / "project" / "trimtab.toml").write_text(
            '[models.small]\nmodel = "m"\nreplicas = ["http://127.0.0.1:9"]\n'
        )
        assert run(["dead", verb, *arguments, "--project", str(tmp_path / "project")]) == 2
    caught = capsys.readouterr()
    assert (caught.out, "--all" in caught.err) == ("", True)


def outside(project: Path, *arguments: str) -> Said:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "trimtab", "dead", *arguments, "--project", str(project)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=GUARD_S)
    return Said(done.returncode, done.stdout, done.stderr)


def test_where_nothing_runs(tmp_path: Path) -> None:
    """The command line takes in what the spool holds, shows, salvages and drops; calls need a gateway."""
    with control(tmp_path):
        pass
    project = filled(tmp_path)
    found = outside(project, "list", "--json").json()
    assert len(found["letters"]) == 6
    assert outside(project, "show", "c0", "--json").json()["request"] == BODY.decode()
    done = outside(project, "redrive", SEGMENT, "c0", "--json")
    assert done.status == 1
    assert [(one["ok"], one["events"]) for one in done.lines] == [(True, 1), (False, 0)]
    assert "trimtab up" in done.lines[1]["detail"]
    assert outside(project, "drop", "c0").status == 0
    assert outside(project, "list", "--json").json()["tally"] == [
        {"kind": "call", "task": "(undeclared)", "cause": "upstream_error", "letters": 1},
        {"kind": "call", "task": "route", "cause": "deadline_gap", "letters": 1},
        {"kind": "call", "task": "route", "cause": "upstream_error", "letters": 2},
    ]


def test_an_alert_is_told_again_where_nothing_runs(tmp_path: Path) -> None:
    """What could not be delivered waits in the outbox again, and is no dead letter any more."""
    with control(tmp_path):
        pass
    state = DataDirectory(data_of(tmp_path)).state
    row = AlertRow("a1", "route", "route", "parse", "parse_rate", "page", "open", "a1", 1, 1, b"{}")
    with closing(AlertStore(open_state(state))) as alerts, closing(Outbox(open_state(state))) as outbox:
        alerts.keep(Passed(1, (), (), (row,), (), (Outgoing("l1", "a1", "opened", "oncall", b"{}", 1, 1),)))
        outbox.dead("l1", "refused: 410", 2)
    project = tmp_path / "project"
    assert "tries to tell oncall" in outside(project, "show", "l1").words
    done = outside(project, "redrive", "l1")
    assert (done.status, "l1 done it is delivered to oncall" in done.words) == (0, True)
    assert outside(project, "list", "--json").json()["letters"] == []
    with closing(Outbox(open_state(state))) as outbox:
        assert [one.id for one in outbox.due(2**62, 10)] == ["l1"]


def letter(**more: Any) -> DeadLetter:
    known = DeadLetter("0" * 32, "call", "triage", "small", "deadline_first_token", "d", 3, 0, 0, 0, "c", 1234, True)
    return replace(known, **more)


def on_screen(what: RenderableType, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(what)
    return file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "told"), [(80, 5), (92, 6), (108, 7), (120, 8), (140, 9)])
def test_a_letter_is_one_line_on_any_terminal(width: int, told: int) -> None:
    """The wider it is the more is told; ids are never cut."""
    tally = (Tally("call", "triage", "deadline_first_token", 1),)
    head, line, *_ = on_screen(listed_text(Listed((letter(),), tally), 90 * SECOND_NS, width), width)
    assert len(head.split()) == told
    assert line.startswith("0" * 32)
    assert " 1 min triage " in line
    assert len(line) <= width


def test_foreign_text_is_escaped() -> None:
    """What clients and upstreams put into a letter moves no cursor."""
    bad = letter(detail="\x1b[2Jgone", task="t\x1b", model="[red]m")
    text = "\n".join(on_screen(letter_text(Shown(bad, '{"a": "\\u001b"}'), 0, to_the_end=False), 100))
    text += "\n".join(on_screen(listed_text(Listed((bad,), (Tally("call", "t", "c", 1),)), 0, 140), 140))
    text += redriven_text(Redriven("x", ok=False, detail="\x1b[2J"), 1, 1).plain
    assert "\x1b" not in text
    assert "[red]m" in text


def test_long_requests_are_cut_unless_asked_for() -> None:
    """Forty lines, and how many more."""
    request = json.dumps(list(range(60)))
    shown = Shown(letter(), request)
    assert on_screen(letter_text(shown, 0, to_the_end=False), 80)[-1] == "... 22 lines more, with --whole"
    assert on_screen(letter_text(shown, 0, to_the_end=True), 80)[-1] == "]"


def test_causes_are_the_most_first_and_bounded() -> None:
    """Eight causes, and how many letters there are of others."""
    tally = [Tally("call", f"t{number}", "internal", number) for number in range(1, 11)]
    assert causes_text(tally).startswith("10 internal of t10, 9 internal of t9, ")
    assert causes_text(tally).endswith(", 3 internal of t3, 3 others")
    assert causes_text([Tally("records", "", "unreadable", 1200)]) == "1,200 unreadable"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_399, "23 h"), (900_000, "10 d")],
)
def test_ages(seconds: float, text: str) -> None:
    """In the largest unit that is whole."""
    assert age_text(int(seconds * SECOND_NS)) == text
