"""What a declared value is in a lock: JSON without secrets and without the paths of one machine.

A lock is read by all who may read the repository, and must be the same wherever the project is checked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from trimtab.declare.masks import MASK, names_secret, without_secrets

SAFE_WHOLE: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly (RFC 8785, section 3.2.2.3)."""
OUTSIDE: Final = "(outside)"
"""Stands for the folder of a path that is not in the project."""

_HOME: Final = re.compile(r"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/][^\\/]+[\\/]?|/(?:root)?/?")
_WITHIN: Final = re.compile(r"(?<![\w./~-])/(?:(?:home|Users)/[^/\s,:;\"']+|root(?![\w.-]))")
_ABSOLUTE: Final = re.compile(r"(?:[A-Za-z]:[\\/]|[\\/]|~[\\/])")


def plain(value: Any) -> Any:
    """A value as JSON: structs as objects, days and money as strings, and so whole numbers beyond 2^53.

    What looks like a secret in a text is masked. Equal values give equal JSON, 1.0 and 1 too.
    """
    if isinstance(value, str):
        return without_secrets(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -SAFE_WHOLE <= value <= SAFE_WHOLE else str(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and -SAFE_WHOLE <= value <= SAFE_WHOLE else value
    if isinstance(value, Mapping):
        return {without_secrets(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (Decimal, date)):
        return str(value)
    return [plain(inner) for inner in value]


def place(path: str, root: str) -> str:
    """A path without the machine: relative in the project; of an absolute one elsewhere only its last part.

    Of somebody's home folder itself nothing is left.
    """
    text = without_secrets(path)
    inner = _inside(text, root)
    if inner is not None:
        return inner
    if not _ABSOLUTE.match(text) or "://" in text:
        return _without_folders(text, root)
    last = "" if _HOME.fullmatch(text) else re.split(r"[\\/]", text.rstrip("\\/"))[-1]
    return f"{OUTSIDE}/{last}" if last else OUTSIDE


def option(text: str, root: str) -> str:
    """One word of a command line ("--api-key=...", "--model=/models/x"): no secret, no folder of a machine."""
    name, sign, value = text.partition("=")
    if not sign:
        return place(text, root)
    return f"{name}={MASK if names_secret(name) else place(value, root)}"


def command_line(words: Iterable[str], root: str) -> list[str]:
    """A command line in its order: what follows an option that names a secret is masked too."""
    told: list[str] = []
    hidden = False
    for word in words:
        is_option = word.startswith("-")
        told.append(MASK if hidden and not is_option else option(word, root))
        hidden = is_option and "=" not in word and names_secret(word)
    return told


def environment(variables: Mapping[str, str], root: str) -> dict[str, str]:
    """Environment variables: of one that names a secret only that it is set."""
    return {name: MASK if names_secret(name) else place(value, root) for name, value in variables.items()}


def endpoint(url: str) -> str:
    """A URL as far as it says whose service it is: scheme, host and path, without credentials and query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _without_folders(text: str, root: str) -> str:
    """A text in which the project's folder and folders of people do not stand ("type=bind,src=...,dst=/data")."""
    if len(root) > 1:
        text = text.replace(f"{root}/", "")
    return _WITHIN.sub(OUTSIDE, text)


def _inside(path: str, root: str) -> str | None:
    """The path relative to the project, where it lies in it."""
    if not root or not path.startswith("/"):
        return None
    try:
        return PurePosixPath(path).relative_to(PurePosixPath(root)).as_posix()
    except ValueError:
        return None
