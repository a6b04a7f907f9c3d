"""Whatever changes in a project, the check of its lock finds it and names it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lock import governed
from tests.lock.mutations import MUTATIONS, Mutation
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import Lock, decode, encode

MUST = 60
"""Kinds of single mutation that the lock must find, at least."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The governed project, unchanged."""
    return governed.write(tmp_path_factory.mktemp("governed"))


@pytest.fixture(scope="module")
def held(project: Path) -> Lock:
    """Its lock, as it is read from a file."""
    return decode(encode(governed.locked(project)))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation(mutation: Mutation, project: Path, held: Lock, tmp_path: Path) -> None:
    """A single change is found, offline, and told of in words that name the thing and the field."""
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    mutation.make(tmp_path)
    found = differences(held, governed.locked(tmp_path, held))
    told = [one.words for one in found if one.key == mutation.key]
    assert any(all(part in words for part in mutation.words) for words in told), found
    assert all(one.words.startswith(one.key) for one in found)
    assert all("\n" not in one.words and len(one.words) < 600 for one in found)


def test_no_mutation(project: Path, held: Lock) -> None:
    """Nothing is found where nothing changed."""
    assert differences(held, governed.locked(project, held)) == ()


def test_enough() -> None:
    """The table has as many kinds as are promised, each once."""
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names)) >= MUST
