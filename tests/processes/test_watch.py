"""Edits are noticed, once each, when they have come to rest."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from trimtab.processes.watch import Mark, Watch, look

A, B, C, D = ({"trimtab.toml": Mark(1, size, 0)} for size in range(4))


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([A, A, A], [False, False, False]),
        ([B, B, B], [False, True, False]),
        ([B, C, C, C], [False, False, True, False]),
        ([B, C, D, A], [False, False, True, False]),
        ([B, A, A], [False, False, False]),
        ([B, B, A, A], [False, True, False, True]),
    ],
    ids=["nothing", "one edit", "edit in two steps", "restless: told at the third look", "taken back", "back later"],
)
def test_edit_is_told_once_when_it_is_quiet(looks: list[dict[str, Mark]], told: list[bool]) -> None:
    """After the first look at A, each edit is told once: after one quiet look, at the latest at the third."""
    seen = iter([A, *looks])
    watch = Watch(lambda: next(seen))
    assert [watch.edited() for _ in looks] == told


def project(root: Path) -> Path:
    task = root / "tasks" / "triage"
    task.mkdir(parents=True)
    (root / "trimtab.toml").write_text("one")
    (task / "prompt.md").write_text("two")
    return task


def test_look_sees_content_replacement_and_removal(tmp_path: Path) -> None:
    """Writing in place, replacing by another file of the same size and time, adding and removing all change a look."""
    task = project(tmp_path)
    looks = [look(tmp_path)]
    (task / "prompt.md").write_text("three")
    looks.append(look(tmp_path))
    before = (tmp_path / "trimtab.toml").stat()
    (tmp_path / "fresh").write_text("1ne")
    os.utime(tmp_path / "fresh", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "fresh").rename(tmp_path / "trimtab.toml")
    looks.append(look(tmp_path))
    (task / "task.toml").write_text("")
    looks.append(look(tmp_path))
    (task / "prompt.md").unlink()
    looks.append(look(tmp_path))
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "refund.json").write_text("{}")
    looks.append(look(tmp_path))
    assert all(earlier != later for earlier, later in itertools.pairwise(looks))


def test_look_sees_the_lock_and_what_is_locked_besides(tmp_path: Path) -> None:
    """The lock, shared parts of prompts, manifests of data sets, and files that the declaration names anywhere."""
    project(tmp_path)
    for path in ("trimtab.lock", "prompts/tone/brief.md", "data/tickets.json", "deploy/pins.txt"):
        before = look(tmp_path, ["deploy/pins.txt"])
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("new")
        assert look(tmp_path, ["deploy/pins.txt"]) != before
    (tmp_path / "data" / "rows").mkdir()
    before = look(tmp_path)
    (tmp_path / "data" / "rows" / "1.jsonl").write_text("{}")
    (tmp_path / "deploy" / "pins.txt").write_text("newer")
    assert look(tmp_path) == before


def test_look_leaves_out_what_is_no_declaration(tmp_path: Path) -> None:
    """Hidden files, other folders and the data directory do not count; a project that is gone is an empty look."""
    task = project(tmp_path)
    before = look(tmp_path)
    (task / ".prompt.md.swp").write_text("editor")
    (tmp_path / ".trimtab").mkdir()
    (tmp_path / ".trimtab" / "state.db").write_text("data")
    (tmp_path / "notes.txt").write_text("mine")
    assert look(tmp_path) == before
    assert sorted(Path(path).name for path in before) == ["prompt.md", "trimtab.toml"]
    assert look(tmp_path / "nowhere") == {}


def test_links_are_followed_and_dangling_ones_left_out(tmp_path: Path) -> None:
    """A task folder that is a link is seen with its files (ConfigMaps are mounted so), a link to nothing is not."""
    task = project(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    task.rename(elsewhere)
    task.symlink_to(elsewhere, target_is_directory=True)
    (tmp_path / "tasks" / "gone").symlink_to(tmp_path / "nowhere")
    assert sorted(Path(path).name for path in look(tmp_path)) == ["prompt.md", "trimtab.toml"]


def test_links_in_a_circle_are_left_out(tmp_path: Path) -> None:
    """A link to itself ends no look, wherever it lies."""
    task = project(tmp_path)
    before = look(tmp_path)
    for folder in (tmp_path / "tasks", task, tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        (folder / "round").symlink_to("round")
    (tmp_path / "tools").symlink_to("tools")
    assert look(tmp_path) == before


def test_edit_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    """Tools that write in place and set the old time back change a look, and so does who may read a file."""
    prompt = project(tmp_path) / "prompt.md"
    status, looks = prompt.stat(), [look(tmp_path)]

    def edit() -> None:
        prompt.write_text("owt")
        os.utime(prompt, ns=(status.st_atime_ns, status.st_mtime_ns))

    for act in (edit, lambda: prompt.chmod(0o600)):
        at = prompt.stat().st_ctime_ns
        while prompt.stat().st_ctime_ns == at:  # the file system's clock has steps
            act()
        looks.append(look(tmp_path))
    assert all(earlier != later for earlier, later in itertools.pairwise(looks))
