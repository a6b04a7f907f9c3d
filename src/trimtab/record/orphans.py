"""What a worker that died leaves behind, put in order: files sealed, its open calls settled as abandoned.

Only the supervisor does this, and only for epochs whose process is gone.
"""

from __future__ import annotations

import os
from pathlib import Path

from trimtab.clock import Clock
from trimtab.errors import FormatError, StorageFull, StoreError
from trimtab.record import frames, packs, tail
from trimtab.record.disk import NO_ROOM, Disk
from trimtab.record.events import ABANDONED, Admitted, Attempt, Event, Settled
from trimtab.record.fileheader import HEADER_BYTES, FileKind
from trimtab.record.frames import SEAL, SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.room import reserve_path
from trimtab.record.salvage import salvage
from trimtab.record.spool import Spool
from trimtab.record.tail import Segment


def epochs(data_directory: Path) -> list[str]:
    """The epochs of which anything lies in the spool or among the bodies."""
    found = {path.name for room in ("spool", "bodies") for path in (data_directory / room).glob("*") if path.is_dir()}
    return sorted(found)


def settle_orphans(data_directory: Path, epoch: str, clock: Clock) -> int:
    """Settles the calls that a dead worker had admitted and not settled; returns how many there were.

    Cuts torn tails off its segments and packs, seals them, frees its reserve, and writes each open call's `Settled`
    with the outcome `abandoned` into a fresh segment of the epoch. Done twice it does nothing more. Raises
    `StorageFull` if there is no room for that; do it again then. Raises `FormatError` for a damaged segment, when
    everything else is done: of that segment what can be read counts.
    """
    try:
        reserve_path(data_directory, epoch).unlink(missing_ok=True)
        damage = _seal_packs(data_directory / "bodies" / epoch)
        segments = [segment for segment in tail.segments(data_directory / "spool") if segment.epoch == epoch]
        open_calls: dict[str, Admitted] = {}
        attempts: dict[str, int] = {}
        for segment in segments:
            try:
                _follow(segment, open_calls, attempts)
            except FormatError as wrong:
                damage.append(wrong)
        if segments:
            _settle(data_directory, segments[-1], open_calls, attempts, clock)
    except OSError as failure:
        if failure.errno in NO_ROOM:
            raise StorageFull(directory=data_directory) from failure
        raise StoreError(store=data_directory, detail=str(failure)) from failure
    if damage:
        raise damage[0]
    return len(open_calls)


def _follow(segment: Segment, open_calls: dict[str, Admitted], attempts: dict[str, int]) -> None:
    """Reads a segment, keeping book of calls without an end, then cuts off its torn tail and seals it.

    A damaged one is read past its damage, since an end that is whole there may be stored yet, and stays as it is; it
    raises `FormatError`.
    """
    path, end = segment.path, HEADER_BYTES
    damage: FormatError | None = None
    try:
        for end, event in tail.read(path, 0):  # noqa: B007  the end of the last whole record is asked for
            _keep_book(event, open_calls, attempts)
    except FormatError as wrong:
        damage = wrong
    is_sealed = frames.is_sealed(path)
    if damage is None and is_sealed and end == path.stat().st_size - len(SEAL):
        return
    for _, event in salvage(path, end):
        _keep_book(event, open_calls, attempts)
        damage = damage or FormatError(store=path, path=path, offset=end, detail="a record's length is wrong")
    if damage is not None:
        raise damage
    if not is_sealed:
        _seal(path, SEGMENT, end)


def _keep_book(event: Event, open_calls: dict[str, Admitted], attempts: dict[str, int]) -> None:
    match event:
        case Admitted():
            open_calls[event.call] = event
        case Attempt():
            attempts[event.call] = event.number
        case Settled():
            open_calls.pop(event.admitted.call, None)
            attempts.pop(event.admitted.call, None)


def _settle(
    data_directory: Path, last: Segment, open_calls: dict[str, Admitted], attempts: dict[str, int], clock: Clock
) -> None:
    log = RollingLog(
        data_directory / "spool" / last.epoch,
        SEGMENT,
        clock,
        Disk(),
        max_bytes=1 << 62,
        max_age_s=float("inf"),
        first_number=last.number + 1,
    )
    spool = Spool(log)
    at_ns = clock.wall_ns()
    for call, admitted in open_calls.items():
        spool.add(Settled(admitted, at_ns, ABANDONED, status=0, attempts=attempts.get(call, 0)))
    written = spool.write()
    log.close()
    if not written:
        raise StorageFull(directory=data_directory)


def _seal_packs(directory: Path) -> list[FormatError]:
    """Cuts off torn tails and seals; returns the damage that was met, which stays as it is."""
    damage: list[FormatError] = []
    for path in sorted(directory.glob(f"*{PACK.suffix}")):
        if packs.is_sealed(path):
            continue
        end = HEADER_BYTES
        try:
            for entry in packs.scan(path, 0):
                end = entry.end
        except FormatError as wrong:
            damage.append(wrong)
        else:
            _seal(path, PACK, end)
    return damage


def _seal(path: Path, kind: FileKind, end: int) -> None:
    """Cuts a file off at `end` and seals it; one that is shorter than a header holds nothing and is removed."""
    if path.stat().st_size < HEADER_BYTES:
        path.unlink()
        return
    os.truncate(path, end)
    with path.open("ab") as file:
        file.write(kind.seal)
        file.flush()
        os.fsync(file.fileno())
