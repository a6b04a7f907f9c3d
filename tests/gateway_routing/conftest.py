import pytest

from trimtab.gateway.board import Board
from trimtab.testing import JumpingLoop


def pytest_asyncio_loop_factories(config, item):
    return {"jumping": JumpingLoop}


@pytest.fixture
def path(tmp_path):
    """A fresh board for two worker slots."""
    path = tmp_path / "run" / "board"
    Board.create(path, slots=2, replicas=3)
    return path


@pytest.fixture
def workers(path):
    """Two workers with a row each; file locks tell them apart although they share this process."""
    first, second = Board.open(path, 0, "g0-aaa"), Board.open(path, 1, "g1-bbb")
    yield first, second
    first.close()
    second.close()
