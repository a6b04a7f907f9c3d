"""The declaration in force: read, compiled and published once by the supervisor, for all processes of the host."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.errors import DeclarationError
from trimtab.gateway.upstreams.auth import missing_extras
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.publish import publish
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.roster import write_json

Kind = Literal["same", "switched", "refused", "needs_restart"]


class Refusal(Struct, frozen=True):
    """An edit that could not be used, and why; `at_ns` is nanoseconds since 1970."""

    at_ns: int
    mistakes: tuple[str, ...]


class Standing(Struct, frozen=True):
    """`run/declaration.json`: what is in force since when, and what was not taken of the latest edit."""

    digest: str
    since_ns: int
    refused: Refusal | None = None
    needs_restart: tuple[str, ...] = ()


class Renewal(NamedTuple):
    """What reading the declaration again led to; `lines` are the mistakes or the settings that need a restart."""

    kind: Kind
    before: str
    after: str
    lines: tuple[str, ...] = ()


class InForce:
    """Holds the project and snapshot in force; `renew` takes an edit whole or not at all."""

    def __init__(self, project: Project, run: Path, standing_path: Path, clock: Clock) -> None:
        """Compiles and publishes a project that has been read; raises `DeclarationError` and `StoreError`."""
        self._run = run
        self._standing_path = standing_path
        self._clock = clock
        self._put(project, _compiled(project))

    def _put(self, project: Project, snapshot: Snapshot) -> None:
        self.path = publish(self._run, snapshot)
        self.project = project
        self.snapshot = snapshot
        self._stand(Standing(snapshot.digest, self._clock.wall_ns()))

    def renew(self) -> Renewal:
        """Reads the declaration again and puts it in force unless it has mistakes or wants a restart.

        Raises `StoreError` when it cannot be published.
        """
        before = self.snapshot.digest
        try:
            project = load(Path(self.project.root))
            snapshot = _compiled(project)
        except DeclarationError as wrong:
            self._stand(self._standing(refused=Refusal(self._clock.wall_ns(), wrong.mistakes)))
            return Renewal("refused", before, before, wrong.mistakes)
        lines = restart_needed(self.project, project)
        if lines:
            self._stand(self._standing(needs_restart=lines))
            return Renewal("needs_restart", before, snapshot.digest, lines)
        if snapshot.digest == before:
            self._stand(self._standing())
            return Renewal("same", before, before)
        self._put(project, snapshot)
        return Renewal("switched", before, snapshot.digest)

    def _standing(self, refused: Refusal | None = None, needs_restart: tuple[str, ...] = ()) -> Standing:
        return Standing(self.standing.digest, self.standing.since_ns, refused, needs_restart)

    def _stand(self, standing: Standing) -> None:
        self.standing = standing
        write_json(self._standing_path, msgspec.json.encode(standing))

    def __repr__(self) -> str:
        refused = ", an edit was refused" if self.standing.refused else ""
        restart = ", an edit needs a restart" if self.standing.needs_restart else ""
        return f"InForce({self.standing.digest[:12]}{refused}{restart})"


def _compiled(project: Project) -> Snapshot:
    """The snapshot of a project that can be served here; raises `DeclarationError`."""
    missing = missing_extras(project.models)
    if missing:
        raise DeclarationError(project.root, missing)
    return compile_policy(project)


def restart_needed(before: Project, after: Project) -> tuple[str, ...]:
    """The settings that differ and are fixed when `trimtab up` starts, as lines for people."""
    pairs = [
        ("[gateway] listen", before.gateway.listen, after.gateway.listen),
        ("[gateway] workers", before.gateway.workers, after.gateway.workers),
        ("[gateway] keys", before.gateway.keys, after.gateway.keys),
        ("[control]", before.control, after.control),
        ("[data]", before.data, after.data),
    ]
    return tuple(f"{name}: {_differing(old, new)}" for name, old, new in pairs if old != new)


def _differing(old: object, new: object) -> str:
    if not isinstance(old, Struct) or not isinstance(new, Struct):
        return f"{old} -> {new}"
    pairs = ((field, getattr(old, field), getattr(new, field)) for field in old.__struct_fields__)
    return ", ".join(f"{field} {_shown(was)} -> {_shown(will)}" for field, was, will in pairs if was != will)


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
