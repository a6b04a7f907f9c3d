"""Who draws cases from calls: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import msgspec

from trimtab.assemble.stores import open_stores
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.clock import SystemClock
from trimtab.data.drawn import Drawn
from trimtab.declare.load import read
from trimtab.errors import DeclarationError, DirectoryInUse, InvalidRequest, TrimtabError
from trimtab.policy.compile import compile as compile_policy
from trimtab.processes.dead import whole_tasks
from trimtab.processes.directory import DataDirectory
from trimtab.processes.draw import Wish, drawn

PATIENCE_S = 300.0


class DrawRefused(TrimtabError):
    """{detail}"""


def draw(root: Path, wish: Wish) -> Drawn:
    """The cases wished for of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `DrawRefused` for a wish that is none, and
    `ControlUnreachable` when something runs there but does not answer.
    """
    reading = read(root)
    if reading.data_directory is None:
        raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    places = DataDirectory(reading.data_directory)
    with ExitStack() as stack:
        try:
            stack.enter_context(places.hold())
        except DirectoryInUse:
            return _asked(places.control_socket, wish)
        if reading.project is None:
            raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
        tasks = whole_tasks(compile_policy(reading.project))
        stores = open_stores(places, reading.project.data, SystemClock(), lambda: tasks)
        stack.callback(stores.close)
        while stores.ingest.step():
            pass
        try:
            return drawn(stores, wish, SystemClock().wall_ns())
        except InvalidRequest as wrong:
            raise DrawRefused(detail=str(wrong.facts["detail"])) from None


def _asked(socket: Path, wish: Wish) -> Drawn:
    status, answer = ControlClient(socket, PATIENCE_S).ask("POST", "/api/data/draw", msgspec.json.encode(wish))
    if status >= 300:
        raise DrawRefused(detail=refusal(answer).message)
    return msgspec.json.decode(answer, type=Drawn)
