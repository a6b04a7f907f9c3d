"""The demo as a newcomer has it: what `trimtab up --demo` prints works as it stands, and the verbs show it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.locking import write_lock
from trimtab.demo.welcome import write_project

TRIMTAB = [sys.executable, "-m", "trimtab"]
LIMIT_S = 60
LAST_LINE = "Ctrl-C stops."


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on at this moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def demo_at(folder: Path) -> None:
    """The demo project on ports of its own."""
    gateway, control, engine = free_ports(3)
    write_project(folder, f"http://127.0.0.1:{engine}")
    declaration = folder / "trimtab.toml"
    text = declaration.read_text().replace("127.0.0.1:8400", f"127.0.0.1:{gateway}")
    declaration.write_text(text.replace("127.0.0.1:8401", f"127.0.0.1:{control}"))
    write_lock(folder)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A running demo: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    demo_at(folder)
    command = [*TRIMTAB, "up", "--demo", "--project", str(folder)]
    with (folder / "up.log").open("wb") as log, subprocess.Popen(command, stdout=-1, stderr=log, text=True) as up:
        guard = threading.Timer(LIMIT_S, up.kill)
        guard.start()
        assert up.stdout is not None
        printed = ""
        while LAST_LINE not in printed:
            line = up.stdout.readline()
            assert line, (folder / "up.log").read_text()
            printed += line
        guard.cancel()
        yield folder, printed
        up.send_signal(signal.SIGINT)
        assert up.stdout.read() == "Stopped: every call has ended and is recorded.\n"
        assert up.wait(LIMIT_S) == 0


def verb(folder: Path, *words: str) -> str:
    """What a verb prints."""
    done = subprocess.run([*TRIMTAB, *words, "--project", str(folder)], capture_output=True, text=True, check=True)
    return done.stdout


def test_status_shows_every_process_at_work(demo: tuple[Path, str]) -> None:
    """Asked as soon as the welcome was printed, `status` waits for control, and shows each process and no trouble."""
    status = json.loads(verb(demo[0], "status", "--json"))
    assert {member["role"] for member in status["processes"]} == {"supervisor", "keeper", "gateway", "demo", "control"}
    assert status["refused"] is None
    assert status["needs_restart"] == []


def test_printed_curl_line_works(demo: tuple[Path, str]) -> None:
    """The curl line, run by a shell exactly as printed, answers `shipping`."""
    found = re.search(r"^curl (?:.*\\\n)*.*$", demo[1], re.MULTILINE)
    assert found is not None
    answer = subprocess.run(["bash", "-c", found[0]], capture_output=True, check=True, timeout=LIMIT_S).stdout
    assert json.loads(answer)["choices"][0]["message"]["content"] == "shipping"


def test_printed_python_works(demo: tuple[Path, str]) -> None:
    """The Python snippet, run exactly as printed, prints `shipping`."""
    found = re.search(r"^from openai.*?^print\(.*?\)$", demo[1], re.MULTILINE | re.DOTALL)
    assert found is not None
    done = subprocess.run([sys.executable, "-c", found[0]], capture_output=True, text=True, check=True, timeout=LIMIT_S)
    assert done.stdout == "shipping\n"


def test_printed_commands_work(demo: tuple[Path, str]) -> None:
    """Each command that is named for looking further runs and says something; the regression lasts minutes, and
    `tests/acceptance/test_demo_regress.py` tries it.
    """
    lines = [line for line in demo[1].splitlines() if " --project " in line]
    looking = [line for line in lines if "demo regress" not in line]
    assert (len(lines), len(looking)) == (4, 3)
    for line in looking:
        words = line[line.index("trimtab") :].split()[1:]
        assert subprocess.run([*TRIMTAB, *words], capture_output=True, text=True, check=True).stdout


def test_folder_that_runs_is_not_run_twice(demo: tuple[Path, str]) -> None:
    """A second `trimtab up` on the same project is refused, with the process that holds it."""
    again = subprocess.run(
        [*TRIMTAB, "up", "--project", str(demo[0])], capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert again.returncode == 1
    assert re.search(r"is held by process \d+; stop that `trimtab up`", again.stderr)


def test_project_without_the_demos_models_is_told_so(tmp_path: Path) -> None:
    """`--demo` on another project says why there is no engine to start, and exits 1."""
    write_project(tmp_path)
    declaration = tmp_path / "trimtab.toml"
    gateway, control = free_ports(2)
    text = declaration.read_text().replace("jobs-small", "Qwen/Qwen3-8B").replace("jobs-mid", "Qwen/Qwen3-32B")
    text = text.replace(":8400", f":{gateway}").replace(":8401", f":{control}")
    declaration.write_text(text)
    done = subprocess.run(
        [*TRIMTAB, "up", "--demo", "--project", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1
    assert "the demo engine does not start: this project does not expect the demo's models" in done.stderr
