"""Which lock may serve in an environment: a committed file for each in the project, `promotions/ENVIRONMENT.json`.

The lock is the identical one: its id, which is the digest of all that it pins, is what moves.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.errors import LockUnwritten, PromotionRefused
from trimtab.lock.writing import write_file

FOLDER: Final = "promotions"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FORMAT_VERSION: Final = 1


class Promotion(Struct, frozen=True, forbid_unknown_fields=True):
    """A lock that may serve in `environment`. `origin` is the environment it comes from, `at` UTC (ISO 8601).

    `evaluations` are the ids of those that said ship, `rollout` that of the canary, `why` a reason where there is
    neither.
    """

    environment: str
    lock: str
    origin: str
    by: str
    at: str
    evaluations: tuple[str, ...] = ()
    rollout: str = ""
    users: int = 0
    why: str = ""
    version: int = FORMAT_VERSION


def promotion(root: Path, environment: str) -> Promotion | None:
    """What may serve in an environment; None where nothing is said of it. Raises `PromotionRefused`."""
    path = place(root, environment)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Promotion)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise PromotionRefused(
            detail=f"{path} cannot be read ({failure}); take it from version control again"
        ) from None
    if found.environment != environment or found.version != FORMAT_VERSION:
        raise PromotionRefused(detail=f"{path} is of another environment or release; write it with `trimtab promote`")
    return found


def write(root: Path, one: Promotion) -> Path:
    """Writes what may serve in its environment, whole or not at all; returns the file. Raises `PromotionRefused`."""
    path = place(root, one.environment)
    try:
        path.parent.mkdir(exist_ok=True)
        write_file(path, msgspec.json.format(msgspec.json.encode(one), indent=2) + b"\n")
    except (OSError, LockUnwritten) as failure:
        raise PromotionRefused(detail=f"{path} cannot be written ({failure}); make room or its folder") from None
    return path


def place(root: Path, environment: str) -> Path:
    """The file of an environment. Raises `PromotionRefused` for a name that cannot be one."""
    if not NAME.fullmatch(environment):
        raise PromotionRefused(
            detail=f"{environment[:80]!a} is no environment; use a-z 0-9 _ - and begin with one of a-z 0-9"
        )
    return root / FOLDER / f"{environment}.json"


def mismatch(root: Path, environment: str, lock: str) -> str:
    """Why this lock may not serve in an environment, in words; empty where it may. Raises `PromotionRefused`."""
    found = promotion(root, environment)
    if found is None:
        return f"nothing was promoted to {environment}: {FOLDER}/{environment}.json is missing"
    if found.lock != lock:
        return f"lock {found.lock[:12]} was promoted to {environment}, and {lock[:12] or 'none'} lies here"
    return ""
