"""The stores of a project for a verb that needs them: its own while nothing else runs there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trimtab.assemble.stores import open_stores
from trimtab.clock import SystemClock
from trimtab.declare.load import read
from trimtab.errors import DeclarationError, DirectoryInUse
from trimtab.policy.compile import compile as compile_policy
from trimtab.processes.dead import whole_tasks
from trimtab.processes.desk import Stores
from trimtab.processes.directory import DataDirectory


@contextmanager
def own_stores(root: Path) -> Iterator[tuple[DataDirectory, Stores | None]]:
    """The data directory of the project in `root`, and its stores with all records taken in.

    None in their place where a `trimtab up` holds the directory, so that its control has to be asked. Raises
    `DeclarationError` for a project that cannot be read, `StoreError` when the stores cannot be used.
    """
    reading = read(root, data=False)
    if reading.data_directory is None:
        raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    places = DataDirectory(reading.data_directory)
    with ExitStack() as stack:
        try:
            stack.enter_context(places.hold())
        except DirectoryInUse:
            yield places, None
            return
        if reading.project is None:
            raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
        tasks = whole_tasks(compile_policy(reading.project))
        stores = open_stores(places, reading.project.data, SystemClock(), lambda: tasks)
        stack.callback(stores.close)
        while stores.ingest.step():
            pass
        yield places, stores
