"""A journal of runs is opened whatever room the disk has left."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from tests.journal_runs.world import World
from trimtab.database.connection import connect
from trimtab.database.migrate import migrate
from trimtab.journal.runs.database import migrations, open_runs


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The disk takes no byte of a file behind that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def auto_vacuum(path: Path) -> int:
    with closing(connect(path)) as connection:
        return int(connection.execute("PRAGMA auto_vacuum").fetchone()[0])


def test_one_of_an_earlier_release_is_opened_without_room_to_write_it_anew(tmp_path: Path) -> None:
    """It takes what comes as it is, and is written anew by a later start that has the room (2: incremental)."""
    path = tmp_path / "journal.db"
    with closing(connect(path)) as connection:
        migrate(connection, path, migrations())
    with no_file_beyond(path.stat().st_size), closing(open_runs(path)):
        assert auto_vacuum(path) == 0
        assert (tmp_path / "journal.db-wal").stat().st_size < path.stat().st_size / 4
    world = World(partial(open_runs, path))
    world.open()
    assert auto_vacuum(path) == 2
    world.whole()
