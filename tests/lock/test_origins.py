"""Every entry of a lock is traced to the files it was made from."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from tests.lock import governed
from tests.lock.governed import put
from tests.lock.mutations import MUTATIONS, Mutation
from trimtab.declare.load import load
from trimtab.lock.lockfile import Lock
from trimtab.lock.origins import Origin, origins
from trimtab.lock.resolve import resolve


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("governed")
    governed.write(root)
    return root


def locked(root: Path) -> Lock:
    return resolve(load(root), None).lock


def test_every_entry_has_files_that_are_there(project: Path) -> None:
    """Entries and origins have the same keys, and each origin is a file of the project."""
    found = origins(load(project))
    assert set(found) == {one.key for one in locked(project).entries}
    paths = {origin.path for each in found.values() for origin in each}
    assert {path for path in paths if not (project / path).is_file()} == set()


def test_a_changed_file_changes_only_entries_that_are_traced_to_it(project: Path, tmp_path: Path) -> None:
    """Shared parts, templates, sources, scripts and dependency locks: each changes an entry, and none but its own."""
    before = {one.key: one.digest for one in locked(project).entries}
    known = origins(load(project))
    paths = sorted({one.path for each in known.values() for one in each if not one.is_part})
    texts = [path for path in paths if Path(path).suffix not in {".json", ".jsonl"}]
    assert len(texts) >= 5
    for path in texts:
        root = tmp_path / path.replace("/", "-")
        shutil.copytree(project, root)
        with (root / path).open("a", encoding="utf-8") as file:
            file.write("more\n")
        after = {one.key: one.digest for one in locked(root).entries}
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        traced = {key for key, each in known.items() if path in {one.path for one in each}}
        assert changed, path
        assert changed <= traced, path


def test_parts_of_a_file() -> None:
    """A part is what stands under some keys, or all that is not others'."""
    values = {"models": {"small": {"model": "a"}}, "sampling": {"seed": 1}, "model": "small"}
    assert Origin("x", only=(("models", "small"), ("models", "large", "x"))).of(values) == [{"model": "a"}, None]
    assert Origin("x", only=(("model", "small"),)).of(values) == [None]
    assert Origin("x", without=("models", "sampling")).of(values) == {"model": "small"}
    assert not Origin("x").is_part


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_is_traced(mutation: Mutation, project: Path, tmp_path: Path) -> None:
    """Whatever changes an entry, an origin of that entry changed: its part of a file, or the whole of one."""
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    mutation.make(tmp_path)
    before, after = (origins(load(root)) for root in (project, tmp_path))
    known = set(before.get(mutation.key, ())) | set(after.get(mutation.key, ()))
    assert any(content(project, one) != content(tmp_path, one) for one in known)


def content(root: Path, one: Origin) -> object:
    """What an origin holds; None where its file is not there."""
    path = root / one.path
    if not path.is_file():
        return None
    return one.of(tomllib.loads(path.read_text(encoding="utf-8"))) if one.is_part else path.read_bytes()


def test_tasks_with_equal_schemas(tmp_path: Path) -> None:
    """A schema is traced to its own task's file, though another one says the same."""
    put(tmp_path, "trimtab.toml", '[models.small]\nmodel = "m-1"\nreplicas = ["http://127.0.0.1:9000"]\n')
    for task in ("a", "b"):
        put(tmp_path, f"tasks/{task}/task.toml", 'model = "small"\noutput = { schema = "out.json" }\n')
        put(tmp_path, f"tasks/{task}/out.json", '{"type": "object"}')
    found = origins(load(tmp_path))
    assert [found[f"schemas/{task}"][0].path for task in ("a", "b")] == ["tasks/a/out.json", "tasks/b/out.json"]
