"""Data sets are taken in, updated, kept and brought back; nothing leads out of the project."""

from __future__ import annotations

import json
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data.adding import Facts, add, ancestors
from trimtab.data.changes import row_changes
from trimtab.data.manifest import Held, Manifest, held, names, read_manifest, write_manifest
from trimtab.data.rows import Row
from trimtab.data.snapshots import Snapshots
from trimtab.errors import DataInvalid, DataNotTaken

TODAY = date(2026, 11, 20)
ROW = b'{"inputs": "a"}\n'


def added(root: Path, file: Path, name: str = "n", *, update: bool = False, **told: object) -> Held:
    facts = Facts(**told)  # type: ignore[arg-type]
    return add(root, file, name, facts, Snapshots(root / "kept"), TODAY, update=update).held


def written(path: Path, data: bytes = ROW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_file_is_copied(tmp_path: Path) -> None:
    """A file from elsewhere is copied into data/ under the data set's name, and its manifest tells of the copy."""
    root = tmp_path / "project"
    found = added(root, written(tmp_path / "x.jsonl"), source="crm", fresh_for="90d")
    assert (root / "data" / "n.jsonl").read_bytes() == ROW
    assert json.loads((root / "data" / "n.json").read_text()) == {
        "file": "data/n.jsonl",
        "digest": f"sha256:{sha256(ROW).hexdigest()}",
        "rows": 1,
        "source": "crm",
        "source_seen": "2026-11-20",
        "fresh_for": "90d",
    }
    assert found == held(root, "n")
    assert added(root, written(tmp_path / "p.pdf"), "paper").path == "data/paper.pdf"
    assert added(root, written(tmp_path / "odd.x y"), "odd").path == "data/odd.data"
    assert added(root, written(tmp_path / "j.json"), "j").path == "data/j.data"
    assert names(root) == ("j", "n", "odd", "paper")


def test_a_file_of_the_project_stays(tmp_path: Path) -> None:
    """A file in data/ is not copied."""
    assert added(tmp_path, written(tmp_path / "data" / "deep" / "x.jsonl")).path == "data/deep/x.jsonl"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["deep", "n.json"]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "x" * 65, "tasks/t/cases", "n.schema", "a\x1b[31m"])
def test_names(tmp_path: Path, name: str) -> None:
    """A name is no path and hides no file; the cases of a task need no manifest."""
    with pytest.raises(DataNotTaken):
        added(tmp_path, written(tmp_path / "x.jsonl"), name)
    assert not (tmp_path / "data").exists()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """Neither a data set nor a file that is in the way."""
    root = tmp_path / "project"
    added(root, written(tmp_path / "x.jsonl"))
    with pytest.raises(DataNotTaken, match="say --update"):
        added(root, written(tmp_path / "y.jsonl", b"{}\n"))
    written(root / "data" / "m.jsonl", b"other")
    with pytest.raises(DataNotTaken, match=r"data/m\.jsonl is there already"):
        added(root, tmp_path / "x.jsonl", "m")
    assert (root / "data" / "m.jsonl").read_bytes() == b"other"
    with pytest.raises(DataInvalid, match="there is none of that name"):
        added(root, tmp_path / "x.jsonl", "gone", update=True)


def test_links_out_of_the_project(tmp_path: Path) -> None:
    """A data folder, a data file or a schema that is a link to elsewhere is refused, and nothing is written there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for root in (one, two, three):
        root.mkdir()
    (one / "data").symlink_to(outside)
    with pytest.raises((DataInvalid, DataNotTaken)):
        added(one, written(tmp_path / "x.jsonl"))
    assert list(outside.iterdir()) == []
    secret = written(outside / "secret.jsonl")
    (two / "data").mkdir()
    (two / "data" / "n.jsonl").symlink_to(secret)
    write_manifest(two, "n", Manifest(digest="sha256:" + "0" * 64, file="data/n.jsonl"))
    with pytest.raises(DataInvalid, match="leads out of the project"):
        held(two, "n")
    for what in ("schema", "transform"):
        with pytest.raises(DataNotTaken, match=f"the {what} .* lies elsewhere"):
            added(three, tmp_path / "x.jsonl", **{what: secret})
    for path in ("../outside/secret.jsonl", str(secret), "data/../../outside/secret.jsonl"):
        write_manifest(two, "m", Manifest(digest="sha256:" + "0" * 64, file=path))
        with pytest.raises(DataInvalid):
            held(two, "m")


def test_a_link_is_followed_when_a_file_is_taken_in(tmp_path: Path) -> None:
    """What a link points to is copied, not the link."""
    (tmp_path / "link.jsonl").symlink_to(written(tmp_path / "x.jsonl"))
    root = tmp_path / "project"
    added(root, tmp_path / "link.jsonl")
    assert not (root / "data" / "n.jsonl").is_symlink()


def test_parents(tmp_path: Path) -> None:
    """Parents are kept with the digests they have now; nobody is their own ancestor."""
    root = tmp_path / "project"
    first = added(root, written(tmp_path / "a.jsonl"), "a")
    added(root, written(tmp_path / "b.jsonl", b"{}\n"), "b", parents=("a",))
    added(root, written(tmp_path / "c.jsonl", b"\n"), "c", parents=("b",))
    assert read_manifest(root, "b").parents[0].digest == first.digest
    assert ancestors(root, "c") == ("b", "a")
    with pytest.raises(DataNotTaken, match="c was itself made from it"):
        added(root, tmp_path / "a.jsonl", "a", update=True, parents=("c",))
    with pytest.raises(DataInvalid, match="there is none of that name"):
        added(root, tmp_path / "a.jsonl", "d", parents=("nothing",))
    assert not (root / "data" / "d.json").exists()


def test_an_update_tells_rows(tmp_path: Path) -> None:
    """What is not told stays; rows are told as added, removed or changed, from the file or from a snapshot."""
    root, store = tmp_path / "project", Snapshots(tmp_path / "kept")
    before = b'{"id": 1, "inputs": "a"}\n{"id": 2, "inputs": "b"}\n{"id": 3, "inputs": "c"}\n'
    after = b'{"id": 1, "inputs": "a"}\n{"id": 4, "inputs": "d"}\n{"id": 2, "inputs": "B"}\n'
    add(root, written(tmp_path / "x.jsonl", before), "n", Facts(licence="internal"), store, TODAY)
    store.keep("n", root / "data" / "n.jsonl")
    taken = add(root, written(tmp_path / "x.jsonl", after), "n", Facts(), store, TODAY, update=True)
    assert taken.changes is not None
    assert (taken.changes.added_rows, taken.changes.removed_rows, taken.changes.changed_rows) == ((2,), (3,), (3,))
    assert taken.changes.same == 1
    assert taken.held.manifest is not None
    assert (taken.held.manifest.licence, taken.held.rows) == ("internal", 3)
    (root / "data" / "n.jsonl").write_bytes(before + ROW)
    edited = add(root, root / "data" / "n.jsonl", "n", Facts(), store, TODAY, update=True)
    assert edited.changes is None  # the bytes of `after` are nowhere any more


@given(st.lists(st.sampled_from("abcde"), max_size=8), st.lists(st.sampled_from("abcde"), max_size=8))
def test_changes_add_up(before: list[str], after: list[str]) -> None:
    """Every row of either file is counted once: same, added or changed, same, removed or changed."""
    one, two = ([Row(number, {"inputs": text}) for number, text in enumerate(texts, 1)] for texts in (before, after))
    found = row_changes(one, two)
    assert found.same + found.added + found.changed == len(after)
    assert found.same + found.removed + found.changed == len(before)
    assert row_changes(one, one).same == len(before)


def test_snapshots(tmp_path: Path) -> None:
    """A digest is written once and comes back byte for byte; what is damaged or not told apart does not."""
    store, file = Snapshots(tmp_path / "kept"), written(tmp_path / "x", b"bytes")
    digest = f"sha256:{sha256(b'bytes').hexdigest()}"
    assert store.keep("n", file) == (digest, True)
    assert store.keep("n", file) == (digest, False)
    assert store.place(digest).stat().st_mode & 0o777 == 0o400
    target = tmp_path / "back"
    assert store.restore("n", digest[:20], target) == digest
    assert target.read_bytes() == b"bytes"
    with pytest.raises(DataNotTaken, match="is there already"):
        store.restore("n", digest, target)
    for wrong in ("sha256:", "0" * 64, "../../x", "z" * 20, digest + "0"):
        with pytest.raises(DataNotTaken):
            store.restore("n", wrong, tmp_path / "other")
    store.place(digest).chmod(0o600)
    store.place(digest).write_bytes(b"other")
    with pytest.raises(DataNotTaken, match="has other bytes now"):
        store.restore("n", digest, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert [path.name for path in (tmp_path / "kept").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"digest": 1}', b'{"digest": "x", "more": 1}', b"\xff", b"[" * 9999]
)
def test_manifests_that_cannot_be_read(tmp_path: Path, data: bytes) -> None:
    """They are told by name, and do not keep other data sets from being listed."""
    written(tmp_path / "data" / "n.json", data)
    written(tmp_path / "data" / "n.schema.json", b"{}")
    written(tmp_path / "tasks" / "t" / "cases.jsonl")
    with pytest.raises(DataInvalid, match="The data set n cannot be used"):
        held(tmp_path, "n")
    assert names(tmp_path) == ("n", "tasks/t/cases")
    assert held(tmp_path, "tasks/t/cases").rows == 1
