"""Git repositories in folders of their own, for tests of what git tells of a project."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ADA = ("Ada Lovelace", "ada@example.org")
GRACE = ("Grace Hopper", "grace@example.org")
BARE = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
}


def git(folder: Path, *arguments: str, who: tuple[str, str] = ADA, at: str = "2026-11-01T10:00:00Z") -> str:
    """Runs git as somebody at a time, and returns what it prints."""
    name, address = who
    done = subprocess.run(
        ["git", "-c", f"user.name={name}", "-c", f"user.email={address}", "-C", str(folder), *arguments],
        env={**BARE, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """A new repository whose commits are Ada's unless said."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", ADA[0])
    git(folder, "config", "user.email", ADA[1])
    return folder


def place(folder: Path, path: str, text: str) -> None:
    """Writes a file and the folders it lies in."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8", newline="")


def commit(folder: Path, message: str, who: tuple[str, str] = ADA, at: str = "2026-11-01T10:00:00Z") -> str:
    """Commits everything in a folder's repository; returns the hash."""
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", message, who=who, at=at)
    return git(folder, "rev-parse", "HEAD")
