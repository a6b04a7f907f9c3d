"""Surroundings for posts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_wire.conftest import certificates
from tests.processes.crewing import Bench

__all__ = ["certificates"]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Surroundings; a test closes the posts that it opens."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    made = Bench(lock)
    yield made
    os.close(lock)
    await made.end()
