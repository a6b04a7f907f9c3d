"""A project's data directory, held by a verb while nothing else runs there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trimtab.declare.load import read
from trimtab.declare.project import Project
from trimtab.errors import DeclarationError, DirectoryInUse
from trimtab.processes.directory import DataDirectory


@contextmanager
def held(root: Path) -> Iterator[tuple[DataDirectory, Project | None]]:
    """The data directory of the project in `root`, held, and the project.

    None in its place where a `trimtab up` holds the directory, so that its control has to be asked; the project may
    have mistakes then. Raises `DeclarationError` for a project that cannot be read.
    """
    reading = read(root, data=False)
    mistaken = DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    if reading.data_directory is None:
        raise mistaken
    places = DataDirectory(reading.data_directory)
    with ExitStack() as stack:
        try:
            stack.enter_context(places.hold())
        except DirectoryInUse:
            yield places, None
            return
        if reading.project is None:
            raise mistaken
        yield places, reading.project
