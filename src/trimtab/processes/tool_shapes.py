"""Learns the shapes of tools' answers from the records that control takes in, and tells when one becomes another.

Of one tool at most `AT_ONCE` answers of a batch are looked at, evenly spread; of more than `MAX_TOOLS` tools those that
answered last are known. What was learned is kept in `state.db`, each batch once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.contracts.shapes import Place, parse, places
from trimtab.errors import LockInvalid
from trimtab.journal.tool_shapes import Kept, ToolShapeStore
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock
from trimtab.lock.shape_classes import Class, LearnedShape, read_pinned
from trimtab.lock.shape_learning import Open, ToolShape, accept, from_locked, learned_shape, observe
from trimtab.processes.changes import Changes
from trimtab.processes.logs import event
from trimtab.record.events import Settled
from trimtab.record.purposes import is_ours
from trimtab.store.telemetry import Batch

KIND: Final = "tool_shape"
MAX_TOOLS: Final = 200
AT_ONCE: Final = 64
MAX_TOLD: Final = 10
"""Paths of one change that are told; how many more there are is said."""

log = logging.getLogger("trimtab.control")

ReadLock = Callable[[], Lock | None]


class Drifting(Struct, frozen=True, rename={"class_": "class"}):
    """A tool that drifts, since when (ns since 1970), and how: `words` tells it, `path` is where in its answers."""

    tool: str
    kind: str
    class_: Class
    path: str
    words: str
    since_ns: int


class Answer(NamedTuple):
    """A tool's answer as it is learned from."""

    shape: str
    at_ns: int
    run: str


def encode(tool: ToolShape) -> bytes:
    """What is known of a tool, as it is kept."""
    return msgspec.msgpack.encode(tool)


def decode(kept: bytes) -> ToolShape | None:
    """Reads what `encode` wrote; None for what another release has written, which is learned anew."""
    try:
        return msgspec.msgpack.decode(kept, type=ToolShape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=2048)
def answer_places(shape: str) -> Mapping[str, Place]:
    """The places of a shape by their paths; empty for what is no shape."""
    try:
        return MappingProxyType({place.path: place for place in places(parse(shape))})
    except ValueError:
        return MappingProxyType({})


class ToolShapes:
    """What is known of all tools. `keep` runs in the thread of telemetry; `drifting` may be read from any."""

    def __init__(self, store: ToolShapeStore, lock: ReadLock, changes: Changes) -> None:
        self.drifting: tuple[Drifting, ...] = ()
        self._store = store
        self._lock = lock
        self._changes = changes
        self._lock_trouble = ""
        self._doubtful = False  # whether what is in memory may be more than what is kept
        self._pins: tuple[str, Mapping[str, tuple[str, LearnedShape]]] = ("", {})
        self._tools = self._kept()
        self._told()

    def keep(self, batch: Batch, token: str) -> None:
        """Takes a batch in once, however often it comes under the token that came last."""
        answers = _answers(batch)
        errors = Counter(one.tool for call in _users(batch) for one in call.tool_results if one.error and one.tool)
        if not (answers or errors) or self._store.taken() == token:
            return
        if self._doubtful:
            self._tools = self._kept()
        self._doubtful = True
        pinned = self._pinned()
        kept: dict[str, Kept] = {}
        for name in sorted(answers.keys() | errors.keys()):
            tool = self._tool(name, pinned.get(name))
            tool.errors += errors[name]
            self._learn(name, tool, answers.get(name, ()))
            kept[name] = Kept(tool.last_ns, encode(tool))
        self._store.keep(token, kept, self._bound())
        self._doubtful = False
        self._told()

    def _kept(self) -> dict[str, ToolShape]:
        return {name: tool for name, kept in self._store.all().items() if (tool := decode(kept)) is not None}

    def _learn(self, name: str, tool: ToolShape, answers: Sequence[Answer]) -> None:
        began: list[Open] = []
        ended: list[Open] = []
        step = max(1.0, len(answers) / AT_ONCE)
        for place in range(min(len(answers), AT_ONCE)):
            answer = answers[int(place * step)]
            seen = answer_places(answer.shape)
            if seen:
                brought = observe(tool, seen, answer.at_ns, answer.run)
                began += brought.began
                ended += brought.ended
        self._note(name, began)
        self._note_end(name, ended)

    def _tool(self, name: str, pinned: tuple[str, LearnedShape] | None) -> ToolShape:
        """What is known of a tool; a shape that was locked anew is the truth from then on."""
        tool = self._tools.get(name) or ToolShape()
        if pinned is not None and tool.locked != pinned[0]:
            digest, locked = pinned
            if learned_shape(tool).paths == locked.paths:
                accept(tool)
                tool.locked = digest
            else:
                tool = from_locked(locked, digest)
        self._tools[name] = tool
        return tool

    def _pinned(self) -> Mapping[str, tuple[str, LearnedShape]]:
        """The locked shapes, each with a digest; a lock that cannot be read pins none, which is said once."""
        trouble = ""
        try:
            whole = self._lock()
            if whole is None:
                self._pins = ("", {})
            elif whole.lock_id != self._pins[0]:
                self._pins = (whole.lock_id, locked_shapes(whole))
        except LockInvalid as wrong:
            trouble, self._pins = str(wrong), ("", {})
        if trouble and trouble != self._lock_trouble:
            event(log, logging.WARNING, "tool_shapes_not_locked", detail=trouble)
        self._lock_trouble = trouble
        return self._pins[1]

    def _bound(self) -> list[str]:
        """Lets go of the tools that answered longest ago, if there are too many; their names."""
        gone = sorted(self._tools, key=lambda name: self._tools[name].last_ns)[: max(0, len(self._tools) - MAX_TOOLS)]
        for name in gone:
            del self._tools[name]
        return gone

    def _note(self, name: str, began: Sequence[Open]) -> None:
        for class_ in ("major", "minor"):
            found = [one for one in began if one.change.class_ == class_]
            if not found:
                continue
            detail = f"{class_}: " + _listed(f"{one.change}; {one.evidence}" for one in found)
            before = _listed(f"{one.path}: {one.before}" for one in found)
            after = _listed(f"{one.path}: {one.after}" for one in found)
            event(log, logging.WARNING, KIND, tool=name, change=class_, detail=detail)
            self._changes.note(KIND, name, detail, before=before, after=after, by="control")

    def _note_end(self, name: str, ended: Sequence[Open]) -> None:
        if not ended:
            return
        detail = "over: " + _listed(f"{one.path} is again what it was ({one.before})" for one in ended)
        before = _listed(f"{one.path}: {one.after}" for one in ended)
        after = _listed(f"{one.path}: {one.before}" for one in ended)
        event(log, logging.INFO, "tool_shape_over", tool=name, detail=detail)
        self._changes.note(KIND, name, detail, before=before, after=after, by="control")

    def _told(self) -> None:
        self.drifting = tuple(found for name in sorted(self._tools) for found in drifting(name, self._tools[name]))

    def close(self) -> None:
        """Lets go of the store."""
        self._store.close()

    def __repr__(self) -> str:
        return f"ToolShapes({len(self._tools)} tools, {len(self.drifting)} drifting)"


def drifting(name: str, tool: ToolShape) -> Iterable[Drifting]:
    """How a tool drifts, in the order of its paths."""
    for path, one in sorted(tool.open.items()):
        yield Drifting(name, KIND, one.change.class_, path, f"{one.change}; {one.evidence}", one.since_ns)


def locked_shapes(whole: Lock) -> dict[str, tuple[str, LearnedShape]]:
    """The shapes that a lock pins, by tool, each with a digest; raises `LockInvalid` for one that is none."""
    found = {}
    for name, one in whole.of("tools").items():
        pinned: Any = (one.pinned.get("learned") or {}).get("shape")
        if pinned is None:
            continue
        try:
            found[name] = (lockfile.entry_digest("tools", {"shape": pinned}), read_pinned(pinned))
        except ValueError as wrong:
            raise LockInvalid(path=lockfile.FILE, detail=f"the shape of {one.key} is wrong: {wrong}") from None
    return found


def _answers(batch: Batch) -> dict[str, list[Answer]]:
    """The answers of a batch that have a shape, by tool, in the order of their calls."""
    found: dict[str, list[Answer]] = {}
    for call in _users(batch):
        for one in call.tool_results:
            if one.tool and one.shape and not one.error:
                found.setdefault(one.tool, []).append(Answer(one.shape, call.at_ns, call.admitted.run))
    return found


def _users(batch: Batch) -> list[Settled]:
    """The calls of a batch that users made: cases of evaluations bring answers that no tool gave today, and copies of
    calls (a shadow's) those that their calls brought already.
    """
    return [call for call in batch.calls if not is_ours(call.admitted.task)]


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    more = f"; and {len(found) - MAX_TOLD} more" if len(found) > MAX_TOLD else ""
    return "; ".join(found[:MAX_TOLD]) + more
