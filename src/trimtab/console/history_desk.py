"""What pages ask of the project's past: its locks, its prompts, and how what is declared stands to its lock."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from trimtab.lock.lock_history import LockChange, LockHistory
from trimtab.lock.prompt_history import PromptHistory


class LockStanding(Struct, frozen=True):
    """The lock in force, empty where what serves agrees with none, and since when this serves (ns since 1970).

    `differences` are the first of `count` between the declaration and the lock, in sentences, seen at `seen_ns`;
    `held_back` says that the edit which made them does not serve.
    """

    lock: str = ""
    since_ns: int = 0
    differences: tuple[str, ...] = ()
    count: int = 0
    seen_ns: int = 0
    held_back: bool = False


class ToolDrift(Protocol):
    """A tool that is not as it was locked."""

    @property
    def tool(self) -> str:
        """Its name."""

    @property
    def words(self) -> str:
        """How it drifts."""

    @property
    def since_ns(self) -> int:
        """Since when, in ns since 1970."""


class HistoryDesk(Protocol):
    """Reads git and the project's files. Every operation raises `StoreError` for what cannot be read."""

    async def standing(self) -> LockStanding:
        """How what is declared stands to its lock."""

    async def locks(self) -> LockHistory:
        """The locks that are known, newest first."""

    async def change(self, lock: str, against: str = "") -> LockChange | None:
        """What a lock changed against another one, the one before unless told; None where one of them is not known."""

    async def prompt(self, task: str) -> PromptHistory:
        """The versions of a task's prompt."""
