"""`trimtab.lock`: what everything that can drift was resolved to, as JSON that is written one way only.

An entry's digest is the sha256 of its section's name and its canonical JSON (RFC 8785); the lock id is that of all
entries' names and digests. Who changed an entry, and in which commit, stands beside it and is in neither.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
import rfc8785
from msgspec import Struct

from trimtab.errors import LockInvalid, LockNewer

FORMAT_VERSION: Final = 1
FILE: Final = "trimtab.lock"
Section = Literal[
    "checks", "context", "data", "models", "packages", "policies", "prompts", "retrieval", "sampling", "schemas",
    "tools",
]  # fmt: skip
SECTIONS: Final[tuple[Section, ...]] = get_args(Section)
MAX_BYTES: Final = 64 << 20
MAX_DEPTH: Final = 100
"""Levels of nesting in what is pinned; a declared schema has at most 64."""
MAX_ENTRIES: Final = 100_000
_NAME: Final = re.compile(r"[A-Za-z0-9._/()-]{1,200}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}|")
_MAX_AUTHOR: Final = 1_000
_CONFLICT: Final = re.compile(rb"(?:\A|\n)(?:<<<<<<<|=======|>>>>>>>)[ \r\n]")
_SHA256: Final = "sha256:"
_ENTRY_DOMAIN: Final = b"trimtab lock entry 1\n"
_LOCK_DOMAIN: Final = b"trimtab lock 1\n"


class Entry(Struct, frozen=True):
    """One pinned thing. `pinned` is JSON (money and whole numbers beyond 2^53 as strings); `digest` is hexadecimal.

    `author` is "Name <address>" and `commit` the revision of the latest change; empty while that is not committed.
    """

    section: Section
    name: str
    pinned: dict[str, Any]
    digest: str
    author: str = ""
    commit: str = ""

    @property
    def key(self) -> str:
        """How people name it: "prompts/triage"."""
        return f"{self.section}/{self.name}"


class Lock(Struct, frozen=True):
    """A whole lock: its id (sha256, hexadecimal) and its entries in the order of their keys."""

    lock_id: str
    entries: tuple[Entry, ...]

    def get(self, section: Section, name: str) -> Entry | None:
        """The entry of that name, if there is one."""
        return next((one for one in self.entries if (one.section, one.name) == (section, name)), None)

    def of(self, section: Section) -> dict[str, Entry]:
        """The entries of a section by their names."""
        return {one.name: one for one in self.entries if one.section == section}


class _Written(Struct, forbid_unknown_fields=True):
    digest: str
    pinned: dict[str, Any]
    author: str = ""
    commit: str = ""


class _File(Struct, forbid_unknown_fields=True):
    entries: dict[Section, dict[str, _Written]]
    lock_id: str
    version: int


class _Versioned(Struct):
    version: int = FORMAT_VERSION


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value (RFC 8785); raises `ValueError` for what it cannot carry."""
    return rfc8785.dumps(value)


def entry(section: Section, name: str, pinned: Mapping[str, Any], author: str = "", commit: str = "") -> Entry:
    """An entry with its digest; raises `ValueError` for what cannot be written, nesting deeper than 100 levels too."""
    if _is_deep(pinned):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    return Entry(section, name, dict(pinned), entry_digest(section, pinned), author, commit)


def entry_digest(section: Section, pinned: Mapping[str, Any]) -> str:
    """The sha256 of what is pinned, apart for each section."""
    return hashlib.sha256(_ENTRY_DOMAIN + section.encode() + b"\n" + canonical(dict(pinned))).hexdigest()


def lock(entries: Iterable[Entry]) -> Lock:
    """The lock of these entries, in whatever order they come."""
    ordered = tuple(sorted(entries, key=lambda one: (one.section, one.name)))
    names = [[one.section, one.name, one.digest] for one in ordered]
    return Lock(hashlib.sha256(_LOCK_DOMAIN + canonical(names)).hexdigest(), ordered)


def encode(whole: Lock) -> bytes:
    """The file's bytes: keys sorted, indented by two spaces, one line feed at the end."""
    entries: dict[str, dict[str, Any]] = {}
    for one in whole.entries:
        told = {"author": one.author, "commit": one.commit}
        entries.setdefault(one.section, {})[one.name] = {
            "digest": f"sha256:{one.digest}",
            "pinned": one.pinned,
            **{key: value for key, value in told.items() if value},
        }
    file = {"version": FORMAT_VERSION, "lock_id": f"sha256:{whole.lock_id}", "entries": entries}
    return msgspec.json.format(msgspec.json.encode(file, order="sorted"), indent=2) + b"\n"


def decode(data: bytes, path: str = FILE) -> Lock:
    """Reads what `encode` wrote. Raises `LockInvalid` for anything else, an entry that was edited by hand included.

    So for keys that stand twice, nesting deeper than 100 levels, over 64 MiB or 100,000 entries, and names that no
    project can give. One of a newer release raises its child `LockNewer`.
    """
    file = _parsed(data, path)
    try:
        json.loads(data, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as wrong:
        raise LockInvalid(path=path, detail=str(wrong)) from None
    whole = lock(_read_entry(section, name, one, path) for section, named in file.entries.items()
                 for name, one in named.items())  # fmt: skip
    if len(whole.entries) > MAX_ENTRIES:
        raise LockInvalid(path=path, detail=f"it has over {MAX_ENTRIES} entries")
    if f"sha256:{whole.lock_id}" != file.lock_id:
        raise LockInvalid(path=path, detail="its lock_id is not that of its entries")
    return whole


def decode_committed(data: bytes, path: str = FILE) -> Lock:
    """A lock out of history, many times quicker: digests and id are taken as they stand. Raises `LockInvalid`."""
    file = _parsed(data, path)
    entries = [
        Entry(section, name, one.pinned, one.digest.removeprefix(_SHA256), one.author, one.commit)
        for section, named in sorted(file.entries.items())
        for name, one in sorted(named.items())
    ]
    return Lock(file.lock_id.removeprefix(_SHA256), tuple(entries))


def _parsed(data: bytes, path: str) -> _File:
    if len(data) > MAX_BYTES:
        raise LockInvalid(path=path, detail=f"it is over {MAX_BYTES >> 20} MiB")
    if _CONFLICT.search(data):
        raise LockInvalid(path=path, detail="it holds the marks of a merge conflict")
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version > FORMAT_VERSION:
            raise LockNewer(path=path, detail=f"its version is {version}, this release knows {FORMAT_VERSION}")
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, ValueError, RecursionError) as wrong:
        raise LockInvalid(path=path, detail=str(wrong)) from None
    if file.version != FORMAT_VERSION:
        raise LockInvalid(path=path, detail=f"there never was a version {file.version}")
    return file


def read(root: Path) -> Lock | None:
    """The lock of the project in `root`, None where it has none; raises `LockInvalid`."""
    path = root / FILE
    try:
        if path.is_fifo() or path.is_char_device():
            raise LockInvalid(path=FILE, detail="it is no plain file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise LockInvalid(path=FILE, detail=f"it cannot be read ({failure.strerror})") from None
    return decode(data)


def id_of_first(places: Iterable[Path]) -> str:
    """The id of the first of these files that is a lock; empty where none is."""
    for place in places:
        with suppress(OSError, LockInvalid):
            return decode(place.read_bytes()).lock_id
    return ""


def _read_entry(section: Section, name: str, one: _Written, path: str) -> Entry:
    """An entry that is what its digest says."""
    if not _NAME.fullmatch(name):
        raise LockInvalid(path=path, detail=f"{ascii(name)[:100]} in {section} is no name of an entry")
    if not _DIGEST.fullmatch(one.digest):
        raise LockInvalid(path=path, detail=f"the digest of {section}/{name} is none")
    if not _COMMIT.fullmatch(one.commit) or len(one.author) > _MAX_AUTHOR or not one.author.isprintable():
        raise LockInvalid(path=path, detail=f"the author or commit of {section}/{name} is none")
    if _is_deep(one.pinned):
        raise LockInvalid(path=path, detail=f"{section}/{name} is nested deeper than {MAX_DEPTH} levels")
    try:
        digest = entry_digest(section, one.pinned)
    except (ValueError, RecursionError) as wrong:
        raise LockInvalid(path=path, detail=f"the entry {section}/{name} cannot be read: {wrong}") from None
    if f"sha256:{digest}" != one.digest:
        raise LockInvalid(path=path, detail=f"the entry {section}/{name} does not have the digest it bears")
    return Entry(section, name, one.pinned, digest, one.author, one.commit)


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Raises `ValueError` for an object in which a key stands twice; readers differ in which of them they take."""
    if len(pairs) > 1 and len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice in one object")


def _is_deep(value: Any) -> bool:
    """Whether a value is nested deeper than 100 levels."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
                 if isinstance(inner, (dict, list))]  # fmt: skip
        if not level:
            return False
    return True
