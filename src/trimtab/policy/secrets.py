"""Reads secrets from where the declaration says they lie; they never stand in it, nor in a snapshot."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.declare.project import Secret
from trimtab.errors import SecretMissing

MAX_BYTES: Final = 64 << 10
HEADER_TEXT: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
"""What may stand in a header: visible ASCII, blanks only within."""


class Secrets:
    """The secrets of this process. A variable is read once, a file again when it has changed.

    While a file is missing, empty or unfit, the value it had before stays in force: whoever replaces it may take a
    moment. A process that has not read it yet gets `SecretMissing`.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._variables: dict[str, str] = {}
        self._files: dict[str, _Held] = {}

    def read(self, secret: Secret) -> str:
        """The secret, without the line end a file may close with. Raises `SecretMissing`."""
        if secret.kind == "file":
            return self._of_file(secret.place)
        known = self._variables.get(secret.place)
        return known if known is not None else self._of_variable(secret.place)

    def __repr__(self) -> str:
        return f"Secrets({len(self._variables)} variables and {len(self._files)} files read)"

    def _of_variable(self, place: str) -> str:
        value = self._environment.get(place)
        if value is None:
            raise SecretMissing(place=f"env:{place}", detail="the variable is not set")
        found = self._variables[place] = _fit(value, f"env:{place}")
        return found

    def _of_file(self, place: str) -> str:
        held = self._files.get(place)
        try:
            mark = _mark(place)
            if held is None or held.mark != mark:
                held = self._files[place] = _Held(mark, _fit(_content(place), f"file:{place}"))
        except SecretMissing:
            if held is None:
                raise
        except (OSError, ValueError) as failure:
            if held is None:
                detail = failure.strerror if isinstance(failure, OSError) else "the file is not text"
                raise SecretMissing(place=f"file:{place}", detail=detail) from None
        return held.value


class _Held(NamedTuple):
    """A secret as it was read, and what its file looked like then."""

    mark: tuple[int, ...]
    value: str

    def __repr__(self) -> str:
        return "_Held(...)"


def _mark(place: str) -> tuple[int, ...]:
    status = os.stat(place)  # noqa: PTH116 - on the path of every attempt
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _content(place: str) -> str:
    with Path(place).open("rb") as file:
        return file.read(MAX_BYTES + 1).decode("ascii")


def _fit(value: str, place: str) -> str:
    """The value, if it can stand in a header: what cannot would let it end one and begin another."""
    text = value.rstrip("\r\n")
    if len(text) > MAX_BYTES or not HEADER_TEXT.fullmatch(text):
        detail = "it is empty" if not text else "it is too long or not one line of visible ASCII"
        raise SecretMissing(place=place, detail=detail)
    return text
