"""The bytes of data sets under their digests, in the data directory: each digest is written once and never changed.

Plain files: the packs of bodies are deleted with the calls that refer to them, and these are to outlive every call.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from trimtab.errors import DataInvalid, DataNotTaken

FOLDER: Final = "data"
"""Where the store lies in the data directory."""
PIECE: Final = 1 << 20


class Snapshots:
    """The store in a folder, which is made when it is first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"Snapshots({self._folder})"

    def place(self, digest: str) -> Path:
        """Where the bytes of a digest lie, whether they are there or not."""
        bare = digest.removeprefix("sha256:")
        return self._folder / bare[:2] / bare

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are kept."""
        return self.place(digest).is_file()

    def keep(self, name: str, source: Path) -> tuple[str, bool]:
        """Keeps the bytes of a file; their digest (`sha256:...`), and whether they were not there before."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as out, source.open("rb") as file:
                digest = _copy(file, out)
                out.flush()
                os.fchmod(out.fileno(), 0o400)
                os.fsync(out.fileno())
            place = self.place(digest)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                os.link(fresh, place)
            except FileExistsError:
                return f"sha256:{digest}", False
        except OSError as failure:
            raise DataInvalid(name=name, detail=f"its bytes cannot be kept ({failure.strerror})") from failure
        finally:
            Path(fresh).unlink(missing_ok=True)
        return f"sha256:{digest}", True

    def restore(self, name: str, digest: str, target: Path) -> str:
        """Writes the bytes of a digest, or of the only one that begins so, to a file that is not there yet.

        Returns the whole digest. Raises `DataNotTaken`, and leaves nothing behind, where that cannot be done.
        """
        whole = self._whole(name, digest)
        try:
            with target.open("xb") as out, self.place(whole).open("rb") as file:
                found = _copy(file, out)
        except FileExistsError:
            raise DataNotTaken(name=name, detail=f"{target} is there already", instead="name another file") from None
        except OSError as failure:
            reason = f"{target} cannot be written ({failure.strerror})"
            raise DataNotTaken(name=name, detail=reason, instead="name another file") from None
        if found != whole:
            target.unlink()
            detail = f"what is kept under {whole} has other bytes now"
            raise DataNotTaken(name=name, detail=detail, instead="look after the disk and take the data from elsewhere")
        return f"sha256:{whole}"

    def _whole(self, name: str, digest: str) -> str:
        bare = digest.removeprefix("sha256:")
        is_one = 8 <= len(bare) <= 64 and set(bare) <= set("0123456789abcdef")
        found = [path.name for path in (self._folder / bare[:2]).glob(f"{bare}*")] if is_one else []
        if len(found) != 1:
            detail = f"{len(found)} digests begin with {bare[:64]!r}" if is_one else f"{bare[:64]!r} is no digest"
            raise DataNotTaken(name=name, detail=detail, instead="`trimtab data show NAME` tells which are kept")
        return found[0]


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    digest = sha256()
    while piece := source.read(PIECE):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()
