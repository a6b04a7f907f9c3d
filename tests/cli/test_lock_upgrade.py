"""`trimtab lock upgrade`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.locking import MODEL, PROMPT, TASK, Ask, asking, commit, place, project
from tests.lock.repositories import git
from tests.store.samples import SECOND_NS, call
from tests.store.spools import SegmentWriter
from trimtab.assemble import upgrade
from trimtab.errors import LockUnwritten, UpgradeRefused
from trimtab.lock.lockfile import FILE, decode

pytestmark = pytest.mark.usefixtures("bare_git")
LARGE = '\n[models.large]\nmodel = "acme/large-1"\nreplicas = ["http://127.0.0.1:9001"]\n'
SCHEMA = '{"type": "object", "properties": {"queue": {"type": "string"}}}'
HASH = "9c925d64d72725edaf899c6cb9c377fd0709d9c5"
OTHER = "0a0b0c0d0e0f000102030405060708090a0b0c0d"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "app")


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    return asking(capsys, root)


def files(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in ("trimtab.toml", FILE)}


def pinned(root: Path) -> dict[str, tuple[str, str, str]]:
    return {one.key: (one.digest, one.author, one.commit) for one in decode((root / FILE).read_bytes()).entries}


def test_only_that_model_moves(root: Path, ask: Ask) -> None:
    """One value of trimtab.toml and one entry of the lock are others; comments, order and all other entries stay."""
    place(root, "trimtab.toml", f"# Models\n{MODEL}{LARGE}")
    ask()
    commit(root, "First")
    before = pinned(root)
    said = ask("upgrade", "models.small", "--to", "acme/small-2")
    assert said.status == 0
    assert "models.small is moved" in said.out
    assert 'is "acme/small-2", was "acme/small-1"' in said.out
    text = (root / "trimtab.toml").read_text()
    assert text == f"# Models\n{MODEL}{LARGE}".replace("acme/small-1", "acme/small-2")
    after = pinned(root)
    assert {key for key in after if after[key] != before[key]} == {"models/small"}
    assert after["models/small"][1:] == ("Ada Lovelace <ada@example.org>", "")
    assert ask("--check").status == 0


def test_a_revision(root: Path, ask: Ask) -> None:
    """A revision is put beside the model's name, and moved from then on; another name needs its own."""
    ask()
    assert ask("upgrade", "small", "--revision", HASH).status == 0
    assert f'# what the server calls it\nrevision = "{HASH}"\n' in (root / "trimtab.toml").read_text()
    assert ask("upgrade", "small", "--revision", OTHER).status == 0
    before = files(root)
    said = ask("upgrade", "small", "--to", "acme/small-2")
    assert said.status == 1
    assert "its revision 0a0b0c0d0e0f is that of acme/small-1; say --revision too" in said.err
    assert files(root) == before
    assert ask("upgrade", "small", "--to", "acme/small-2", "--revision", HASH).status == 0
    assert OTHER not in (root / "trimtab.toml").read_text()


def test_a_dry_run(root: Path, ask: Ask) -> None:
    """It says the same and writes nothing."""
    ask()
    before = files(root)
    said = ask("upgrade", "small", "--to", "acme/small-2", "--dry-run")
    assert said.status == 0
    assert "models.small would be moved" in said.out
    found = ask("upgrade", "small", "--to", "acme/small-2", "--dry-run", "--json").json()
    assert (found["written"], found["model"], found["rows"]) == (False, "small", [])
    assert {one["key"] for one in found["differences"]} == {"models/small"}
    assert "no call was recorded here" in found["no_evidence"]
    assert files(root) == before
    assert not (root / ".trimtab").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("smal", "--to", "x"), "it is not declared; declared is models.small"),
        (("smal",), "it is not declared; declared is models.small"),
        (("small", "--to", "acme/small-1"), "it is there already; say where to with --to or --revision"),
        (("small", "--to", "acme/small:latest"), "stands for another model tomorrow"),
        (("small", "--revision", "main"), "a branch or a tag"),
        (("small", "--to", "a\nb"), "models.small is not upgraded: --to is empty, longer than 1,000 characters or not"),
        (("small", "--revision", "\x1b[2J", "--dry-run"), "models.small is not upgraded: --revision is empty, longer"),
    ],
)
def test_what_is_refused(root: Path, ask: Ask, arguments: tuple[str, ...], reason: str) -> None:
    """A model that is none, a move to where it is, and names that move by themselves; nothing is written."""
    ask()
    before = files(root)
    said = ask("upgrade", *arguments)
    assert said.status == 1
    assert reason in said.err
    assert files(root) == before


def test_nothing_is_moved_unless_said(root: Path, ask: Ask) -> None:
    """Without a new name or revision it only compares, and says what the model is."""
    ask()
    place(root, "trimtab.toml", MODEL + LARGE)
    before = files(root)
    said = ask("upgrade", "small")
    assert said.status == 0
    assert "models.small is acme/small-1 in trimtab.lock" in said.out
    assert "nothing is moved" in said.out
    assert ask("upgrade", "small", "--json").json()["written"] is False
    assert "it is not locked yet; run `trimtab lock`" in ask("upgrade", "large").err
    assert files(root) == before


def test_what_else_is_not_as_locked(root: Path, ask: Ask) -> None:
    """As long as something else differs from the lock, no model is moved."""
    ask()
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    said = ask("upgrade", "small", "--to", "acme/small-2")
    assert said.status == 1
    assert "1 other thing is not as locked; run `trimtab lock` first" in said.err
    (root / FILE).unlink()
    assert "There is no trimtab.lock" in ask("upgrade", "small", "--to", "x").err


def test_what_cannot_be_edited(root: Path, ask: Ask) -> None:
    """A table of one line with more texts in it than are tried is left to people, and nothing is written."""
    replicas = ", ".join(f'"http://127.0.0.1:{9000 + number}"' for number in range(70))
    place(root, "trimtab.toml", f'models = {{ small = {{ replicas = [{replicas}], model = "acme/small-1" }} }}\n')
    ask()
    before = files(root)
    said = ask("upgrade", "small", "--to", "acme/small-2")
    assert said.status == 1
    assert "write it by hand and run `trimtab lock`" in said.err
    assert files(root) == before


def test_what_is_still_said_of_the_old_model(root: Path, ask: Ask) -> None:
    """Facts that belong to the old model are named, so that somebody corrects them."""
    place(root, "trimtab.toml", f"{MODEL}retires = 2027-01-01\nprice = {{ input = 1.0, output = 2.0 }}\n")
    ask()
    said = ask("upgrade", "small", "--to", "acme/small-2")
    assert "Note: still said of acme/small-1 in models.small: retires, price; correct what changed" in said.out


def test_both_files_or_none(root: Path, ask: Ask) -> None:
    """Where the lock cannot be written, or something was edited since the plan, the declaration is as it was too."""
    ask()
    held = decode((root / FILE).read_bytes())
    before = files(root)
    planned = upgrade.plan(root, held, "small", "acme/small-2", "", date(2026, 11, 25))

    def full() -> None:
        raise LockUnwritten(path=FILE, detail="No space left on device")

    with pytest.raises(LockUnwritten):
        upgrade.apply(root, planned, full)
    assert files(root) == before
    place(root, "trimtab.toml", f"{before['trimtab.toml'].decode()}# edited\n")
    with pytest.raises(UpgradeRefused, match="edited meanwhile"):
        upgrade.apply(root, planned, full)
    assert (root / "trimtab.toml").read_text() == f"{before['trimtab.toml'].decode()}# edited\n"
    place(root, "trimtab.toml", before["trimtab.toml"].decode())
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    with pytest.raises(UpgradeRefused, match="edited meanwhile"):
        upgrade.apply(root, planned, full)
    assert files(root) == before


def test_recorded_calls_are_compared(root: Path) -> None:
    """Calls of the old model are set beside those of the new one, which another name of the project served."""
    place(root, "trimtab.toml", f"{MODEL}{LARGE.replace('acme/large-1', 'acme/small-2')}")
    place(root, "tasks/triage/task.toml", f'fallback = ["large"]\n{TASK}\n[output]\nschema = "output.schema.json"\n')
    place(root, "tasks/triage/output.schema.json", SCHEMA)
    record(root)
    assert trimtab(root, "lock").returncode == 0
    git(root, "add", "-A")
    said = trimtab(root, "lock", "upgrade", "small", "--to", "acme/small-2", "--dry-run", "--json")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert (found["calls_before"], found["calls_after"], found["no_evidence"]) == (80, 70, "")
    row = next(row for row in found["rows"] if row["measure"] == "answers that keep the schema")
    assert (row["task"], row["n_before"], row["before"], row["n_after"], row["after"]) == ("triage", 80, 0.6, 70, 0.8)
    assert row["difference"] == pytest.approx([0.0524, 0.3339], abs=5e-5)
    shown = trimtab(root, "lock", "upgrade", "small", "--to", "acme/small-2").stdout
    assert "60 %, n 80" in shown
    assert "80 %, n 70" in shown
    assert "+5.24 to +33.4 points" in shown
    again = json.loads(trimtab(root, "lock", "upgrade", "small", "--json").stdout)
    assert (again["written"], again["calls_before"], again["calls_after"]) == (False, 80, 70)
    assert again["rows"] == found["rows"], "after the move it says the same"
    other = trimtab(root, "lock", "upgrade", "small", "--to", "acme/small-3", "--dry-run")
    assert "no call that acme/small-3 answered is recorded" in other.stdout


def test_calls_before_a_busy_move(root: Path) -> None:
    """However many calls came since the move, those from before it are found by their lock, though the name that the
    servers give themselves never changed.
    """
    place(root, "trimtab.toml", f'{MODEL}revision = "{HASH}"\n')
    assert trimtab(root, "lock").returncode == 0
    commit(root, "First")
    writer, now_ns = SegmentWriter(root / ".trimtab" / "spool"), time.time_ns() - 5000 * SECOND_NS
    made = call("c", now_ns, task="triage", model="small", upstream_model="acme/small-1", finish_reason="stop")
    first = decode((root / FILE).read_bytes()).lock_id
    assert trimtab(root, "lock", "upgrade", "small", "--revision", OTHER).returncode == 0
    second = decode((root / FILE).read_bytes()).lock_id
    for number in range(1110):
        lock = first if number < 30 else second
        admitted = replace(made.admitted, call=f"c{number}", task="triage", lock=lock)
        writer.write(replace(made, admitted=admitted, at_ns=now_ns + number * SECOND_NS))
    writer.seal()
    found = json.loads(trimtab(root, "lock", "upgrade", "small", "--json").stdout)
    assert (found["calls_before"], found["calls_after"]) == (30, 1000)
    assert {row["task"] for row in found["rows"]} == {"triage"}


def record(root: Path) -> None:
    """80 calls of the old model, 48 valid; 70 of the new one, 56 valid; one of another task."""
    writer, now_ns = SegmentWriter(root / ".trimtab" / "spool"), time.time_ns() - 1000 * SECOND_NS
    sides = [("small", "acme/small-1", 48, 80), ("large", "acme/small-2", 56, 70)]
    for model, served, valid, count in sides:
        for number in range(count):
            verdict = "valid" if number < valid else "invalid"
            made = call(
                f"{model}{number}", now_ns, task="triage", model=model, upstream_model=served, verdict=verdict,
                finish_reason="stop",
            )  # fmt: skip
            writer.write(replace(made, admitted=replace(made.admitted, task="triage")))
    writer.write(call("other", now_ns, task="other", model="small", upstream_model="acme/small-1"))
    writer.seal()


def trimtab(root: Path, *verb: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trimtab", *verb], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
