"""A candidate that is served beside the snapshot in force, to a part of the calls: published like it, one at a time.

Control writes it and gateway workers read it. The candidate's snapshot lies beside it under its own digest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.errors import FormatError
from trimtab.policy.compile import digest
from trimtab.policy.publish import put, read_snapshot, taken, taken_away
from trimtab.policy.snapshot import Snapshot, TaskPolicy, encode

FILE: Final = "rollout.mp"
FORMAT_VERSION: Final = 1
LIVE: Final = frozenset({"running", "promoted"})
MOST_SHARE: Final = {"canary": 0.5, "shadow": 1.0}
"""Of a canary no more than half, so that there are as many calls to compare with."""
MOST_EXPOSED: Final = 100_000
Kind = Literal["canary", "shadow"]
State = Literal["running", "promoted", "in_force", "stopped", "rolled_back", "ended"]
"""`in_force` is what was promoted and serves all calls by now; `ended` was overtaken by another declaration."""


class Rollout(Struct, frozen=True):
    """One rollout. `snapshot` and `lock` are the candidate's, `base_snapshot` and `base_lock` those in force beside it.

    `share` (0 to 1) of the users of `tasks` get the candidate, drawn with `salt`; never more than `exposed` of them
    before somebody decides. `margin` is how much worse a rate may be, 0.02 for two points, and `alpha` how probable it
    may be that a candidate is rolled back though it is no worse than that. `evaluations` are the ids of those that said
    ship; `without` is the reason why there are none. `why` says how it ended. Times are ns since 1970.
    """

    id: str
    kind: Kind
    state: State
    snapshot: str
    lock: str
    base_snapshot: str
    base_lock: str
    share: float
    salt: str
    exposed: int
    tasks: tuple[str, ...]
    source: str
    began_ns: int
    margin: float = 0.02
    alpha: float = 0.05
    evaluations: tuple[str, ...] = ()
    without: str = ""
    by: str = ""
    ended_ns: int = 0
    why: str = ""
    version: int = FORMAT_VERSION

    @property
    def is_live(self) -> bool:
        """Whether calls still go to the candidate."""
        return self.state in LIVE


def publish(run: Path, rollout: Rollout) -> None:
    """Writes the rollout into the directory `run`, in place of the last. Raises `StoreError`."""
    put(run / FILE, msgspec.msgpack.encode(rollout))


def withdraw(run: Path) -> None:
    """Takes the rollout away, which needs no room on the disk: workers serve none then. Raises `StoreError`."""
    taken_away(run / FILE)


def read(run: Path) -> Rollout | None:
    """The rollout that was published last, whatever became of it. Raises `StoreError` and `FormatError`."""
    path = run / FILE
    data = taken(path)
    if data is None:
        return None
    try:
        found = msgspec.msgpack.decode(data, type=Rollout)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise FormatError(path=str(path), offset=0, detail=str(wrong)) from wrong
    if found.version != FORMAT_VERSION:
        detail = f"version {found.version}, this release reads {FORMAT_VERSION}"
        raise FormatError(path=str(path), offset=0, detail=detail)
    return found


def publish_candidate(run: Path, snapshot: Snapshot) -> None:
    """Writes a candidate's snapshot under its digest into the directory `run`. Raises `StoreError`."""
    put(run / candidate_name(snapshot.digest), encode(snapshot))


def load_candidate(run: Path, wanted: str) -> Snapshot:
    """A candidate's snapshot by its digest. Raises `StoreError` where there is none, and `FormatError`."""
    return read_snapshot(run / candidate_name(wanted))


def candidate_name(wanted: str) -> str:
    """The file of a candidate's snapshot."""
    return f"rollout-{wanted[:12]}.mp"


def exposure_name(rollout: str) -> str:
    """The file in which workers count whom a rollout reached."""
    return f"rollout-{rollout}.exposed"


def beside(candidate: Snapshot, in_force: Snapshot) -> Snapshot:
    """A candidate as it is served beside another snapshot: how calls come in and who they belong to stays as it is."""
    made = replace(
        candidate,
        environment=in_force.environment,
        gateway=in_force.gateway,
        keys_required=in_force.keys_required,
        task_of_key=in_force.task_of_key,
        task_of_system_prompt=in_force.task_of_system_prompt,
    )
    return replace(made, digest=digest(made))


def touched(candidate: Snapshot, in_force: Snapshot) -> tuple[str, ...]:
    """The tasks of both that would be served otherwise: their own policy differs, or a model that they use."""
    both = sorted(candidate.tasks.keys() & in_force.tasks.keys())
    return tuple(name for name in both if _served(candidate, name) != _served(in_force, name))


def _served(snapshot: Snapshot, name: str) -> tuple[TaskPolicy, list[object]]:
    task = snapshot.tasks[name]
    return task, [snapshot.models.get(model) for model in task.models]


def unit_of(conversation: str, end_user: str, call: str) -> str:
    """Whom a call counts for: its conversation, else its end user, else itself."""
    return f"c:{conversation}" if conversation else f"u:{end_user}" if end_user else f"i:{call}"


def place(salt: str, unit: str) -> int:
    """Where a unit lies among all, evenly spread over 1 to 2^64 - 1, other for each salt (BLAKE2b)."""
    drawn = hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()[:64])
    return int.from_bytes(drawn.digest(), "big") or 1


def below(share: float) -> int:
    """Units whose place is below this are a share of all."""
    return int(share * 2**64)
