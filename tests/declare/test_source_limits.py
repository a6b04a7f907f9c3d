"""What a file may hold before it is read: bounds that keep a reader from being kept busy."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.declare.data_sets import manifests
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.source import MAX_KEY_PARTS, read_toml


@pytest.mark.parametrize("form", ["{} = 1", "[{}]", "  [[ {} ]]"])
def test_a_key_of_very_many_parts_is_a_mistake(tmp_path: Path, form: str) -> None:
    """It is told by its line, and never reaches the reader, whose time grows with the square of it."""
    (tmp_path / "trimtab.toml").write_text("# first\n" + form.format(".".join(["a"] * 100_000)) + "\n")
    mistakes = Mistakes()
    assert read_toml(tmp_path, "trimtab.toml", mistakes, "write it") is None
    assert [str(one).partition(";")[0] for one in mistakes] == [
        f"trimtab.toml:2: a key has more than {MAX_KEY_PARTS} parts"
    ]


def test_many_points_in_a_text_are_none(tmp_path: Path) -> None:
    """Only keys are counted."""
    (tmp_path / "trimtab.toml").write_text('a = "' + "x." * 1000 + '"\nb = """\n' + "." * 500 + '\n"""\n')
    mistakes = Mistakes()
    assert read_toml(tmp_path, "trimtab.toml", mistakes, "write it") is not None
    assert not list(mistakes)


def test_a_folder_of_data_that_is_none_has_no_manifests(tmp_path: Path) -> None:
    """A file in its place, or nothing, holds no data sets; a link to itself is a mistake."""
    mistakes = Mistakes()
    assert manifests(tmp_path, mistakes) == ()
    (tmp_path / "data").write_text("")
    assert manifests(tmp_path, mistakes) == ()
    assert not list(mistakes)
    (tmp_path / "data").unlink()
    (tmp_path / "data").symlink_to("data")
    assert manifests(tmp_path, mistakes) == ()
    assert [str(one).partition(" (")[0] for one in mistakes] == ["data:1: the folder cannot be read"]
