"""`trimtab lock --live` and `trimtab lock verify --live`, against the real demo engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.locking import TASK, Ask, asking, place
from tests.demo.altered import rounded
from tests.demo.running import running_demo
from tests.lock.repositories import repository
from trimtab.lock.identity_baseline import FOLDER, MAX_BYTES, load
from trimtab.lock.lockfile import FILE, decode
from trimtab.testing.ports import refused_port

pytestmark = pytest.mark.usefixtures("bare_git")


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo("--model", "jobs-small") as url:
        yield url


def declare(root: Path, url: str) -> None:
    place(root, "trimtab.toml", f'[models.small]\nmodel = "jobs-small"\nreplicas = ["{url}"]\n')


@pytest.fixture
def root(tmp_path: Path, demo: str) -> Path:
    """A project whose model is the demo engine's, not locked yet."""
    found = tmp_path / "app"
    repository(tmp_path)
    place(found, "tasks/triage/task.toml", TASK)
    declare(found, demo)
    return found


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    return asking(capsys, root)


def baselines(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / FOLDER).glob("*.json"))


def identity(root: Path) -> dict[str, object]:
    entry = decode((root / FILE).read_bytes()).get("models", "small")
    assert entry is not None
    found: dict[str, object] = entry.pinned["identity"]
    return found


def test_a_live_lock_has_a_baseline(root: Path, ask: Ask) -> None:
    """It lies beside the lock under its digest, small, and without a path or address of a machine."""
    said = ask("--live")
    assert said.status == 0
    assert "are its baseline (it answers alike under load, so that answers are compared exactly)" in said.words
    [name] = baselines(root)
    assert identity(root) == {
        "baseline": name,
        "fingerprints": [],
        "served_model": "jobs-small",
        "server_version": "",
    }
    data = (root / FOLDER / f"{name}.json").read_bytes()
    assert len(data) < MAX_BYTES
    assert str(root).encode() not in data
    assert b"127.0.0.1" not in data
    baseline = load(root, name)
    assert baseline is not None
    assert baseline.model == "jobs-small"


def test_what_was_learned_is_kept(root: Path, ask: Ask) -> None:
    """A lock that asks nobody changes nothing of it, and asking again finds the same."""
    ask("--live")
    before = (root / FILE).read_bytes()
    assert ask("--check").status == 0
    assert ask().status == 0
    assert ask("--live").status == 0
    assert ((root / FILE).read_bytes(), len(baselines(root))) == (before, 1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "the lock names it and it is not there"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"-0", b"-1", 1)), "does not have the digest"),
    ],
)
def test_a_baseline_that_is_not_as_locked_is_told(
    root: Path, ask: Ask, spoil: Callable[[Path], object], words: str
) -> None:
    """Offline: one that was forgotten in a commit, and one whose number was changed."""
    ask("--live")
    [name] = baselines(root)
    spoil(root / FOLDER / f"{name}.json")
    said = ask("--check")
    assert said.status == 1
    assert words in said.words
    assert words in ask("--check", "--json").json()["fault"]


def test_the_same_model_is_verified(root: Path, ask: Ask) -> None:
    """Exit 0, with the evidence."""
    ask("--live")
    said = ask("verify", "--live", "--json")
    told = said.json()
    assert (said.status, told["ok"]) == (0, True)
    [one] = told["models"]
    assert (one["standing"]["state"], one["standing"]["rung"]) == ("same", "exact")
    assert "as locked" in ask("verify", "--live").out


def test_a_swapped_model_is_told(root: Path, ask: Ask, tmp_path: Path) -> None:
    """Exit 1, both sides, the rung and its error rate; locking it live takes the old baseline away."""
    ask("--live")
    [old] = baselines(root)
    with running_demo("--model", "jobs-small", "--folder", str(rounded(tmp_path / "copies"))) as url:
        declare(root, url)
        ask()
        said = ask("verify", "--live")
        assert said.status == 1
        assert "! changed exact" in said.words
        assert "8 repeats under load were alike when it was locked" in said.words
        assert ask("--live").status == 0
        assert ask("verify", "--live").status == 0
    assert old not in baselines(root)
    assert len(baselines(root)) == 1


def test_a_server_that_is_down_keeps_what_was_known(root: Path, ask: Ask) -> None:
    """Locking goes on and says so; verifying fails, since nothing was verified."""
    ask("--live")
    before = identity(root)
    with refused_port() as port:
        declare(root, f"http://127.0.0.1:{port}")
        said = ask("--live")
        assert said.status == 0
        assert "models/small keeps what was known of it" in said.words
        assert identity(root) == before
        said = ask("verify", "--live")
    assert said.status == 1
    assert "! not tested" in said.words


def test_nothing_to_compare_with_is_no_success(root: Path, ask: Ask) -> None:
    """A lock that was written without asking says how to ask."""
    ask()
    said = ask("verify", "--live")
    assert said.status == 1
    assert "it has no baseline; run `trimtab lock --live`" in said.words


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("verify",), 2, "say --live"),
        (("--check", "--live"), 2, "asks nobody"),
        (("verify", "--live"), 1, "There is no trimtab.lock"),
    ],
)
def test_what_cannot_be_done_is_said(root: Path, ask: Ask, arguments: tuple[str, ...], status: int, words: str) -> None:
    """Asking costs tokens, so that it is asked for; a check is offline; verifying wants a lock."""
    said = ask(*arguments)
    assert said.status == status
    assert words in said.words


def test_an_unknown_model_is_named(root: Path, ask: Ask) -> None:
    """Exit 1 with the name that is not there."""
    ask()
    said = ask("verify", "--live", "--model", "large")
    assert said.status == 1
    assert "'models/large' names no entry" in said.words


def test_the_document_is_json(root: Path, ask: Ask) -> None:
    """With --json nothing else is printed."""
    ask("--live")
    assert set(json.loads(ask("verify", "--live", "--json").out)) >= {"ok", "lock_id", "models"}
