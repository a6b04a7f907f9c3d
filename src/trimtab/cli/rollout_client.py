"""Asks control about rollouts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.declare.load import load
from trimtab.errors import TrimtabError
from trimtab.processes.directory import DataDirectory
from trimtab.processes.rollout_api import RolloutState
from trimtab.processes.rollout_desk import RolloutShown


class RolloutAnswer(TrimtabError):
    """{detail}"""


def ask(root: Path, what: str, body: msgspec.Struct | None) -> RolloutShown | None:
    """The rollout after what was asked; None where there never was one.

    Raises `ControlUnreachable` where nothing runs, and `RolloutAnswer` with what control says against it.
    """
    client = ControlClient(DataDirectory.of(load(root)).control_socket)
    method = "GET" if body is None else "POST"
    status, answer = client.ask(method, f"/api/rollout{what}", None if body is None else msgspec.json.encode(body))
    if status >= 300:
        raise RolloutAnswer(detail=refusal(answer).message)
    return msgspec.json.decode(answer, type=RolloutState).rollout
