"""Secrets: read where they lie, again when they change, and never told."""

import os
from pathlib import Path

import pytest

from trimtab.declare.project import Secret
from trimtab.errors import SecretMissing, UpstreamError
from trimtab.policy.secrets import Secrets


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key"


def at(file: Path) -> Secret:
    return Secret("file", str(file))


def test_environment() -> None:
    """A variable that is set is read; one that cannot be used yet is looked at again."""
    environment = {"KEY": ""}
    secrets = Secrets(environment)
    with pytest.raises(SecretMissing, match="it is empty"):
        secrets.read(Secret("env", "KEY"))
    environment["KEY"] = "first"
    assert secrets.read(Secret("env", "KEY")) == "first"


def test_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless another is handed in, the environment is the process's."""
    monkeypatch.setenv("TRIMTAB_TEST_KEY", "x")
    assert Secrets().read(Secret("env", "TRIMTAB_TEST_KEY")) == "x"


def test_unset_variable() -> None:
    """A variable that is not set is named, and the error is one of the way to the model's server."""
    with pytest.raises(SecretMissing, match=r"env:KEY cannot be used.*not set") as caught:
        Secrets({}).read(Secret("env", "KEY"))
    assert isinstance(caught.value, UpstreamError)


@pytest.mark.parametrize("content", ["geheim", "geheim\n", "geheim\r\n"])
def test_file(file: Path, content: str) -> None:
    """A file's secret is its text without the line end."""
    file.write_text(content, newline="")
    assert Secrets({}).read(at(file)) == "geheim"


def test_a_changed_file_is_read_again(file: Path) -> None:
    """The next reading after a change gives the new secret, also when the size is the same."""
    secrets = Secrets({})
    file.write_text("first")
    assert secrets.read(at(file)) == "first"
    fresh = file.with_name("fresh")
    fresh.write_text("other")
    fresh.replace(file)
    assert secrets.read(at(file)) == "other"


def test_an_unchanged_file_is_not_read_again(file: Path) -> None:
    """While device, inode, size and time are the same, the file is not opened."""
    secrets = Secrets({})
    file.write_text("first")
    before = file.stat()
    assert secrets.read(at(file)) == "first"
    file.write_text("other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert secrets.read(at(file)) == "first"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff\xfe", b" blank", b"x" * 70_000])
def test_a_file_that_cannot_be_used(file: Path, content: bytes | None) -> None:
    """A missing or unfit file is an error before the first reading; after it, the last good secret stays in force."""
    secrets = Secrets({})
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SecretMissing, match=f"file:{file} cannot be used"):
        secrets.read(at(file))
    file.write_text("good")
    assert secrets.read(at(file)) == "good"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert secrets.read(at(file)) == "good"


@pytest.mark.parametrize("value", ["geheim\r\nx-injected: 1", "geheim\n\nx", "gehéim", "geheim\x00", " geheim"])
def test_what_cannot_stand_in_a_header(value: str) -> None:
    """A value that could end its header or is not ASCII is refused, and the error does not repeat it."""
    with pytest.raises(SecretMissing) as caught:
        Secrets({"KEY": value}).read(Secret("env", "KEY"))
    assert "geh" not in str(caught.value)


def test_repr_tells_no_secret(file: Path) -> None:
    """Neither repr nor the state within shows a secret."""
    secrets = Secrets({"KEY": "geheim"})
    file.write_text("geheim")
    secrets.read(at(file))
    assert repr(secrets) == "Secrets(0 variables and 1 files read)"
    assert "geheim" not in repr(vars(secrets)["_files"])
