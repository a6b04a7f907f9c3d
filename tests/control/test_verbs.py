"""`trimtab status`, `calls` and `report`, asked of a control that runs and of a directory in which nothing does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.control.running import GUARD_S, Running, control, data_of, until, write_calls
from tests.store.conftest import ROOT
from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.cli import run
from trimtab.cli.answers import CallShown, Wanted
from trimtab.cli.calls import followed
from trimtab.processes.directory import DataDirectory
from trimtab.processes.status import Status
from trimtab.record.events import Settled, ToolOutcome
from trimtab.reports.report import Report
from trimtab.store.search import CallPage

ID = "g0-0123456789ab-7"


class Said:
    """What a command printed, its words, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def words(self) -> str:
        return " ".join(self.out.split())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose control runs, holds the lock as the supervisor would, and has stored 30 calls."""
    directory = tmp_path_factory.mktemp("verbs")
    write_calls(
        directory, 30, verdict="valid", failing=("/x enum",), tool_outcomes=(ToolOutcome("find", "bad_json", 1),)
    )
    with DataDirectory(data_of(directory)).hold(), control(directory) as running:
        assert until(lambda: _stored(running), 30) == 30
        yield directory / "project"


def _stored(running: Running) -> int:
    status, answer = running.ask("/api/calls?limit=1000")
    return len(answer["calls"]) if status == 200 else -1


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str], project: Path) -> object:
    """Carries out a command on the project."""

    def said(*arguments: str) -> Said:
        status = run([*arguments, "--project", str(project)])
        out, err = capfd.readouterr()
        return Said(status, out, err)

    return said


def test_status(say) -> None:  # type: ignore[no-untyped-def]
    """Environment, telemetry and lag are told, and what to do next."""
    said = say("status")
    assert said.status == 0
    assert "test " in said.words
    assert "telemetry up since" in said.words
    assert "0 s behind" in said.words
    assert "Next: trimtab report --since 1h --project " in said.out
    as_json = msgspec.json.decode(say("status", "--json").out, type=Status)
    assert (as_json.environment, as_json.telemetry.up) == ("test", True)


def test_calls_tail(say) -> None:  # type: ignore[no-untyped-def]
    """The newest calls, the last of them at the bottom, and the next verb names it."""
    said = say("calls", "tail", "--limit", "5")
    assert said.status == 0
    rows = [line for line in said.out.splitlines() if "g0-0123456789ab-" in line and "Next" not in line]
    assert len(rows) == 5
    assert said.out.rstrip().splitlines()[-1].startswith("Next: trimtab calls show g0-0123456789ab-")


def test_calls_tail_as_json_lines(say) -> None:  # type: ignore[no-untyped-def]
    """One object a line, each a whole call."""
    said = say("calls", "tail", "--json", "--task", "route", "--since", "1h", "--limit", "7")
    calls = [msgspec.json.decode(line, type=Settled) for line in said.out.splitlines()]
    assert len(calls) == 7
    assert {found.admitted.task for found in calls} == {"route"}


def test_calls_tail_of_nothing(say) -> None:  # type: ignore[no-untyped-def]
    """A filter that nothing passes is a sentence, not an empty table."""
    assert "No such call has ended." in say("calls", "tail", "--outcome", "deadline_gap").out


def test_calls_search(say) -> None:  # type: ignore[no-untyped-def]
    """Options narrow the search; the page says how to go on, and what then comes is behind it."""
    said = say("calls", "search", "--task", "route", "--bad-tool-call", "--min", "attempts=1", "--limit", "20")
    assert said.status == 0
    rows = [line for line in said.out.splitlines() if "g0-0123456789ab-" in line and "Next" not in line]
    assert len(rows) == 20
    after = said.out.split()[-1]
    rest = msgspec.json.decode(say("calls", "search", "--after", after, "--json").out, type=CallPage)
    assert (len(rest.calls), rest.after) == (10, "")
    assert not {one.admitted.call for one in rest.calls} & {word for row in rows for word in row.split()}


def test_calls_search_for_nothing(say) -> None:  # type: ignore[no-untyped-def]
    """A search that finds nothing says so; a bound that is none is not understood."""
    assert "No such call has ended." in say("calls", "search", "no such words", "--failing").out
    said = say("calls", "search", "--min", "speed=1")
    assert said.status == 2
    assert "total (seconds)" in " ".join(said.err.split())


def test_calls_show(say) -> None:  # type: ignore[no-untyped-def]
    """One call with its attempts over time, tokens, money with its label, and bodies that were not kept."""
    said = say("calls", "show", ID)
    assert said.status == 0
    for part in (f"call {ID} ok", "task route", "1 ok +", "small http://127.0.0.1:9", "(exact)", "request: not kept"):
        assert part in said.words
    assert "verdict valid failing /x enum tool calls try 1 bad_json find" in said.words
    shown = msgspec.json.decode(say("calls", "show", ID, "--json").out, type=CallShown)
    assert (shown.call.admitted.call, len(shown.attempts)) == (ID, 1)
    assert shown.bodies == {"request": None, "response": None}


def test_calls_show_of_an_unknown_call(say) -> None:  # type: ignore[no-untyped-def]
    """The message names the id and the verb that lists them; the exit status is 1."""
    said = say("calls", "show", "nope")
    assert (said.status, said.out) == (1, "")
    assert "no call nope" in said.err
    assert "trimtab calls tail" in said.err


def test_report(say) -> None:  # type: ignore[no-untyped-def]
    """Figures, objective and the next verb; the JSON has the same figures."""
    said = say("report", "--since", "1h")
    assert said.status == 0
    assert "route 30 calls success 100 %" in said.words
    assert "p95 <= 800: met" in said.words
    assert "answers valid first time 100 % (88.6-100), n 30" in said.words
    assert "tool find valid 0 % (0-11.4), n 30 bad_json 100 % (88.6-100), n 30" in said.words
    assert "Next: trimtab calls tail --project " in said.out
    apart = ("--by-model", "--by-prompt", "--json")
    report = msgspec.json.decode(say("report", "--since", "1h", *apart).out, type=Report)
    assert [(one.task, one.model, one.requests) for one in report.tasks] == [("route", "small", 30)]
    assert [one.tools[0].outcomes["bad_json"].count for one in report.tasks[0].contracts] == [30]


def test_piped_output_has_no_colour(say) -> None:  # type: ignore[no-untyped-def]
    """Escape codes are for terminals."""
    for verb in (("status",), ("report",), ("calls", "tail"), ("calls", "show", ID)):
        assert "\x1b" not in say(*verb).out


@pytest.mark.parametrize(
    "arguments", [("report", "--since", "yesterday"), ("calls", "tail", "--limit", "0"), ("calls", "show")]
)
def test_a_command_that_is_not_understood(say, arguments: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    """Wrong words end with exit status 2 and say what is wrong."""
    said = say(*arguments)
    assert (said.status, said.out) == (2, "")
    assert "Usage" in said.err


def outside(project: Path, *arguments: str) -> Said:
    """A command in a process of its own."""
    command = [sys.executable, "-c", "from trimtab.cli import main; main()", *arguments, "--project", str(project)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=GUARD_S)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing runs and whose spool holds 12 calls nobody has stored yet."""
    directory = tmp_path_factory.mktemp("resting")
    with control(directory):
        pass
    write_calls(directory, 12)
    return directory / "project"


def test_status_where_nothing_runs(resting: Path) -> None:
    """It says so and how to start, with an exit status of its own."""
    said = outside(resting, "status")
    assert said.status == 3
    assert "Nothing runs here." in said.out
    assert said.out.rstrip().endswith(f"Next: trimtab up --project {resting}")


def test_report_where_nothing_runs(resting: Path) -> None:
    """The command line stores what the spool holds, counts it once, and reports it."""
    for _ in range(2):
        said = outside(resting, "report", "--since", "1h")
        assert said.status == 0
        assert "route 12 calls" in said.words
    assert f"call {ID} ok" in outside(resting, "calls", "show", ID).words
    assert ID in outside(resting, "calls", "search", "--model", "small").out


def test_what_a_killed_life_left_of_its_inserts(resting: Path) -> None:
    """Files and folders that lie where inserts go are removed, and telemetry opens."""
    inserts = data_of(resting.parent) / "inserts"
    (inserts / "left").mkdir(parents=True)
    (inserts / "left" / "orders").write_text("x")
    (inserts / "tmp.native").write_bytes(b"x")
    said = outside(resting, "report", "--since", "1h")
    assert said.status == 0, said.err
    assert list(inserts.iterdir()) == []


def test_nothing_to_follow_where_nothing_runs(resting: Path) -> None:
    """Following wants somebody who writes."""
    said = outside(resting, "calls", "tail", "--follow")
    assert said.status == 2
    assert "trimtab up" in said.err


def test_a_lock_without_control(resting: Path) -> None:
    """Where something holds the directory and control does not answer, the message says what to do."""
    with DataDirectory(data_of(resting.parent)).hold():
        said = outside(resting, "status")
    assert (said.status, said.out) == (1, "")
    assert "control.sock" in said.err


class Growing:
    """Answers with one call more at each look, some of which come late."""

    is_live = True

    def __init__(self) -> None:
        self.looks = 0
        self.script = [[3], [4], [4, 5, 2], [5], [6]]

    def calls(self, wanted: Wanted) -> tuple[Settled, ...]:
        numbers = self.script[min(self.looks, len(self.script) - 1)]
        self.looks += 1
        found = [call(f"c{number}", NOON_NS + number * SECOND_NS) for number in numbers]
        return tuple(sorted(found, key=lambda one: one.at_ns, reverse=True))


def test_following_shows_each_call_once() -> None:
    """Calls that arrive late or are seen again are shown once, oldest first; Ctrl-C ends it."""
    source = Growing()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 5:
            raise KeyboardInterrupt

    shown = (call("c3", NOON_NS + 3 * SECOND_NS),)
    found = [[one.admitted.call for one in fresh] for fresh in followed(source, Wanted(), shown, wait)]  # type: ignore[arg-type]
    assert found == [["c4"], ["c2", "c5"], ["c6"]]
