"""Two runs side by side: which steps are the same, and the first that is not in a way that matters.

Steps are the same by label, digest of the request and occurrence, wherever they stand; those left over are paired with
what has the same label in the same branch. Time, money, retries and the order of parallel steps do not matter. What a
step was asked, what it answered, what checks and people said of it does, and in a branch with a name the order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from trimtab.journal.difference import Difference, differences
from trimtab.journal.entries import Body, State
from trimtab.journal.steps import Log, Step

MOST_READ: Final = 2_000
"""Pairs of answers whose bytes are compared; of more, unequal digests count as different."""

How = Literal["same", "moved", "request", "outcome", "answer", "check", "review", "state", "left", "right"]
"""`left` and `right` are steps that only one run has; `request` pairs two that asked for something else."""
Reads = Callable[[Step], bytes | None]
"""What a step asked or answered, in a form in which only what matters differs; None where it is not kept."""
SAME: Final = frozenset({"same"})


class Pair(Struct, frozen=True, omit_defaults=True):
    """A step of the left run beside one of the right, by seq; 0 where there is none. `branch` is the left one's."""

    how: How
    left: int = 0
    right: int = 0
    label: str = ""
    branch: str = ""


class Found(Struct, frozen=True, omit_defaults=True):
    """The first difference that matters: at which pair (None: in how the runs began or ended), in words, and where."""

    told: str
    pair: Pair | None = None
    at: tuple[Difference, ...] = ()


class Alignment(Struct, frozen=True):
    """All pairs, in the order of the left run, with the right run's own steps where they came; and the first difference
    that matters, None if there is none.
    """

    pairs: tuple[Pair, ...]
    first: Found | None = None

    @property
    def of(self) -> int:
        """How many pairs of steps there are."""
        return sum(pair.how != "state" for pair in self.pairs)

    @property
    def same(self) -> int:
        """How many steps are the same."""
        return sum(pair.how in SAME for pair in self.pairs)


class Reading(Struct, frozen=True):
    """How the bodies of two runs are read; without, digests are compared."""

    request: Reads
    answer: Reads
    body: Callable[[Body], bytes | None]


def align(left: Log, right: Log, reading: Reading) -> Alignment:
    """Two runs side by side."""
    matched = _matched(left, right)
    moved = _moved(left, right, matched)
    paired = {**matched, **_paired(left, right, matched)}
    judge = _Judge(left, right, matched, moved, reading)
    pairs = tuple(judge.pair(one, other) for one, other in _merged(left.steps, right.steps, paired))
    placed = sorted((*pairs, *_states(left, right)), key=_place)
    first = _began(left, right, reading) or judge.first(placed) or _ended(left, right, reading)
    return Alignment(tuple(placed), first)


def _place(pair: Pair) -> bool:
    """States that differ stand behind the steps; nothing else moves."""
    return pair.how == "state"


def _key(step: Step) -> tuple[str, str, str, int]:
    intent = step.intent
    return intent.step, intent.label, intent.request, intent.occurrence


def _matched(left: Log, right: Log) -> dict[int, int]:
    """Steps of both runs that are the same, by seq."""
    there = {_key(step): step.seq for step in right.steps}
    found = ((step.seq, there.get(_key(step))) for step in left.steps)
    return {seq: other for seq, other in found if other is not None}


def _moved(left: Log, right: Log, matched: dict[int, int]) -> frozenset[int]:
    """The fewest steps of named branches that stand elsewhere in the right run's: all but a longest rising row."""
    branches: dict[tuple[str, str], list[int]] = defaultdict(list)
    theirs = {step.seq: step.intent.branch for step in right.steps}
    for step in left.steps:
        if step.seq in matched and step.intent.branch:
            branches[step.intent.branch, theirs[matched[step.seq]]].append(step.seq)
    return frozenset(seq for row in branches.values() for seq in set(row).difference(_rising(row, matched)))


def _rising(row: Sequence[int], matched: dict[int, int]) -> Iterator[int]:
    """A longest part of a row whose partners rise (patience sorting)."""
    ends: list[int] = []
    places: list[int] = []
    before: dict[int, int] = {}
    for seq in row:
        at = bisect_left(ends, matched[seq])
        ends[at : at + 1] = [matched[seq]]
        places[at : at + 1] = [seq]
        if at:
            before[seq] = places[at - 1]
    last = places[-1] if places else 0
    while last:
        yield last
        last = before.get(last, 0)


def _paired(left: Log, right: Log, matched: dict[int, int]) -> dict[int, int]:
    """Steps that are left over beside those with the same kind and label: in the same branch first, then in any."""
    taken = set(matched.values())
    mine = [step for step in left.steps if step.seq not in matched]
    theirs = [step for step in right.steps if step.seq not in taken]
    found: dict[int, int] = {}
    for in_branch in (True, False):
        waiting: dict[tuple[str, ...], deque[int]] = defaultdict(deque)
        for step in theirs:
            if step.seq not in taken:
                waiting[_group(step, in_branch=in_branch)].append(step.seq)
        for step in mine:
            row = waiting.get(_group(step, in_branch=in_branch))
            if row and step.seq not in found:
                found[step.seq] = row.popleft()
                taken.add(found[step.seq])
    return found


def _group(step: Step, *, in_branch: bool) -> tuple[str, ...]:
    return (step.intent.step, step.intent.label, *((step.intent.branch,) if in_branch else ()))


def _merged(
    left: Sequence[Step], right: Sequence[Step], paired: dict[int, int]
) -> Iterator[tuple[Step | None, Step | None]]:
    """Pairs in the order of the left run; what only the right one has stands before what follows it there."""
    by_seq = {step.seq: step for step in right}
    partners = set(paired.values())
    own = deque(step for step in right if step.seq not in partners)
    for step in left:
        other = by_seq[paired[step.seq]] if step.seq in paired else None
        while other is not None and own and own[0].seq < other.seq:
            yield None, own.popleft()
        yield step, other
    for step in own:
        yield None, step


class _Judge:
    """Says of pairs how they differ."""

    def __init__(self, left: Log, right: Log, matched: dict[int, int], moved: frozenset[int], reading: Reading) -> None:
        self._left = {step.seq: step for step in left.steps}
        self._right = {step.seq: step for step in right.steps}
        self._matched = matched
        self._moved = moved
        self._reading = reading
        self._read = 0

    def pair(self, left: Step | None, right: Step | None) -> Pair:
        """Two steps beside each other, or one alone."""
        if left is None or right is None:
            one = left or right
            label, branch = (one.intent.label, one.intent.branch) if one is not None else ("", "")
            how: How = "right" if left is None else "left"
            return Pair(how, left.seq if left else 0, right.seq if right else 0, label, branch)
        return Pair(self._how(left, right), left.seq, right.seq, left.intent.label, left.intent.branch)

    def _how(self, left: Step, right: Step) -> How:
        if self._matched.get(left.seq) != right.seq:
            return "request"
        if left.seq in self._moved:
            return "moved"
        if left.state != right.state:
            return "outcome"
        if self._answers_differ(left, right):
            return "answer"
        if _verdicts(left) != _verdicts(right):
            return "check"
        return "review" if _decisions(left) != _decisions(right) else "same"

    def _answers_differ(self, left: Step, right: Step) -> bool:
        if _output(left) == _output(right) and _error(left) == _error(right):
            return False
        if self._read >= MOST_READ:
            return True
        self._read += 1
        mine, theirs = self._reading.answer(left), self._reading.answer(right)
        return _error(left) != _error(right) or mine is None or theirs is None or mine != theirs

    def first(self, pairs: Sequence[Pair]) -> Found | None:
        """The first pair that matters, in words."""
        pair = next((one for one in pairs if one.how not in SAME), None)
        return self._found(pair) if pair is not None else None

    def _found(self, pair: Pair) -> Found:
        left, right = self._left.get(pair.left), self._right.get(pair.right)
        name = step_words(left or right)
        match pair.how:
            case "left":
                return Found(f"step {pair.left} ({name}) was not taken again", pair)
            case "right":
                return Found(f"step {pair.right} ({name}) is new", pair)
            case "moved":
                return Found(f"step {pair.left} ({name}) came in another order, as step {pair.right}", pair)
            case "state":
                return Found(f"the state {pair.label} differs", pair)
            case _:
                pass
        if left is None or right is None:
            return Found(f"step {pair.left or pair.right} ({name}) differs", pair)
        return self._both(pair, left, right, name)

    def _both(self, pair: Pair, left: Step, right: Step, name: str) -> Found:
        place = f"step {pair.left} ({name})"
        match pair.how:
            case "request":
                at = _between(self._reading.request(left), self._reading.request(right))
                return Found(_with_first(f"{place} asks for something else", at), pair, at)
            case "outcome":
                return Found(f"{place} ended {_ending(left)}, then {_ending(right)}", pair)
            case "answer":
                at = _between(self._reading.answer(left), self._reading.answer(right))
                return Found(_with_first(f"{place} was answered otherwise", at), pair, at)
            case "check":
                return Found(f"checks on {place} say {_said(_verdicts(left))}, then {_said(_verdicts(right))}", pair)
            case _:
                return Found(f"reviews of {place} say {_said(_decisions(left))}, then {_said(_decisions(right))}", pair)


def step_words(step: Step | None) -> str:
    """A step in two or three words: what it is, and its label or tool."""
    if step is None:
        return "a step"
    name = step.intent.label or step.intent.tool
    return f"{step.intent.step} {name}".strip()


def _states(left: Log, right: Log) -> Iterator[Pair]:
    """Named values that differ: the first of each name."""
    mine, theirs = _values(left), _values(right)
    for name in dict.fromkeys((*mine, *theirs)):
        one, other = mine.get(name, []), theirs.get(name, [])
        at = next((at for at in range(max(len(one), len(other))) if one[at : at + 1] != other[at : at + 1]), None)
        if at is not None:
            yield Pair("state", label=name)


def _values(log: Log) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for logged in log.others:
        if isinstance(logged.entry, State):
            found[logged.entry.name].append(logged.entry.value.digest)
    return found


def _began(left: Log, right: Log, reading: Reading) -> Found | None:
    """Whether the runs were begun with something else."""
    mine, theirs = left.started, right.started
    if mine is None or theirs is None:
        return None
    if mine.task != theirs.task:
        return Found(f"the runs are of different tasks: {mine.task or 'none'} and {theirs.task or 'none'}")
    if _digest(mine.input) == _digest(theirs.input):
        return None
    at = _between(_bytes(mine.input, reading), _bytes(theirs.input, reading))
    return None if [one.how for one in at] == ["written"] else Found(_with_first("the inputs differ", at), at=at)


def _ended(left: Log, right: Log, reading: Reading) -> Found | None:
    mine, theirs = left.ended, right.ended
    if mine is None or theirs is None:
        return None
    if mine.state != theirs.state:
        return Found(f"the left run ended {mine.state}, the right one {theirs.state}")
    if _digest(mine.output) == _digest(theirs.output):
        return None
    at = _between(_bytes(mine.output, reading), _bytes(theirs.output, reading))
    return None if [one.how for one in at] == ["written"] else Found(_with_first("the outputs differ", at), at=at)


def _bytes(body: Body | None, reading: Reading) -> bytes | None:
    if body is None:
        return b"null"
    return body.inline.encode() if body.inline is not None else reading.body(body)


def _between(left: bytes | None, right: bytes | None) -> tuple[Difference, ...]:
    return differences(left, right) if left is not None and right is not None else ()


def _with_first(words: str, at: Sequence[Difference]) -> str:
    return f"{words}: {at[0].told('left', 'right')}" if at else f"{words}; what it was is not kept"


def _digest(body: Body | None) -> str:
    return body.digest if body is not None else ""


def _output(step: Step) -> str:
    if step.result is not None:
        return _digest(step.result.output)
    return _digest(step.reconciled.output) if step.reconciled is not None else ""


def _error(step: Step) -> str:
    return step.result.error if step.result is not None else ""


def _ending(step: Step) -> str:
    return f"{step.state} ({_error(step)})" if _error(step) else step.state


def _verdicts(step: Step) -> dict[str, str]:
    return {one.check: "passed" if one.passed else "failed" for one in step.checks}


def _decisions(step: Step) -> dict[str, str]:
    decided = [one.decided.verdict if one.decided is not None else "waiting" for one in step.reviews]
    return {str(number): verdict for number, verdict in enumerate(decided, 1)}


def _said(verdicts: dict[str, str]) -> str:
    return ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items()) or "nothing"
