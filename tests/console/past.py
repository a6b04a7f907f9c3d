"""A project whose prompt and lock changed: a git repository for the pages of the past."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from tests.lock.repositories import GRACE, commit, place, repository
from trimtab.declare.project import Prompt, Turn
from trimtab.lock.lockfile import FILE, Lock, encode, entry, lock

SYSTEM: Final = "You read invoices.\nAnswer with JSON alone.\nWrite amounts as numbers.\n"
OLD_SYSTEM: Final = SYSTEM
NEW_SYSTEM: Final = SYSTEM.replace("numbers", "text with the currency").replace("JSON alone", "one JSON object")
USER: Final = "{{ invoice }}\n"
TOML: Final = 'owner = "support"\nclass = "interactive"\nmodel = "small"\n'


def prompt_file(system: str, user: str = USER) -> str:
    """The text of a prompt's file."""
    return f"system:\n{system}user:\n{user}"


def digest_of(text: str) -> str:
    """The digest of a prompt that is one file without declared inputs."""
    return hashlib.sha256(text.encode()).hexdigest()


def locked(system: str, temperature: float) -> Lock:
    """The lock of the project with a prompt of this system turn."""
    turns = [{"role": "system", "text": system.strip().split("\n")}, {"role": "user", "text": [USER.strip()]}]
    pinned: dict[str, Any] = {"inputs": ["invoice"], "sha256": digest_of(prompt_file(system)), "turns": turns}
    return lock(
        [
            entry("prompts", "extract", pinned, "Grace Hopper <grace@example.org>", "a" * 40),
            entry("sampling", "extract", {"temperature": temperature}),
            entry("models", "small", {"engine": "vllm", "resolved": "Qwen/Qwen3-8B"}),
        ]
    )


OLD, NEW = locked(OLD_SYSTEM, 0.0), locked(NEW_SYSTEM, 0.2)
OLD_LOCK, NEW_LOCK = OLD.lock_id, NEW.lock_id
OLD_PROMPT, NEW_PROMPT = digest_of(prompt_file(OLD_SYSTEM)), digest_of(prompt_file(NEW_SYSTEM))


def prompt_of(system: str) -> Prompt:
    """The prompt as it is declared."""
    turns = (Turn("system", system.strip()), Turn("user", USER.strip()))
    return Prompt(turns, ("invoice",), digest_of(prompt_file(system)))


def project(folder: Path) -> Path:
    """A repository of two commits: Ada's prompt with its lock, and Grace's change of both."""
    repository(folder)
    for text, whole in ((OLD_SYSTEM, OLD), (NEW_SYSTEM, NEW)):
        place(folder, "tasks/extract/task.toml", TOML)
        place(folder, "tasks/extract/prompt.md", prompt_file(text))
        place(folder, FILE, encode(whole).decode())
        if whole is OLD:
            commit(folder, "Invoices are read", at="2026-11-01T10:00:00Z")
        else:
            commit(folder, "Amounts keep their currency", GRACE, at="2026-11-02T10:00:00Z")
    return folder
