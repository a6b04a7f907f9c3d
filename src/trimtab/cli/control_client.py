"""Speaks HTTP with control over the unix socket in the data directory, which only its owner can open."""

from __future__ import annotations

import http.client
import os
import socket
import time
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.errors import ControlUnreachable
from trimtab.processes import roster

TIMEOUT_S: Final = 60.0
START_LIMIT_S: Final = 30.0
LOOK_S: Final = 0.1
LONGEST_ADDRESS: Final = 107
"""Bytes of a path that fit a unix socket's address (unix(7))."""


class ControlClient:
    """Asks control, one connection a question."""

    def __init__(self, socket_path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = socket_path
        self._timeout_s = timeout_s

    def ask(self, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The status and body of the answer; raises `ControlUnreachable` when none comes within a minute.

        Control that is just starting is waited for.
        """
        self._await_start()
        connection = _UnixConnection(self._path, self._timeout_s)
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as failure:
            detail = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
            raise ControlUnreachable(socket=str(self._path), detail=detail) from failure
        finally:
            connection.close()

    def _await_start(self) -> None:
        for _ in range(int(START_LIMIT_S / LOOK_S)):
            if self._path.exists() or not self._is_starting():
                return
            time.sleep(LOOK_S)

    def _is_starting(self) -> bool:
        """Whether the roster beside the socket says so; the gateways come first, then control."""
        members = roster.read(self._path.with_name("processes.json"))
        states = {member.state for member in members if member.role in {"gateway", "control"}}
        return "starting" in states

    def __repr__(self) -> str:
        return f"ControlClient({self._path})"


class ErrorFacts(Struct, frozen=True):
    """What an error of control says."""

    code: str
    message: str


class ErrorAnswer(Struct, frozen=True):
    """The one shape of control's errors."""

    error: ErrorFacts


def refusal(body: bytes) -> ErrorFacts:
    """What control says in the body of an answer that is not a good one."""
    try:
        return msgspec.json.decode(body, type=ErrorAnswer).error
    except msgspec.DecodeError:
        return ErrorFacts("internal", "control answered with something that is not its own; look into its log")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connects; a path too long for an address is reached through its open folder."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        path = os.fsencode(self._path)
        if len(path) <= LONGEST_ADDRESS:
            self.sock.connect(path)
            return
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
