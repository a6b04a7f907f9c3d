"""`trimtab signals`, asked of a control that runs and of a directory in which nothing does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.control.running import Running, control, data_of, until, write_calls
from trimtab.cli import run
from trimtab.processes.directory import DataDirectory
from trimtab.record.events import ToolOutcome
from trimtab.signals.telling import Catalogue, Told

Say = Callable[..., tuple[int, str, str]]


def write(directory: Path) -> None:
    """18 valid answers and 2 rejected ones, each with a tool call that is valid."""
    outcomes = (ToolOutcome("find", "valid", 1),)
    write_calls(directory, 18, "g0-0123456789ab", verdict="valid", tool_outcomes=outcomes)
    write_calls(directory, 2, "g1-0123456789ab", verdict="invalid", outcome="output_invalid", tool_outcomes=outcomes)


def stored(running: Running) -> int:
    status, answer = running.ask("/api/calls?limit=1000")
    return len(answer["calls"]) if status == 200 else -1


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose control runs, and holds the lock as the supervisor would."""
    directory = tmp_path_factory.mktemp("signals")
    write(directory)
    with DataDirectory(data_of(directory)).hold(), control(directory) as running:
        assert until(lambda: stored(running), 20) == 20
        yield directory / "project"


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str], project: Path) -> Say:
    """Carries out a command on the project: its status, and what it printed."""

    def said(*arguments: str) -> tuple[int, str, str]:
        status = run(["signals", *arguments, "--project", str(project)])
        return status, *capfd.readouterr()

    return said


def test_every_task_in_a_row(say: Say) -> None:
    """Behaviour left of infrastructure, each with interval and n, and what to do next."""
    status, out, _ = say("--since", "1h")
    assert status == 0
    head = next(line for line in out.splitlines() if "parse" in line)
    assert head.index("parse") < head.index("calls/s") < head.index("ttft p95") < head.index("queue")
    assert "90 %" in out
    assert "(69.9-97.2) n 20" in out
    assert "Next: trimtab signals route --project " in out


def test_one_task(say: Say) -> None:
    """Everything of it, with parts, quantiles and objectives."""
    status, out, _ = say("route", "--since", "1h")
    words = " ".join(out.split())
    assert status == 0
    assert "parse rate 90 % (69.9-97.2) 20" in words
    assert "p50 101 ms" in words or "p50 99" in words or "p50 100 ms" in words
    assert "find 100 %" in words
    assert "objective route ttft_p95: met" in words
    assert words.index("behaviour") < words.index("infrastructure")


def test_as_json(say: Say) -> None:
    """The same figures for a machine, narrowed to what was asked for."""
    status, out, _ = say("--since", "1h", "--signal", "parse_rate", "--by", "model", "--json")
    found = msgspec.json.decode(out, type=Told).figures
    assert status == 0
    (cell,) = found.cells
    assert (cell.task, cell.value, len(cell.figures)) == ("route", "small", 1)
    assert (cell.figures[0].count, cell.figures[0].n) == (18, 20)


def test_the_list(say: Say) -> None:
    """Every signal, for people and machines; no store is needed."""
    assert "tool_validity" in say("list")[1]
    names = {one.name for one in msgspec.json.decode(say("list", "--json")[1], type=Catalogue).signals}
    assert {"parse_rate", "ttft", "cost_per_completed"} <= names


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--signal", "parse"), 2, "parse"),
        (("--by", "colour"), 2, "colour"),
        (("--since", "yesterday"), 2, "yesterday"),
        (("--step", "90s"), 1, "whole number of minutes"),
        (("--step", "often"), 1, "is no length of time"),
    ],
)
def test_mistakes(say: Say, arguments: tuple[str, ...], status: int, told: str) -> None:
    """What cannot be asked for is said, with what to write instead."""
    found, _, err = say(*arguments)
    assert found == status
    assert told in err


def test_where_nothing_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The verb stores what the spool holds and tells the same; a mistake is the same mistake."""
    write(tmp_path)
    with control(tmp_path) as running:
        running.end()
    project = str(tmp_path / "project")
    assert run(["signals", "--project", project, "--since", "1h", "--json"]) == 0
    found = msgspec.json.decode(capfd.readouterr().out, type=Told)
    parse_rate = found.figures.cells[0].figure("parse_rate")
    assert parse_rate is not None and (parse_rate.count, parse_rate.n) == (18, 20)
    assert [one.name for one in found.objectives] == ["ttft_p95"]
    assert run(["signals", "--project", project, "--step", "90s"]) == 1
    assert "whole number of minutes" in capfd.readouterr().err
