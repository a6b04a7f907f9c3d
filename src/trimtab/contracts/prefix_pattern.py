"""Regular expressions held against a string while it grows, in linear time: a lazily built deterministic automaton.

The patterns are those of JSON Schema (ECMA-262, searched for anywhere in the string). Where dialects of regular
expressions differ (`\\d`, `\\w`, `\\s` beyond ASCII, `.` and line ends, `$` before a final line feed), every reading
counts as a possible match. Lookaround, back references, word boundaries, flags and large counts are not read at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_LENGTH: Final = 1000
"""Longest pattern that is read, in characters."""
MAX_NODES: Final = 256
"""Largest automaton, in nodes, counted repetitions written out."""
MAX_TRANSITIONS: Final = 4096
"""Transitions of the deterministic automaton that are kept; at the bound all are forgotten and made anew."""
MAX_NESTING: Final = 32
MAX_BUILDS: Final = 4 * MAX_NODES
LAST: Final = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]


class PatternUnread(Exception):
    """The pattern uses what is not judged here, or is too large; leave its strings unjudged."""


class CharSet(NamedTuple):
    """Code points that some reading of the pattern takes (`may`), and those that every reading takes (`must`)."""

    may: Ranges
    must: Ranges


class Choice(NamedTuple):
    """Any of several expressions."""

    options: tuple[Expression, ...]


class Sequence(NamedTuple):
    """One expression after the other."""

    parts: tuple[Expression, ...]


class Repeat(NamedTuple):
    """An expression `low` to `high` times; `high` is None for no limit."""

    body: Expression
    low: int
    high: int | None


class Anchor(NamedTuple):
    """The start or the end of the string."""

    start: bool


Expression = CharSet | Choice | Sequence | Repeat | Anchor


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted ranges that neither overlap nor touch."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)


def inverted(ranges: Ranges) -> Ranges:
    """The code points that the ranges leave out."""
    out = []
    begin = 0
    for low, high in ranges:
        if begin < low:
            out.append((begin, low - 1))
        begin = high + 1
    if begin <= LAST:
        out.append((begin, LAST))
    return tuple(out)


def opposite(chars: CharSet) -> CharSet:
    """The set that takes what the other does not."""
    return CharSet(inverted(chars.must), inverted(chars.may))


def single(code: int) -> CharSet:
    """The set of one code point."""
    return CharSet(((code, code),), ((code, code),))


BEYOND = (0x80, LAST)
DIGIT = CharSet(((0x30, 0x39), BEYOND), ((0x30, 0x39),))
WORD_ASCII = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
WORD = CharSet((*WORD_ASCII, BEYOND), WORD_ASCII)
SPACE = CharSet(((0x09, 0x0D), (0x1C, 0x20), BEYOND), ((0x09, 0x0D), (0x20, 0x20)))
DOT = CharSet(inverted(((0x0A, 0x0A),)), inverted(((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))))
UNKNOWN = CharSet(((0, LAST),), ())
CLASSES = {
    "d": DIGIT, "D": opposite(DIGIT), "w": WORD, "W": opposite(WORD), "s": SPACE, "S": opposite(SPACE),
}  # fmt: skip
CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
HEX = frozenset("0123456789abcdefABCDEF")
DIGITS = frozenset("0123456789")


class _Parser:
    """Reads one pattern into an `Expression`; raises `PatternUnread`."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_LENGTH:
            raise PatternUnread
        self.pattern = pattern
        self.at = 0
        self.nesting = 0

    def whole(self) -> Expression:
        expression = self.choice()
        if self.at < len(self.pattern):
            raise PatternUnread
        return expression

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise PatternUnread
        self.at += 1
        return self.pattern[self.at - 1]

    def taken(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        if found:
            self.at += len(text)
        return found

    def choice(self) -> Expression:
        options = [self.sequence()]
        while self.taken("|"):
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Expression:
        parts = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.quantified(self.atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def quantified(self, body: Expression) -> Expression:
        low, high = 1, None
        match self.peek():
            case "*":
                low = 0
            case "+":
                pass
            case "?":
                low, high = 0, 1
            case "{":
                low, high = self.counts()
            case _:
                return body
        self.at += 1
        self.taken("?")
        if isinstance(body, Anchor) or self.peek() in ("*", "+", "?", "{"):
            raise PatternUnread
        return Repeat(body, low, high)

    def counts(self) -> tuple[int, int | None]:
        """The limits of `{2}`, `{2,}` or `{2,5}`; what is read ends before the brace."""
        self.at += 1
        low = self.count()
        high: int | None = low
        if self.taken(","):
            high = None if self.peek() == "}" else self.count()
        if self.peek() != "}" or (high is not None and high < low):
            raise PatternUnread
        return low, high

    def count(self) -> int:
        begin = self.at
        while self.peek() in DIGITS:
            self.at += 1
        if not 0 < self.at - begin < 5 or (value := int(self.pattern[begin : self.at])) > MAX_NODES:
            raise PatternUnread
        return value

    def atom(self) -> Expression:
        char = self.take()
        match char:
            case "(":
                return self.group()
            case "[":
                return self.bracket()
            case ".":
                return DOT
            case "^" | "$":
                return Anchor(char == "^")
            case "\\":
                return self.escape()
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise PatternUnread
        return single(ord(char))

    def group(self) -> Expression:
        if self.peek() == "?" and not self.taken("?:"):
            raise PatternUnread
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise PatternUnread
        inner = self.choice()
        self.nesting -= 1
        if not self.taken(")"):
            raise PatternUnread
        return Sequence((inner,))

    def escape(self) -> CharSet:
        char = self.take()
        if char in CLASSES:
            return CLASSES[char]
        if char in CONTROLS:
            return single(CONTROLS[char])
        if char == "x":
            return single(self.hexadecimal(2))
        if char == "u":
            return single(self.hexadecimal(4))
        if char in ("p", "P"):
            if not self.taken("{") or (end := self.pattern.find("}", self.at)) < 0:
                raise PatternUnread
            self.at = end + 1
            return UNKNOWN
        if char.isalnum() or not char.isascii():
            raise PatternUnread
        return single(ord(char))

    def hexadecimal(self, digits: int) -> int:
        text = self.pattern[self.at : self.at + digits]
        if len(text) != digits or not HEX.issuperset(text) or 0xD800 <= int(text, 16) <= 0xDFFF:
            raise PatternUnread
        self.at += digits
        return int(text, 16)

    def bracket(self) -> CharSet:
        negated = self.taken("^")
        may: list[tuple[int, int]] = []
        must: list[tuple[int, int]] = []
        if self.peek() == "]":
            raise PatternUnread
        while not self.taken("]"):
            chars = self.member()
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                chars = spanned(chars, self.member())
            may += chars.may
            must += chars.must
        found = CharSet(merged(may), merged(must))
        return opposite(found) if negated else found

    def member(self) -> CharSet:
        """One member of a bracket; what other dialects read as an operation on sets is not read."""
        if self.peek() == "[" or self.pattern[self.at : self.at + 2] in ("&&", "--", "~~", "||"):
            raise PatternUnread
        return self.escape() if self.taken("\\") else single(ord(self.take()))


def spanned(first: CharSet, last: CharSet) -> CharSet:
    """The range from one character to another."""
    if not (is_single(first) and is_single(last)) or first.may[0][0] > last.may[0][0]:
        raise PatternUnread
    span = ((first.may[0][0], last.may[0][0]),)
    return CharSet(span, span)


def is_single(chars: CharSet) -> bool:
    """Whether a set has one code point."""
    return len(chars.may) == 1 and chars.may[0][0] == chars.may[0][1]


class _Node(NamedTuple):
    """A node of the automaton: takes one of `chars` and goes on to `following`, or goes there for nothing."""

    chars: Ranges | None
    ascii: int
    following: tuple[int, ...]
    anchor: Anchor | None = None

    def takes(self, code: int) -> bool:
        if code < 0x80:
            return bool(self.ascii >> code & 1)
        return self.chars is not None and any(low <= code <= high for low, high in self.chars)


class State:
    """A state of the deterministic automaton; `matched` when no further character can undo the match."""

    __slots__ = ("following", "matched", "nodes")

    def __init__(self, nodes: frozenset[int], matched: bool) -> None:
        self.nodes = nodes
        self.matched = matched
        self.following: dict[str, State] = {}


class Pattern:
    """A pattern to search strings for. Raises `PatternUnread` for what is not judged.

    `begin`, then `step` for each piece of the string (None: no continuation matches any more), then `ends`.
    """

    __slots__ = ("_builds", "_match", "_nodes", "_start", "_states", "_transitions", "plain", "text")

    def __init__(self, text: str) -> None:
        expression = _Parser(text).whole()
        self.text = text
        self.plain = unambiguous(expression)
        self._nodes: list[_Node] = [_Node(None, 0, ())]
        self._match = 0
        self._builds = 0
        entry = self._build(expression, self._match)
        self._start = entry
        if self._closure((entry,), at_start=False, at_end=False):
            self._start = self._add(_Node(None, 0, (entry,)))
            everything = self._add(_Node(((0, LAST),), (1 << 128) - 1, (self._start,)))
            self._nodes[self._start] = _Node(None, 0, (entry, everything))
        self._states: dict[frozenset[int], State] = {}
        self._transitions = 0

    def begin(self) -> State:
        """The state before the first character."""
        return self._state(self._closure((self._start,), at_start=True, at_end=False))

    def step(self, state: State, piece: str) -> State | None:
        """The state after some more characters, or None when the string can match no more."""
        for char in piece:
            if state.matched:
                return state
            state = state.following.get(char) or self._next(state, char)
            if not state.nodes:
                return None
        return state

    def ends(self, state: State, *, empty: bool) -> bool:
        """Whether some reading matches the string if it ends here; `empty` for the empty string."""
        return state.matched or self._match in self._closure(state.nodes, at_start=empty, at_end=True)

    def matches(self, text: str) -> bool | None:
        """Whether a whole string matches; None where readings of the pattern differ."""
        state = self.step(self.begin(), text)
        found = state is not None and self.ends(state, empty=not text)
        return found if not found or (self.plain and text.isascii() and text.isprintable()) else None

    def _add(self, node: _Node) -> int:
        if len(self._nodes) >= MAX_NODES:
            raise PatternUnread
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _build(self, expression: Expression, following: int) -> int:
        """Adds the nodes of an expression; returns where it begins."""
        self._builds += 1
        if self._builds > MAX_BUILDS:
            raise PatternUnread
        match expression:
            case CharSet(may):
                mask = sum(1 << code for low, high in may for code in range(low, min(high, 0x7F) + 1))
                return self._add(_Node(may, mask, (following,)))
            case Anchor():
                return self._add(_Node(None, 0, (following,), expression))
            case Sequence(parts):
                for part in reversed(parts):
                    following = self._build(part, following)
                return following
            case Choice(options):
                return self._add(_Node(None, 0, tuple(self._build(option, following) for option in options)))
            case Repeat(body, low, high):
                return self._repeat(body, low, high, following)

    def _repeat(self, body: Expression, low: int, high: int | None, following: int) -> int:
        if high is None:
            loop = self._add(_Node(None, 0, (following,)))
            self._nodes[loop] = _Node(None, 0, (self._build(body, loop), following))
            entry = loop
        else:
            entry = following
            for _ in range(high - low):
                entry = self._add(_Node(None, 0, (self._build(body, entry), following)))
        for _ in range(low):
            entry = self._build(body, entry)
        return entry

    def _closure(self, nodes: Iterable[int], *, at_start: bool, at_end: bool) -> frozenset[int]:
        """The nodes reached for nothing that take a character, wait for the end, or are the match."""
        waiting = list(nodes)
        seen = set(waiting)
        kept = set()
        while waiting:
            number = waiting.pop()
            node = self._nodes[number]
            if node.chars is not None or number == self._match:
                kept.add(number)
                continue
            if node.anchor is not None and not (at_start if node.anchor.start else at_end):
                if not node.anchor.start:
                    kept.add(number)
                continue
            for following in node.following:
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        return frozenset(kept)

    def _next(self, state: State, char: str) -> State:
        code = ord(char)
        reached: set[int] = set()
        before = state.nodes
        if code == 0x0A:
            before |= self._closure(before, at_start=True, at_end=True)
        for number in before:
            node = self._nodes[number]
            if node.anchor is not None:
                if code == 0x0A:
                    reached.add(number)
            elif node.takes(code):
                reached.update(node.following)
        if self._transitions >= MAX_TRANSITIONS:
            self._forget()
        self._transitions += 1
        found = self._state(self._closure(reached, at_start=False, at_end=False))
        state.following[char] = found
        return found

    def _state(self, nodes: frozenset[int]) -> State:
        state = self._states.get(nodes)
        if state is None:
            state = self._states[nodes] = State(nodes, self._match in nodes)
        return state

    def _forget(self) -> None:
        for state in self._states.values():
            state.following.clear()
        self._states.clear()
        self._transitions = 0


def unambiguous(expression: Expression) -> bool:
    """Whether all readings of an expression agree on printable ASCII."""
    match expression:
        case CharSet(may, must):
            return all(held(may, code) == held(must, code) for code in range(0x20, 0x7F))
        case Anchor():
            return True
        case Sequence(inner) | Choice(inner):
            return all(map(unambiguous, inner))
        case Repeat(body):
            return unambiguous(body)


def held(ranges: Ranges, code: int) -> bool:
    """Whether a code point is in the ranges."""
    return any(low <= code <= high for low, high in ranges)
