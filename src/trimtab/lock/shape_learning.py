"""Learns the shape of a tool's answers from what it answers, and notices when it turns into another.

For each JSON path is counted what was seen there (absent, or its types) in how many of the answers whose object could
have held it; `shape_counts` says when that is drift. What is rarer is learned without a word: the field becomes an
optional one, the type one of several. Several answers of one run within a minute count once where they show something
rare, for they are seldom independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from trimtab.contracts.shapes import Place
from trimtab.lock.shape_classes import ABSENT, Known, LearnedShape, ShapeChange, What, is_field, parent_of
from trimtab.lock.shape_counts import (
    MIN_ANSWERS,
    NO_TYPES,
    PARTLY,
    PRESENT,
    RARE,
    WINDOW,
    Counts,
    evidence,
    known_since,
    shown_before,
    shown_since,
    what_of,
)

CALM: Final = 8
"""Answers in a row without it after which a drift is over that most answers showed; one that fewer did takes
`LONG_CALM`."""
LONG_CALM: Final = 48
OFTEN: Final = 0.6
FEW_ANSWERS: Final = 8
UNSEEN: Final = 0.1
MAX_RARE: Final = 64
MAX_PATHS: Final = 512
MAX_OPEN: Final = 64
SAME_RUN_NS: Final = 60 * 10**9


class Open(Struct):
    """A drift that lasts: what is shown at which path, what it was before, and since when.

    `answers` is how many have been since it began to show. It is over after `calm` in a row that do not show it.
    """

    path: str
    what: What
    shows: str
    before: str
    after: str
    since_ns: int
    evidence: str
    calm: int
    answers: int

    @property
    def change(self) -> ShapeChange:
        """It in words."""
        return ShapeChange(self.path, self.what, self.before, self.after)


class ToolShape(Struct):
    """What is known of one tool: changes with each answer. `locked` is the digest of the locked shape it began with."""

    answers: int = 0
    errors: int = 0
    since_ns: int = 0
    last_ns: int = 0
    last_run: str = ""
    locked: str = ""
    left_out: int = 0
    maps: list[str] = []
    paths: dict[str, Counts] = {}
    open: dict[str, Open] = {}

    @property
    def learned(self) -> bool:
        """Whether enough answers were seen to notice drift."""
        return self.answers >= MIN_ANSWERS


class Step(Struct, frozen=True):
    """What an answer brought: drift that began with it and drift that is over."""

    began: tuple[Open, ...] = ()
    ended: tuple[Open, ...] = ()


NOTHING: Final = Step()


def observe(tool: ToolShape, answer: Mapping[str, Place], at_ns: int, run: str = "") -> Step:
    """Takes in one answer's places by their paths; errors of the tool are no answers."""
    if tool.learned and _of_same_run(tool, run, at_ns) and _shows_rare(tool, answer):
        return NOTHING
    tool.last_ns, tool.last_run = at_ns, run
    tool.since_ns = tool.since_ns or at_ns
    shown = _shown(tool, answer)
    for path, what in shown.items():
        tool.paths[path].add(what)
    tool.answers += 1
    if not tool.learned:
        return NOTHING
    ended = tuple(_ended(tool, shown))
    return Step(tuple(_begun(tool, shown, at_ns)), ended)


def _of_same_run(tool: ToolShape, run: str, at_ns: int) -> bool:
    return bool(run) and run == tool.last_run and 0 <= at_ns - tool.last_ns < SAME_RUN_NS


def _shows_rare(tool: ToolShape, answer: Mapping[str, Place]) -> bool:
    """Whether an answer differs from nearly all before it."""
    for path, place in answer.items():
        counts = tool.paths.get(path)
        if counts is None or any(counts.total(name) <= RARE * counts.answers for name in _names(place)):
            return True
    return any(
        counts.total(ABSENT) <= RARE * counts.answers
        for path, counts in tool.paths.items()
        if is_field(path) and path not in answer and _could_hold(answer, counts.parent)
    )


def _shown(tool: ToolShape, answer: Mapping[str, Place]) -> dict[str, set[str]]:
    """What the answer shows at each path that it says something of; new paths are taken up, if there is room."""
    shown: dict[str, set[str]] = {}
    maps: dict[str, bool] = {}
    for path, place in answer.items():
        if place.parent and place.parent not in shown:
            continue
        if path not in tool.paths:
            if place.is_field and place.parent not in maps:
                maps[place.parent] = _is_map(tool, place.parent)
            if maps.get(place.parent):
                _make_room(tool, place.parent, answer)
            if not _takes_up(tool, place):
                continue
        shown[path] = _names(place)
    for path, counts in tool.paths.items():
        if path not in answer and is_field(path) and counts.parent in shown and _could_hold(answer, counts.parent):
            shown[path] = {ABSENT}
    return shown


def _takes_up(tool: ToolShape, place: Place) -> bool:
    """Begins to count at a path, which was absent before; False where there is no room."""
    if len(tool.paths) >= MAX_PATHS:
        tool.left_out += 1
        return False
    parent = tool.paths.get(place.parent)
    before = parent.total("object") if place.is_field and parent is not None else 0
    seen = {ABSENT: before} if before else {}
    known = not (tool.learned and place.is_field)
    tool.paths[place.path] = Counts(place.parent, n=before, seen=seen, known=known)
    return True


def _is_map(tool: ToolShape, parent: str) -> bool:
    """Whether the names of an object's fields are data, as far as answers have shown it; it stays so.

    By Good and Turing the chance that the next answer brings a name never seen before is about the number of names
    seen once over the number of answers (Good 1953); with more than one in ten these are no names of fields.
    """
    counts = tool.paths.get(parent)
    if parent in tool.maps or counts is None or counts.answers < FEW_ANSWERS:
        return parent in tool.maps
    once = sum(one.total(PRESENT) == 1 for one in _fields(tool, parent).values())
    if once < FEW_ANSWERS or once <= UNSEEN * counts.answers:
        return False
    tool.maps.append(parent)
    return True


def _fields(tool: ToolShape, parent: str) -> dict[str, Counts]:
    return {path: one for path, one in tool.paths.items() if one.parent == parent and is_field(path)}


def _is_rare(counts: Counts) -> bool:
    """Whether a field is in few of the objects that could have it."""
    return counts.total(PRESENT) <= max(1, RARE * counts.answers)


def _make_room(tool: ToolShape, parent: str, answer: Mapping[str, Place]) -> None:
    """Lets go of the rare names in a map, those that were seen once first, if there are many."""
    for most in (1, 1 << 62):
        rare = {path: one for path, one in _fields(tool, parent).items() if _is_rare(one)}
        if len(rare) < MAX_RARE:
            return
        for path, one in rare.items():
            if path not in answer and one.total(PRESENT) <= most:
                _forget(tool, path)


def _forget(tool: ToolShape, path: str) -> None:
    """Lets go of a path and of all that lies in it."""
    tool.open.pop(path, None)
    tool.paths.pop(path, None)
    for inner in [one for one, counts in tool.paths.items() if counts.parent == path]:
        _forget(tool, inner)


def _could_hold(answer: Mapping[str, Place], path: str) -> bool:
    """Whether the answer had an object at this path, and all of it was looked at."""
    parent = answer.get(path)
    return parent is not None and "object" in parent.types and not parent.open


def _names(place: Place) -> set[str]:
    """What one place shows."""
    found = {*place.types, PRESENT} if place.is_field else set(place.types)
    return found if place.always else found | {PARTLY}


def _begun(tool: ToolShape, shown: Mapping[str, set[str]], at_ns: int) -> Iterable[Open]:
    """The drift that this answer has made certain."""
    closed: set[str] = {one.path for one in tool.open.values()}
    for path, what in shown.items():
        counts = tool.paths[path]
        if counts.parent in closed:
            closed.add(path)
            continue
        found = None if _is_news_of_a_map(tool, counts) else _drift(path, counts, what, at_ns)
        if found is not None and path not in closed and len(tool.open) < MAX_OPEN:
            tool.open[path] = found
            closed.add(path)
            yield found
        elif not counts.known and counts.size == WINDOW:
            counts.known = True


def _is_news_of_a_map(tool: ToolShape, counts: Counts) -> bool:
    """Whether a name came new to a map, where only one that is in every answer is a field."""
    in_a_row = (1 << CALM) - 1
    return not counts.known and counts.parent in tool.maps and counts.bits.get(PRESENT, 0) & in_a_row != in_a_row


def _drift(path: str, counts: Counts, shows: set[str], at_ns: int) -> Open | None:
    for name in [PRESENT] if not counts.known else sorted(shows - {PRESENT}):
        found = evidence(counts, name) if name in shows else None
        if found is not None:
            what = "new" if name == PRESENT else what_of(counts, name)
            before = ABSENT if name == PRESENT else shown_before(counts, found.window)
            after, calm = shown_since(counts, found.window), CALM if found.again >= OFTEN * found.window else LONG_CALM
            return Open(path, what, name, before, after, at_ns, found.words, calm, found.window)
    return None


def _ended(tool: ToolShape, shown: Mapping[str, set[str]]) -> Iterable[Open]:
    """The drift that the last answers do not show any more."""
    for path, drift in list(tool.open.items()):
        counts = tool.paths.get(path)
        if counts is None or path not in shown:
            continue
        drift.answers += 1
        if drift.shows in shown[path]:
            continue
        if counts.size >= drift.calm and not counts.bits.get(drift.shows, 0) & ((1 << drift.calm) - 1):
            del tool.open[path]
            yield drift


def learned_shape(tool: ToolShape) -> LearnedShape:
    """What the tool's answers look like now: what drift that lasts has shown is taken for the shape."""
    kept: dict[str, Known] = {}
    for path, counts in tool.paths.items():
        drift = tool.open.get(path)
        if counts.parent and counts.parent not in kept:
            continue
        if drift is not None:
            known = known_since(counts, drift.answers)
            if known.types and drift.what != "lost":
                kept[path] = known
        elif counts.parent in tool.maps and is_field(path) and (_is_rare(counts) or not counts.known):
            entry = f"{counts.parent}.*"
            types = counts.names() - NO_TYPES
            kept[entry] = Known(frozenset(types) | (kept[entry].types if entry in kept else frozenset()))
        elif counts.known and (types := counts.names() - NO_TYPES):
            kept[path] = Known(frozenset(types), not counts.total(ABSENT) and not counts.total(PARTLY))
    return LearnedShape(tool.answers, kept)


def accept(tool: ToolShape) -> None:
    """Takes the drift that lasts for the shape from now on."""
    for path, drift in list(tool.open.items()):
        if drift.what == "lost":
            _forget(tool, path)
            continue
        counts, size = tool.paths[path], min(drift.answers, tool.paths[path].size)
        bits = {name: kept for name, held in counts.bits.items() if (kept := held & ((1 << size) - 1))}
        tool.paths[path] = Counts(counts.parent, bits=bits, size=size)
    tool.open.clear()


def from_locked(locked: LearnedShape, digest: str) -> ToolShape:
    """What a locked shape says was seen: an optional field in half of the answers."""
    tool = ToolShape(answers=locked.answers, locked=digest)
    for path, known in locked.paths.items():
        n = locked.answers
        there = n if known.always else n // 2
        seen = dict.fromkeys([*known.types, *([PRESENT] if is_field(path) else [])], there)
        tool.paths[path] = Counts(parent_of(path), n=n, seen=seen if known.always else {**seen, ABSENT: n - there})
    tool.maps = sorted({parent_of(path) for path in locked.paths if path.endswith(".*")})
    return tool
