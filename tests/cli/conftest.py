"""Git as nobody in particular, for tests of the command line that ask it."""

from __future__ import annotations

import os

import pytest

from tests.lock.repositories import BARE


@pytest.fixture
def bare_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests is in git's configuration."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "HOME"):
        monkeypatch.setenv(name, BARE[name])
