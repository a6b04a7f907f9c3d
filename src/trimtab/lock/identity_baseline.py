"""The baseline of a model: what it answered to the probes when it was locked, kept beside the lock.

`trimtab.baselines/SHA256.json` is canonical JSON named by its digest, which the lock's entry bears. It holds no time,
so that a model that answers the same has the same baseline.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.errors import LockInvalid
from trimtab.lock.identity_probes import FLOOR, PROBES_VERSION, Form, Reading
from trimtab.lock.lockfile import canonical

FOLDER: Final = "trimtab.baselines"
BASELINE_VERSION: Final = 1
MAX_BYTES: Final = 200_000
MAX_COLUMNS: Final = 40
"""Tokens kept of one prompt; beyond them those that were told in the fewest answers are left out."""
MAX_TEXT: Final = 160
"""Characters kept of a sampled text; the comparison looks at no more."""
DIGITS: Final = 6
FLOAT_ROUNDING: Final = 1e-4
"""Nats. What float32 arithmetic in another order or on another processor moves a log-probability by stays far below."""
TIE: Final = 1e-3
"""Nats. Where two tokens are closer than that, which one is chosen may be rounding: an exact probe ends before it."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Server(Struct, frozen=True):
    """What a server tells of itself: its version, the root of the model it serves, the longest context.

    `root` is the name of the repository that the model came from; a path on the server's disk is left out.
    """

    version: str = ""
    root: str = ""
    context_tokens: int = 0


class Exact(Struct, frozen=True):
    """An exact probe's answer as far as no tie lies in it, and how far apart `repeats` of it were, in nats."""

    prompt: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    repeats: int
    spread: float


class Row(Struct, frozen=True, array_like=True):
    """`count` answers alike: under load or not, and the log-probability of each column, None where it was not told."""

    count: int
    loaded: bool
    values: tuple[float | None, ...]


class FirstTokens(Struct, frozen=True):
    """The likeliest first tokens of the answers to one prompt."""

    prompt: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class Texts(Struct, frozen=True):
    """Sampled answers to one prompt."""

    prompt: str
    texts: tuple[str, ...]


class Baseline(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a later check compares with. `exact` is empty where the server does not answer alike under load."""

    model: str
    form: Form
    server: Server
    exact: tuple[Exact, ...] = ()
    first: tuple[FirstTokens, ...] = ()
    texts: tuple[Texts, ...] = ()
    version: int = BASELINE_VERSION
    probes: int = PROBES_VERSION


def encode(baseline: Baseline) -> bytes:
    """The file's bytes; raises `ValueError` for one over `MAX_BYTES`."""
    data = canonical(msgspec.to_builtins(baseline)) + b"\n"
    if len(data) > MAX_BYTES:
        raise ValueError(f"a baseline of {len(data)} bytes is over {MAX_BYTES}")
    return data


def digest(data: bytes) -> str:
    """The sha256 of a file's bytes, hexadecimal: its name."""
    return hashlib.sha256(data).hexdigest()


def place(root: Path, name: str) -> Path:
    """Where the baseline of that digest lies in a project; raises `LockInvalid` for what is no digest."""
    if not _DIGEST.fullmatch(name):
        raise LockInvalid(path=FOLDER, detail=f"{name[:80]!r} names no baseline")
    return root / FOLDER / f"{name}.json"


def load(root: Path, name: str) -> Baseline | None:
    """The baseline of that digest; None where its file is missing.

    Raises `LockInvalid` for a file that is not what its name says, or that this release cannot read.
    """
    data = _content(root, name)
    return None if data is None else decode(data, f"{FOLDER}/{name}.json")


def is_whole(root: Path, name: str) -> bool:
    """Whether the file is there; raises `LockInvalid` for one that is not what its name says."""
    return _content(root, name) is not None


def _content(root: Path, name: str) -> bytes | None:
    path = place(root, name)
    shown = f"{FOLDER}/{path.name}"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LockInvalid(path=shown, detail=f"it is over {MAX_BYTES} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise LockInvalid(path=shown, detail=f"it cannot be read ({failure.strerror})") from None
    if digest(data) != name:
        raise LockInvalid(path=shown, detail="it does not have the digest that it is named by")
    return data


def decode(data: bytes, shown: str = FOLDER) -> Baseline:
    """Reads what `encode` wrote; raises `LockInvalid` for anything else."""
    try:
        found = msgspec.json.decode(data, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise LockInvalid(path=shown, detail=str(wrong)) from None
    if (found.version, found.probes) != (BASELINE_VERSION, PROBES_VERSION):
        detail = f"it is of version {found.version} with probes {found.probes}; take it anew: trimtab lock --live"
        raise LockInvalid(path=shown, detail=detail)
    if any(len(row.values) != len(one.columns) for one in found.first for row in one.rows):
        raise LockInvalid(path=shown, detail="a row has not one value for each column")
    return found


def exact_of(prompt: str, readings: Sequence[Reading]) -> Exact | None:
    """What repeats of an exact probe have in common; None where they differ by more than rounding, or tell no tokens.

    The answer is kept up to its first tie. Without log-probabilities the text stands for the tokens.
    """
    first = readings[0]
    if not first.tokens:
        alike = all(one.text == first.text for one in readings)
        return Exact(prompt, (first.text[:MAX_TEXT],), (), len(readings), 0.0) if alike and first.text else None
    length = _untied(first.top)
    tokens, logprobs = first.tokens[:length], first.logprobs[:length]
    spread = 0.0
    for one in readings[1:]:
        if one.tokens[:length] != tokens:
            return None
        spread = max(spread, *(abs(a - b) for a, b in zip(logprobs, one.logprobs, strict=False)), 0.0)
    if not tokens or spread > FLOAT_ROUNDING:
        return None
    return Exact(prompt, tokens, tuple(round(one, DIGITS) for one in logprobs), len(readings), round(spread, 9))


def _untied(top: Sequence[Mapping[str, float]]) -> int:
    for place_, told in enumerate(top):
        best = sorted(told.values(), reverse=True)[:2]
        if len(best) > 1 and best[0] - best[1] < TIE:
            return place_
    return len(top)


def first_tokens_of(prompt: str, alone: Sequence[Reading], loaded: Sequence[Reading]) -> FirstTokens:
    """The first tokens of answers that came alone and under load."""
    told = [(False, one.top[0]) for one in alone if one.top] + [(True, one.top[0]) for one in loaded if one.top]
    seen = Counter(token for _, top in told for token in top)
    columns = tuple(sorted(sorted(seen), key=lambda token: -seen[token])[:MAX_COLUMNS])
    rows = Counter((under, tuple(_rounded(top.get(token)) for token in columns)) for under, top in told)
    return FirstTokens(prompt, columns, tuple(Row(count, *row) for row, count in sorted(rows.items(), key=_order)))


def answers_alike(first: FirstTokens) -> bool:
    """Whether all answers gave the same first tokens the same probabilities, alone and under load, to rounding.

    What an answer did not tell counts as its least told one, since which of two rare tokens is told may be rounding.
    """
    rows = [[least(row) if value is None else value for value in row.values] for row in first.rows]
    return all(max(column) - min(column) <= FLOAT_ROUNDING for column in zip(*rows, strict=True))


def least(row: Row) -> float:
    """The least log-probability that was told."""
    return min((value for value in row.values if value is not None), default=FLOOR)


def texts_of(prompt: str, readings: Sequence[Reading]) -> Texts:
    """Sampled answers, as far as they are compared."""
    return Texts(prompt, tuple(sorted(one.text[:MAX_TEXT] for one in readings)))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _order(item: tuple[tuple[bool, tuple[float | None, ...]], int]) -> tuple[bool, tuple[float, ...]]:
    (loaded, values), _ = item
    return loaded, tuple(float("-inf") if value is None else value for value in values)
