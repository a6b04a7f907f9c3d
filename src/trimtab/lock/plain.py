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

SAFE_WHOLE: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly (RFC 8785, section 3.2.2.3)."""
MASK: Final = "***"
OUTSIDE: Final = "(outside)"
"""Stands for the folder of a path that is not in the project."""

_TOKENS: Final = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}|\b[srp]k_(?:live|test)_\w{8,}|\bhf_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{10,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|\btt_[\w-]{40,}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]*-----END [A-Z ]*PRIVATE KEY-----)?"
)
"""Keys and tokens whose issuers give them a form of their own."""
_TOKEN_MARKS: Final = (
    "sk-", "k_live_", "k_test_", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA",
    "ASIA", "AIza", "tt_", "eyJ", "-----BEGIN ",
)  # fmt: skip
_HEADER_MARKS: Final = ("earer ", "EARER ", "asic ", "ASIC ")
"""What stands in every text that the slower patterns can match."""
_SHORTEST: Final = 8
"""Characters of the shortest text that can hold any of these, credentials in a URL among them."""
_USERINFO: Final = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,31}://)[^/\s?#\"'<>@]*@")
_PARAMETER: Final = re.compile(r"([?&;]([A-Za-z0-9_.-]{1,64})=)[^&;\s\"'#]+")
_HEADER: Final = re.compile(
    r"\b((?:[Bb]earer|BEARER|[Bb]asic|BASIC) +)(?=[A-Za-z._~+/=-]*[0-9])[A-Za-z0-9._~+/=-]{16,}"
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TELLING: Final = frozenset({
    "apikey", "auth", "authorization", "credential", "credentials", "key", "passphrase", "passwd", "password", "pat",
    "pwd", "secret", "secrets", "sig", "signature", "token",
})  # fmt: skip
"""Words by which a name tells that its value is a secret."""
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


def without_secrets(text: str) -> str:
    """A text with credentials in URLs and headers, and keys of well-known forms, masked."""
    if len(text) < _SHORTEST:
        return text
    if "://" in text:
        text = _USERINFO.sub(rf"\1{MASK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(_parameter, text)
    if any(mark in text for mark in _HEADER_MARKS):
        text = _HEADER.sub(rf"\1{MASK}", text)
    return _TOKENS.sub(MASK, text) if any(mark in text for mark in _TOKEN_MARKS) else text


def holds_secret(text: str) -> bool:
    """Whether a text holds what looks like a secret."""
    return without_secrets(text) != text


def names_secret(name: str) -> bool:
    """Whether a variable, an option or a parameter of this name holds a secret ("HF_TOKEN", "--api-key")."""
    return bool(_TELLING & {word.lower() for word in _WORDS.findall(name)})


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


def _parameter(match: re.Match[str]) -> str:
    return match[1] + MASK if names_secret(match[2]) else match[0]


def _inside(path: str, root: str) -> str | None:
    """The path relative to the project, where it lies in it."""
    if not root or not path.startswith("/"):
        return None
    try:
        return PurePosixPath(path).relative_to(PurePosixPath(root)).as_posix()
    except ValueError:
        return None
