"""The manifests of data sets, `data/NAME.json`: read, checked against the files, and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec
from msgspec import Struct

from trimtab.declare.files import contents
from trimtab.declare.values import Wrong
from trimtab.errors import DataInvalid

FOLDER: Final = "data"
NAME: Final = re.compile(r"(?!\.)[a-z0-9._-]{1,64}")
CASES_OF: Final = re.compile(r"tasks/([a-z0-9._-]{1,64})/cases")
MANIFEST: Final = ".json"
SCHEMA: Final = ".schema.json"
ROWS: Final = ".jsonl"
MAX_MANIFEST_BYTES: Final = 1 << 20
Purpose = Literal["cases", "training", "few_shot", "other"]


class ParentRef(Struct, frozen=True, forbid_unknown_fields=True):
    """A data set that another was made from, and its digest (`sha256:...`) at that time."""

    name: str
    digest: str


class Side(Struct, frozen=True, forbid_unknown_fields=True):
    """One side of a split of another data set."""

    of: str
    side: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stands in `data/NAME.json` (docs/configuration.md); a digest is `sha256:` and 64 digits."""

    digest: str
    file: str = ""
    rows: int | None = None
    schema: str = ""
    parents: tuple[ParentRef, ...] = ()
    transform: str = ""
    licence: str = ""
    source: str = ""
    purpose: Purpose = "cases"
    source_seen: str = ""
    fresh_for: str = ""
    split: Side | None = None


class Held(Struct, frozen=True):
    """A data set of a project as it lies there: `path` is its file in the project, empty where that lies elsewhere.

    `digest` and `rows` are those of the file now; `manifest` is None for a task's `cases.jsonl`.
    """

    name: str
    path: str
    digest: str
    rows: int | None
    manifest: Manifest | None = None

    @property
    def has_rows(self) -> bool:
        """Whether it is read row by row."""
        return self.path.endswith(ROWS)

    @property
    def purpose(self) -> Purpose:
        """What it is for."""
        return self.manifest.purpose if self.manifest else "cases"


def names(root: Path) -> tuple[str, ...]:
    """The names of all data sets of the project, the cases of tasks among them, sorted."""
    manifests = (root / FOLDER).glob(f"*{MANIFEST}")
    found = [path.name.removesuffix(MANIFEST) for path in manifests if not path.name.endswith(SCHEMA)]
    cases = [f"tasks/{path.parent.name}/cases" for path in (root / "tasks").glob(f"*/cases{ROWS}")]
    return tuple(sorted([name for name in found if NAME.fullmatch(name)] + [n for n in cases if CASES_OF.fullmatch(n)]))


def held(root: Path, name: str) -> Held:
    """The data set of that name; raises `DataInvalid` where there is none or its files cannot be used."""
    manifest = None if CASES_OF.fullmatch(name) else read_manifest(root, name)
    path = f"{name}{ROWS}" if manifest is None else manifest.file
    if not path:
        return Held(name, "", manifest.digest if manifest else "", manifest.rows if manifest else None, manifest)
    try:
        found = contents(root, path)
    except Wrong as wrong:
        raise DataInvalid(name=name, detail=f"its file is {wrong.what}; {wrong.instead}") from None
    return Held(name, path, f"sha256:{found.digest}", found.rows if path.endswith(ROWS) else None, manifest)


def read_manifest(root: Path, name: str) -> Manifest:
    """The manifest of a data set; raises `DataInvalid`."""
    if not NAME.fullmatch(name):
        detail = "that is no name; use 1 to 64 of a-z 0-9 . _ -, or tasks/TASK/cases"
        raise DataInvalid(name=name, detail=detail)
    path = root / FOLDER / f"{name}{MANIFEST}"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
        found = msgspec.json.decode(data, type=Manifest) if len(data) <= MAX_MANIFEST_BYTES else None
    except FileNotFoundError:
        raise DataInvalid(name=name, detail="there is none of that name; `trimtab data show` lists them") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise DataInvalid(name=name, detail=f"{FOLDER}/{name}{MANIFEST} cannot be read ({reason})") from None
    if found is None:
        raise DataInvalid(name=name, detail=f"{FOLDER}/{name}{MANIFEST} is over {MAX_MANIFEST_BYTES} bytes")
    return found


def write_manifest(root: Path, name: str, manifest: Manifest) -> None:
    """Writes a manifest, whole or not at all."""
    ordered: dict[str, Any] = msgspec.to_builtins(manifest)
    keys = ("file", "digest", *(key for key in ordered if key not in {"file", "digest"}))
    text = msgspec.json.format(msgspec.json.encode({key: ordered[key] for key in keys if key in ordered}), indent=2)
    with written(root, f"{FOLDER}/{name}{MANIFEST}") as file:
        file.write(text + b"\n")


@contextlib.contextmanager
def written(root: Path, path: str) -> Iterator[BinaryIO]:
    """A file of the project to write: it takes its place when the block ends well, and is gone when it does not.

    Raises `DataInvalid` for a place that leads out of the project.
    """
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.parent.resolve().is_relative_to(root.resolve()):
        raise DataInvalid(name=place.stem, detail=f"{path} leads out of the project by a link")
    handle, fresh = tempfile.mkstemp(dir=place.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(fresh, place)  # noqa: PTH105  reads as what it is, an atomic exchange
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
