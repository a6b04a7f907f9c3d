"""`trimtab key`, with nothing running and through control."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import Any

import msgspec
import pytest

from tests.declare.projects import MODEL, TASK, write
from trimtab.access.keys import KeyDirectory, KeyStore
from trimtab.cli import run
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.errors import ControlUnreachable, KeyNameInvalid, KeyUnknown
from trimtab.ids import IdSource
from trimtab.processes.directory import DataDirectory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path, MODEL, triage=TASK, extract=TASK)


def made(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["key", "new", *arguments, "--json", "--project", str(project)]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def is_live(project: Path, secret: str) -> bool:
    with closing(KeyDirectory(project / ".trimtab" / "state.db")) as directory:
        directory.refresh()
        return directory.find(secret.encode()) is not None


def test_new(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new key is shown once, with a curl line that carries it and asks for a task it may use."""
    assert run(["key", "new", "app", "--task", "triage", "--project", str(project)]) == 0
    shown = capsys.readouterr().out
    secret = shown.split("\n")[0]
    assert is_live(project, secret)
    assert f"'authorization: Bearer {secret}'" in shown
    assert "curl http://127.0.0.1:8400/v1/chat/completions" in shown
    assert '{"model": "triage", "messages"' in shown
    assert run(["key", "list", "--project", str(project)]) == 0
    listed = capsys.readouterr().out
    assert "app" in listed
    assert secret not in listed


def test_revoke(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A revoked key is no longer found; revoking it again is status 1."""
    secret = made(project, capsys, "app")["secret"]
    assert run(["key", "revoke", "app", "--project", str(project)]) == 0
    assert "Revoked app (" in capsys.readouterr().out
    assert not is_live(project, secret)
    assert run(["key", "revoke", "app", "--project", str(project)]) == 1
    assert "There is no live key 'app'" in capsys.readouterr().err


def test_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All three as JSON."""
    key = made(project, capsys, "app", "--task", "triage", "--task", "extract")["key"]
    assert (key["name"], key["tasks"], key["revoked_ns"]) == ("app", ["triage", "extract"], None)
    run(["key", "list", "--json", "--project", str(project)])
    assert json.loads(capsys.readouterr().out) == {"keys": [key]}
    run(["key", "revoke", key["id"], "--json", "--project", str(project)])
    [revoked] = json.loads(capsys.readouterr().out)["revoked"]
    assert {**revoked, "revoked_ns": None} == key
    assert revoked["revoked_ns"] > key["created_ns"]


def test_a_task_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key for a task that is not declared is refused, with the task that was probably meant."""
    assert run(["key", "new", "app", "--task", "triag", "--project", str(project)]) == 2
    assert "there is no task 'triag' in this project; did you mean triage?" in capsys.readouterr().err
    assert not (project / ".trimtab").exists()


def test_a_name_that_is_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name outside the grammar is status 1 and says what may stand in it."""
    assert run(["key", "new", "My App", "--project", str(project)]) == 1
    assert "'My App' is no name" in capsys.readouterr().err


def test_revoking_with_a_broken_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key can be revoked while the project has mistakes, and with --data while it is no TOML at all."""
    first, second = made(project, capsys, "first"), made(project, capsys, "second")
    (project / "trimtab.toml").write_text(f"{MODEL}nonsense = 1\n")
    assert run(["key", "revoke", "first", "--project", str(project)]) == 0
    (project / "trimtab.toml").write_text("[[[")
    assert run(["key", "revoke", "second", "--project", str(project)]) == 1
    assert "trimtab.toml:1" in capsys.readouterr().err
    assert run(["key", "revoke", "second", "--project", str(project), "--data", str(project / ".trimtab")]) == 0
    assert not is_live(project, first["secret"])
    assert not is_live(project, second["secret"])


def test_not_in_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of a project no key is made, and no data directory either."""
    assert run(["key", "new", "app", "--project", str(tmp_path)]) == 1
    assert "trimtab.toml:1: there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class Control(BaseHTTPRequestHandler):
    """Control's routes for keys, answered from a real store."""

    store: KeyStore
    asked: list[str]

    def do_GET(self) -> None:
        self._answer(200, {"keys": self.store.list()})

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key, secret = self.store.new(wanted["name"], tuple(wanted["tasks"]))
        self._answer(201, {"key": key, "secret": secret})

    def do_DELETE(self) -> None:
        self._answer(200, {"revoked": self.store.revoke(self.path.rpartition("/")[2])})

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (KeyNameInvalid, KeyUnknown) as error:
            self._answer(400, {"error": {"code": "invalid_request", "message": str(error)}})

    def _answer(self, status: int, content: object) -> None:
        body = msgspec.json.encode(content)
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def listening(path: Path, handler: type[Control]) -> Iterator[ThreadingUnixStreamServer]:
    """A server on a socket, bound through its open folder: an address holds 107 bytes (unix(7)), a path more."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with ThreadingUnixStreamServer(f"/proc/self/fd/{folder}/{path.name}", handler) as server:
            yield server
    finally:
        os.close(folder)


@pytest.fixture
def control(project: Path) -> Iterator[type[Control]]:
    """A data directory that is held, with something that answers as control does."""
    places = DataDirectory(project / ".trimtab")
    with places.hold(), closing(open_state(places.state)) as connection:
        answering = type("Answering", (Control,), {})
        answering.store, answering.asked = KeyStore(connection, SystemClock(), IdSource()), []
        with listening(places.control_socket, answering) as server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield answering
            finally:
                server.shutdown()
                thread.join()


def test_through_control(project: Path, control: type[Control], capsys: pytest.CaptureFixture[str]) -> None:
    """While something runs, control makes, lists and revokes."""
    answer = made(project, capsys, "app", "--task", "triage")
    assert is_live(project, answer["secret"])
    assert run(["key", "list", "--json", "--project", str(project)]) == 0
    assert json.loads(capsys.readouterr().out) == {"keys": [answer["key"]]}
    assert run(["key", "revoke", "app", "--project", str(project)]) == 0
    assert not is_live(project, answer["secret"])
    assert control.asked == ["POST /api/keys", "GET /api/keys", "DELETE /api/keys/app"]


def test_refused_by_control(project: Path, control: type[Control], capsys: pytest.CaptureFixture[str]) -> None:
    """What control refuses is told in its words."""
    assert run(["key", "revoke", "nobody", "--project", str(project)]) == 1
    assert "trimtab: There is no live key 'nobody'" in capsys.readouterr().err


def test_held_and_silent(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While something runs but control does not answer, nothing is done behind its back, and the message says so."""
    with DataDirectory(project / ".trimtab").hold():
        assert run(["key", "new", "app", "--project", str(project)]) == 1
    assert "Control does not answer on" in capsys.readouterr().err
    assert not (project / ".trimtab" / "state.db").exists()


def test_a_socket_deep_down(tmp_path: Path) -> None:
    """A path that does not fit a socket's address is reached all the same."""
    folder = tmp_path / ("d" * 100) / "run"
    folder.mkdir(parents=True)
    with listening(folder / "control.sock", type("Silent", (Control,), {"asked": []})) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        status, body = ControlClient(folder / "control.sock").ask("PATCH", "/")
        thread.join()
    assert (status, b"Unsupported method" in body) == (501, True)
    with pytest.raises(ControlUnreachable, match=r"control\.sock \(Connection refused\)"):
        ControlClient(folder / "control.sock").ask("GET", "/")


def test_an_answer_that_is_not_controls() -> None:
    """Nonsense in place of an error is told as such."""
    assert refusal(b"<html>").code == "internal"
    assert refusal(b'{"error": {"code": "a", "message": "b"}}').message == "b"
