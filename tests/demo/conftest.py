from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.demo.running import running_demo
from trimtab.demo.app import read_model
from trimtab.demo.engine import ServedModel


@pytest.fixture(scope="session")
def small() -> ServedModel:
    return read_model("jobs-small")


@pytest.fixture(scope="session")
def mid() -> ServedModel:
    return read_model("jobs-mid")


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    with running_demo() as url:
        yield url
