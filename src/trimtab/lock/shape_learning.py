"""Learns the shape of a tool's answers from what it answers, and notices when it turns into another.

For each JSON path is counted what was seen there (absent, or its types) in how many of the answers whose object could
have held it. Something that was seen in at most `RARE` of these before (or never) and now in c of the last w answers is
drift where that has a chance of at most `ALPHA` under the old rate: the beta-binomial predictive probability of c in w
after m in n with a uniform prior. With m = 0 and c = w = k that is 1 / C(n + 1 + k, k): after 30 answers with a field,
7 in a row without it; after 100, 5; after 1,000, 3. What is rarer than that is learned without a word: the field
becomes an optional one, the type one of several. Several answers of one run within a minute count once where they show
something rare, for they are seldom independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp, lgamma
from typing import Final

from msgspec import Struct

from trimtab.contracts.shapes import Place
from trimtab.lock.shape_classes import (
    ABSENT,
    NULL,
    Known,
    LearnedShape,
    ShapeChange,
    What,
    is_field,
    parent_of,
)

ALPHA: Final = 1e-7
"""The chance of an alarm, for each path and answer, while nothing has changed."""
RARE: Final = 0.05
MIN_ANSWERS: Final = 30
"""Answers from which on a tool's shape counts as learned."""
LEAST: Final = 3
"""Answers that must show a thing before it is drift."""
WINDOW: Final = 64
WINDOWS: Final = (3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64)
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
PRESENT: Final = "present"
PARTLY: Final = "partly"
"""Some of the objects at one place have the field and some do not."""
NO_TYPES: Final = frozenset({ABSENT, PRESENT, PARTLY})


class Counts(Struct):
    """What was seen at one path. `seen` and `n` count answers before the last `size`, which `bits` hold, newest first.

    `known` is False while a path that came after learning may yet turn out to be drift.
    """

    parent: str = ""
    n: int = 0
    seen: dict[str, int] = {}
    bits: dict[str, int] = {}
    size: int = 0
    known: bool = True

    def add(self, what: Iterable[str]) -> None:
        """Takes in what one more answer showed."""
        if self.size == WINDOW:
            self._fold()
        for name in self.bits:
            self.bits[name] <<= 1
        for name in what:
            self.bits[name] = self.bits.get(name, 0) | 1
        self.size += 1

    def _fold(self) -> None:
        """Counts the oldest answer of the window among those before it."""
        oldest = 1 << (self.size - 1)
        self.size -= 1
        self.n += 1
        for name, bits in list(self.bits.items()):
            if bits & oldest:
                self.seen[name] = self.seen.get(name, 0) + 1
                self.bits[name] = bits & ~oldest
            if not self.bits[name]:
                del self.bits[name]

    @property
    def answers(self) -> int:
        """How many answers could have shown something here."""
        return self.n + self.size

    def total(self, what: str) -> int:
        """How many answers showed this."""
        return self.seen.get(what, 0) + self.bits.get(what, 0).bit_count()

    def names(self) -> set[str]:
        """All that was seen."""
        return self.seen.keys() | self.bits.keys()


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


class Evidence(Struct, frozen=True):
    """Why something is drift, in words: so many of the answers of a window showed it."""

    words: str
    again: int
    window: int


class Step(Struct, frozen=True):
    """What an answer brought: drift that began with it and drift that is over."""

    began: tuple[Open, ...] = ()
    ended: tuple[Open, ...] = ()


NOTHING: Final = Step()


def chance(seen: int, answers: int, again: int, window: int) -> float:
    """The beta-binomial predictive probability of `again` in `window` after `seen` in `answers`, uniform prior.

    Source: Gelman and others, Bayesian Data Analysis, section 2.4 (binomial model with a beta prior).
    """
    hits, misses = seen + 1, answers - seen + 1
    return exp(
        lgamma(window + 1)
        - lgamma(again + 1)
        - lgamma(window - again + 1)
        + _log_beta(hits + again, misses + window - again)
        - _log_beta(hits, misses)
    )


def _log_beta(a: int, b: int) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


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
            if maps.get(place.parent) or not _takes_up(tool, place):
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
    """Whether the names of an object's fields are data, as far as answers have shown it; then rare ones are let go.

    By Good and Turing the chance that the next answer brings a name never seen before is about the number of names
    seen once over the number of answers (Good 1953); with more than one in ten these are no names of fields.
    """
    counts = tool.paths.get(parent)
    if counts is None or counts.answers < FEW_ANSWERS:
        return False
    inner = {path: one for path, one in tool.paths.items() if one.parent == parent and is_field(path)}
    once = sum(one.total(PRESENT) == 1 for one in inner.values())
    if once < FEW_ANSWERS or once <= UNSEEN * counts.answers:
        return parent in tool.maps
    if parent not in tool.maps:
        tool.maps.append(parent)
    rare = [path for path, one in inner.items() if one.total(PRESENT) <= max(1, RARE * counts.answers)]
    if len(inner) > MAX_RARE:
        for path in rare:
            _forget(tool, path)
    return True


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
        found = _drift(path, counts, what, at_ns)
        if found is not None and path not in closed and len(tool.open) < MAX_OPEN:
            tool.open[path] = found
            closed.add(path)
            yield found
        elif not counts.known and counts.size == WINDOW:
            counts.known = True


def _drift(path: str, counts: Counts, shows: set[str], at_ns: int) -> Open | None:
    for name in [PRESENT] if not counts.known else sorted(shows - {PRESENT}):
        found = _evidence(counts, name) if name in shows else None
        if found is not None:
            what = "new" if name == PRESENT else _what(counts, name)
            before = ABSENT if name == PRESENT else _before(counts, found.window)
            after, calm = _since(counts, found.window), CALM if found.again >= OFTEN * found.window else LONG_CALM
            return Open(path, what, name, before, after, at_ns, found.words, calm, found.window)
    return None


def _evidence(counts: Counts, name: str) -> Evidence | None:
    """How unlikely what the last answers showed would be if nothing had changed; None where it is not."""
    bits = counts.bits.get(name, 0)
    if counts.seen.get(name, 0) > RARE * counts.n or bits.bit_count() < LEAST:
        return None
    for window in WINDOWS:
        again = (bits & ((1 << window) - 1)).bit_count()
        seen, answers = counts.total(name) - again, counts.answers - window
        if window > counts.size or answers < MIN_ANSWERS - LEAST:
            return None
        if again < LEAST or seen > RARE * answers:
            continue
        likely = chance(seen, answers, again, window)
        if likely <= (ALPHA if seen == 0 else ALPHA / 100):
            shown = {ABSENT: "missing", PRESENT: "there"}.get(name, name)
            words = f"{shown} in {again} of the last {window} answers, in {seen} of {answers} before: p = {likely:.0e}"
            return Evidence(words, again, window)
    return None


def _what(counts: Counts, name: str) -> What:
    if name == NULL:
        return "null"
    if name == PARTLY or (name == ABSENT and counts.bits.get(PRESENT, 0) & ((1 << LEAST) - 1)):
        return "optional"
    return "lost" if name == ABSENT else "retyped"


def _before(counts: Counts, window: int) -> str:
    """The types that were usual before the last answers."""
    answers = max(1, counts.answers - window)
    usual = {name for name in counts.names() if _earlier(counts, name, window) > RARE * answers}
    types = usual - NO_TYPES or counts.names() - NO_TYPES
    return str(Known(frozenset(types), not usual & {ABSENT, PARTLY}))


def _earlier(counts: Counts, name: str, window: int) -> int:
    return counts.total(name) - (counts.bits.get(name, 0) & ((1 << window) - 1)).bit_count()


def _since(counts: Counts, answers: int) -> str:
    """What the last answers showed."""
    known = _known_since(counts, answers)
    return str(known) if known.types else ABSENT


def _known_since(counts: Counts, answers: int) -> Known:
    shown = {name for name, bits in counts.bits.items() if bits & ((1 << answers) - 1)}
    return Known(frozenset(shown - NO_TYPES), not shown & {ABSENT, PARTLY})


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
        if (counts.parent and counts.parent not in kept) or (drift is None and not counts.known):
            continue
        if drift is not None:
            known = _known_since(counts, drift.answers)
        else:
            missing = counts.total(ABSENT) + counts.total(PARTLY)
            known = Known(frozenset(counts.names() - NO_TYPES), not missing)
        if known.types and not (drift is not None and drift.what == "lost"):
            kept[path] = known
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
    return tool
