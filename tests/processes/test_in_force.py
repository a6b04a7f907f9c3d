"""The lock in force: what a project that differs from its lock becomes, in production and elsewhere."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.processes.locking import in_production, locked, write_lock
from tests.processes.upping import write_project, write_task
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.errors import NotLocked, StoreError
from trimtab.lock import lockfile
from trimtab.processes.inforce import Drift, InForce, LockChange, Renewal, Standing, named_files
from trimtab.processes.watched import WatchInForce

DEADLINE = "policies/chat: "


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path, "http://127.0.0.1:9")
    return tmp_path


def begin(root: Path) -> InForce:
    """The project put in force; its run folder lies beside it."""
    run = root / ".trimtab" / "run"
    run.mkdir(parents=True, exist_ok=True)
    return InForce(load(root), run, run / "declaration.json", SystemClock())


def standing(root: Path) -> Standing:
    """What the supervisor wrote for others."""
    return msgspec.json.decode((root / ".trimtab" / "run" / "declaration.json").read_bytes(), type=Standing)


def drift_of(in_force: InForce) -> Drift:
    assert in_force.standing.drift is not None
    return in_force.standing.drift


def test_locked_project_bears_its_lock(root: Path) -> None:
    """What its lock pins serves under the lock's id, and whoever asks is told of it."""
    lock = write_lock(root)
    in_force = begin(root)
    assert in_force.snapshot.lock_id == lock.lock_id
    assert in_force.started == LockChange("", lock.lock_id, "")
    assert (standing(root).lock, standing(root).drift) == (lock.lock_id, None)


def test_without_a_lock_it_serves_and_is_flagged(root: Path) -> None:
    """Outside production a project that was never locked serves, under no lock id."""
    in_force = begin(root)
    assert (in_force.snapshot.lock_id, in_force.started) == ("", None)
    drift = drift_of(in_force)
    assert (drift.differences, drift.count, drift.held_back) == (("there is no trimtab.lock",), 1, False)
    assert standing(root).drift == drift


def test_edit_serves_and_is_flagged(root: Path) -> None:
    """Outside production an edit that the lock does not pin is in force at once, and its calls bear no lock id."""
    write_lock(root)
    in_force = begin(root)
    write_task(root, first_token="3s")
    renewal = in_force.renew()
    assert (renewal.kind, renewal.lock) == ("switched", None)
    assert in_force.snapshot.tasks["chat"].deadline.first_token_s == 3.0
    assert in_force.snapshot.lock_id == ""
    assert renewal.drift == drift_of(in_force)
    assert all(words.startswith(DEADLINE) and "first_token" in words for words in drift_of(in_force).differences)
    assert not drift_of(in_force).held_back


def test_locking_the_edit_puts_the_new_lock_in_force(root: Path) -> None:
    """When the lock follows, it is in force, and the change names both locks and what differs between them."""
    before = write_lock(root)
    in_force = begin(root)
    write_task(root, first_token="3s")
    in_force.renew()
    after = write_lock(root)
    renewal = in_force.renew()
    assert renewal.lock is not None
    assert (renewal.kind, renewal.drift, in_force.standing.drift) == ("switched", None, None)
    assert (renewal.lock.before, renewal.lock.after) == (before.lock_id, after.lock_id)
    assert renewal.lock.words.startswith(DEADLINE)
    assert "first_token" in renewal.lock.words
    assert standing(root).lock == after.lock_id


def test_lock_that_changes_alone_is_a_switch(root: Path) -> None:
    """What was learned of a model is in the lock and nowhere else: the snapshot bears the new id."""
    lock = write_lock(root)
    in_force = begin(root)
    model = lock.get("models", "small")
    assert model is not None
    identity = {**model.pinned["identity"], "fingerprints": ["fp_1"]}
    learned = lockfile.entry("models", "small", {**model.pinned, "identity": identity})
    other = lockfile.lock([learned if one.key == learned.key else one for one in lock.entries])
    (root / lockfile.FILE).write_bytes(lockfile.encode(other))
    renewal = in_force.renew()
    assert renewal.kind == "switched"
    assert renewal.lock is not None
    assert (renewal.lock.before, renewal.lock.after) == (lock.lock_id, other.lock_id)
    assert "fp_1" in renewal.lock.words
    assert in_force.snapshot.lock_id == other.lock_id


def test_names_in_the_lock_that_nobody_hashes_change_nothing(root: Path) -> None:
    """Who changed an entry stands in the lock's file and in no id: nothing is switched."""
    lock = write_lock(root)
    in_force = begin(root)
    signed = [msgspec.structs.replace(one, author="Ada <ada@example.org>") for one in lock.entries]
    (root / lockfile.FILE).write_bytes(lockfile.encode(lockfile.lock(signed)))
    assert in_force.renew()[:1] == ("same",)


def test_production_does_not_start_without_a_lock(root: Path) -> None:
    """The message says what is missing and what to do."""
    in_production(root)
    with pytest.raises(NotLocked, match=r"in production .* run `trimtab lock`, review and commit it:\nthere is no tr"):
        begin(root)


def test_production_does_not_start_apart_from_its_lock(root: Path) -> None:
    """The message tells the first differences in sentences."""
    in_production(root)
    write_lock(root)
    write_task(root, first_token="3s")
    with pytest.raises(NotLocked, match=r"policies/chat: .*first_token"):
        begin(root)


def test_production_does_not_start_on_a_spoilt_lock(root: Path) -> None:
    """A lock that was edited by hand is none."""
    in_production(root)
    write_lock(root)
    path = root / lockfile.FILE
    path.write_bytes(path.read_bytes().replace(b'"first_token_s": 20', b'"first_token_s": 21'))
    with pytest.raises(NotLocked, match=r"trimtab.lock cannot be used: the entry policies/chat does not have"):
        begin(root)


@pytest.mark.parametrize("first", ["declaration", "lock"])
def test_production_holds_an_edit_back_until_its_lock_follows(root: Path, first: str) -> None:
    """Whichever of the two is saved first changes nothing; when both are there, both are in force."""
    in_production(root)
    before = write_lock(root)
    in_force = begin(root)
    digest = in_force.snapshot.digest
    write_task(root, first_token="3s")
    after = locked(root)
    if first == "lock":
        write_task(root)
        (root / lockfile.FILE).write_bytes(lockfile.encode(after))
    renewal = in_force.renew()
    assert renewal.kind == "held_back"
    assert any("first_token" in words for words in renewal.lines)
    assert (in_force.snapshot.digest, in_force.snapshot.lock_id) == (digest, before.lock_id)
    assert drift_of(in_force).held_back
    assert repr(in_force) == f"InForce({digest[:12]}, an edit is held back)"
    write_task(root, first_token="3s")
    (root / lockfile.FILE).write_bytes(lockfile.encode(after))
    assert in_force.renew().kind == "switched"
    assert (in_force.snapshot.lock_id, in_force.standing.drift) == (after.lock_id, None)
    assert in_force.snapshot.tasks["chat"].deadline.first_token_s == 3.0


def test_production_forgets_an_edit_that_is_taken_back(root: Path) -> None:
    """Then nothing is held back any more, and nothing was ever switched."""
    in_production(root)
    write_lock(root)
    in_force = begin(root)
    digest = in_force.snapshot.digest
    write_task(root, first_token="3s")
    assert in_force.renew().kind == "held_back"
    (root / "tasks" / "chat" / "task.toml").write_text("model = 3\n")
    assert in_force.renew().kind == "refused"
    assert in_force.standing.drift is None
    write_task(root)
    assert in_force.renew().kind == "same"
    assert (in_force.snapshot.digest, in_force.standing.drift, in_force.standing.refused) == (digest, None, None)


def test_production_is_not_left_by_an_edit(root: Path) -> None:
    """Declaring another environment lifts no lock while production runs."""
    in_production(root)
    write_lock(root)
    in_force = begin(root)
    declaration = root / "trimtab.toml"
    declaration.write_text(declaration.read_text().replace('"production"', '"test"'))
    write_task(root, first_token="3s")
    assert in_force.renew().kind == "held_back"


@pytest.mark.parametrize(("before", "after"), [("production", "test"), ("test", "production")])
def test_production_is_begun_and_left_by_a_start(root: Path, before: str, after: str) -> None:
    """The environment is in no lock, so that an edit of it alone agrees with the lock; it waits for a restart."""
    declaration = root / "trimtab.toml"
    text = declaration.read_text().replace('environment = "test"', f'environment = "{before}"')
    declaration.write_text(text)
    lock = write_lock(root)
    in_force = begin(root)
    declaration.write_text(text.replace(f'environment = "{before}"', f'environment = "{after}"'))
    assert in_force.renew()[:1] + in_force.renew()[3:4] == ("needs_restart", (f"environment: {before} -> {after}",))
    assert (in_force.project.environment, in_force.snapshot.lock_id) == (before, lock.lock_id)


def test_next_life_tells_what_changed_meanwhile(root: Path) -> None:
    """A deployment that stops, brings another lock and starts again is told like an edit."""
    before = write_lock(root)
    begin(root)
    write_task(root, first_token="3s")
    after = write_lock(root)
    changed = begin(root).started
    assert changed is not None
    assert (changed.before, changed.after) == (before.lock_id, after.lock_id)
    assert "first_token" in changed.words
    assert begin(root).started is None


def test_the_same_difference_is_told_once(root: Path) -> None:
    """Reading again tells no difference that was told before, and keeps when it was first seen."""
    write_lock(root)
    in_force = begin(root)
    write_task(root, first_token="3s")
    first = in_force.renew().drift
    assert first is not None
    assert in_force.renew() == Renewal("same", in_force.snapshot.digest, in_force.snapshot.digest)
    assert in_force.standing.drift == first


@pytest.mark.parametrize("file", ["declaration.json", "trimtab.lock"])
def test_edit_that_cannot_be_written_is_taken_later(root: Path, file: str) -> None:
    """Where the disk fails, what was in force still is, and reading again takes the edit whole, with its lock."""
    before = write_lock(root)
    in_force = begin(root)
    held = (in_force.snapshot, in_force.path, in_force.project, in_force.standing, in_force.last_lock)
    write_task(root, first_token="3s")
    after = write_lock(root)
    in_the_way = root / ".trimtab" / "run" / f"{file}.new"
    in_the_way.mkdir()
    with pytest.raises(StoreError, match=file):
        in_force.renew()
    assert (in_force.snapshot, in_force.path, in_force.project, in_force.standing, in_force.last_lock) == held
    in_the_way.rmdir()
    taken = in_force.renew()
    assert taken.lock is not None
    assert (taken.kind, taken.lock.before, taken.lock.after) == ("switched", before.lock_id, after.lock_id)
    assert standing(root).lock == after.lock_id


def test_files_that_a_declaration_names_are_watched(root: Path) -> None:
    """Wherever they lie in the project: dependency locks, shared parts of prompts, sources of tools."""
    (root / "deploy").mkdir()
    (root / "deploy" / "pins.txt").write_text("a==1\n")
    declaration = root / "trimtab.toml"
    declaration.write_text(declaration.read_text() + '[lock]\ndependencies = ["deploy/pins.txt"]\n')
    assert set(named_files(load(root))) == {"deploy/pins.txt"}
    assert begin(root).files == {"deploy/pins.txt"}


def test_an_edit_of_alerts_is_watched_for_at_once(root: Path) -> None:
    """What control watches for is published at the start and after each edit of it, once."""
    in_force = begin(root)
    run = root / ".trimtab" / "run"
    assert WatchInForce(run).read() == in_force.watch
    served, before = in_force.snapshot, in_force.watch
    task = root / "tasks" / "chat" / "task.toml"
    task.write_text(task.read_text().replace('"team"', '"support"'))
    renewal = in_force.renew()
    assert renewal.watched == in_force.watch.digest != before.digest
    assert WatchInForce(run).read().tasks["chat"].owner == "support"
    assert in_force.renew().watched == ""
    assert served.tasks["chat"].owner == "team"
