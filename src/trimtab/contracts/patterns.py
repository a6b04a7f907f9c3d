"""What a regular expression of a schema (ECMA-262) asks of an engine that turns it into a grammar.

An engine matches the text of a JSON string, in which quotes, backslashes and control characters are escaped; so what
matters most is which of those a pattern can match.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

CONTROLS = frozenset(map(chr, range(32)))
ESCAPED = CONTROLS | {'"', "\\"}
"""Characters that cannot stand in a JSON string as they are."""
_SPACES = frozenset("\t\n\v\f\r")
_NAMED = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", "0": "\0", "b": "\b"}
_BEFORE_START = {"", "(", "|"}
_AFTER_END = {"", ")", "|"}
_GROUP = re.compile(r"\((\?(?:[:=!]|<[=!]|P?<[A-Za-z_]\w*>|.))?")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{1,6}")
_REPEATED = re.compile(r"[*+]|\{\d+,\d*\}")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})[?+]?")


class Atom(NamedTuple):
    """What one character of a pattern may be: which of `ESCAPED`, and whether anything else."""

    escaped: frozenset[str]
    others: bool

    def union(self, other: Atom) -> Atom:
        """Either of the two."""
        return Atom(self.escaped | other.escaped, self.others or other.others)


class Features(NamedTuple):
    """What a pattern has. `anchored`: it begins with ^ and ends with $, so that it speaks of the whole string."""

    lookahead: bool = False
    lookbehind: bool = False
    reference: bool = False
    boundary: bool = False
    unicode_class: bool = False
    flags: bool = False
    named_escape: bool = False
    inner_anchor: bool = False
    anchored: bool = False
    dot: bool = False
    space: bool = False
    not_space: bool = False
    escaped: bool = False
    """A character of it can only be one of `ESCAPED`."""
    only_escaped: bool = False
    """The same, and it stands in no choice and no repeated group."""
    optional_loop: bool = False
    """A group with ? begins or ends with something that may come more than once, and not just before it too."""
    controls_without_quotes: bool = False
    """A character of it can be any control character, but not both the quote and the backslash."""


_ANY = Atom(ESCAPED, True)
_PLAIN = Atom(frozenset(), True)
_CLASSES = {
    "d": _PLAIN,
    "w": _PLAIN,
    "s": Atom(_SPACES, True),
    "D": _ANY,
    "W": _ANY,
    "S": Atom(ESCAPED - _SPACES, True),
}


def features(pattern: str) -> Features:
    """Reads a pattern; one that is no regular expression gives what was read of it."""
    scan = _Scan(pattern)
    for _ in scan.atoms():
        pass
    before = pattern.removesuffix("$")
    escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    whole = pattern.startswith("^") and pattern.endswith("$") and not escaped
    return Features(**scan.seen, anchored=whole)


def exclusive(patterns: list[str]) -> bool:
    """Whether no string can match two of the patterns: each begins with another letter or digit."""
    starts = [pattern[1:2] if pattern.startswith("^") and pattern[1:2].isalnum() else "" for pattern in patterns]
    return len(patterns) < 2 or ("" not in starts and len(set(starts)) == len(starts))


class _Element:
    """One element of a branch, with its quantifier; whether it `begins` and `ends` with what may come repeatedly."""

    def __init__(self, text: str, group: _Group | None = None) -> None:
        self.text = text
        self.begins = group is not None and group.begins()
        self.ends = group is not None and group.ends()

    def repeat(self, quantifier: str) -> None:
        """Takes the quantifier that follows."""
        self.text += quantifier
        self.begins = quantifier[0] in "*+"
        self.ends = _REPEATED.match(quantifier) is not None


class _Group:
    """A group while it is read: the element before it, and those of each of its branches."""

    def __init__(self, start: int, before: _Element | None) -> None:
        self.start = start
        self.before = before
        self.only_escaped = False
        self.branches: list[list[_Element]] = [[]]

    def last(self) -> _Element | None:
        """The element that was read last, if its branch has one."""
        return self.branches[-1][-1] if self.branches[-1] else None

    def stands_alone(self) -> bool:
        """Whether it has a character that can only be an escaped one, and is no choice."""
        return self.only_escaped and len(self.branches) == 1

    def begins(self) -> bool:
        """Whether it begins with something that may come again and again."""
        return len(self.branches) == 1 and bool(self.branches[0]) and self.branches[0][0].begins

    def ends(self) -> bool:
        """Whether one of its branches ends so."""
        return any(branch and branch[-1].ends for branch in self.branches)

    def loops(self) -> bool:
        """Whether leaving it out may leave a repeated end of it in, and that is not what comes before it anyhow."""
        if len(self.branches) == 1 and len(self.branches[0]) < 2:
            return False
        before = self.before.text if self.before is not None else ""
        outer = [branch[-1] for branch in self.branches if branch and branch[-1].ends]
        outer += [self.branches[0][0]] if self.begins() else []
        return any(element.text != before for element in outer)


class _Scan:
    """One pass over a pattern; `seen` holds what it has."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.seen: dict[str, bool] = {}
        self._groups = [_Group(0, None)]
        self._closed: _Group | None = None

    def atoms(self) -> Iterator[Atom]:
        """Every character of the pattern, as what it may be."""
        before = ""
        while self.at < len(self.pattern):
            char, start = self.pattern[self.at], self.at
            closed, self._closed = self._closed, None
            if closed is not None and not _QUANTIFIER.match(self.pattern, start):
                self._groups[-1].only_escaped |= closed.stands_alone()
            atom = self._one(char, before, closed)
            if atom is not None:
                self._groups[-1].branches[-1].append(_Element(self.pattern[start : self.at]))
                self._judge(atom)
                yield atom
            before = char
        whole = self._groups[0]
        whole.only_escaped |= self._closed is not None and self._closed.stands_alone()
        self.seen["only_escaped"] = whole.stands_alone()

    def _one(self, char: str, before: str, closed: _Group | None) -> Atom | None:
        if char == "\\":
            return self._escape(in_class=False)[0]
        if char == "[":
            return self._class()
        if char in "(|)":
            self._structure(char)
            return None
        if char in "^$":
            self.at += 1
            following = self.pattern[self.at : self.at + 1]
            if (char == "^" and before not in _BEFORE_START) or (char == "$" and following not in _AFTER_END):
                self.seen["inner_anchor"] = True
            return None
        quantifier = _QUANTIFIER.match(self.pattern, self.at)
        if quantifier:
            self.at = quantifier.end()
            element = self._groups[-1].last()
            if element is not None:
                element.repeat(quantifier[0])
            if closed is not None and quantifier[0].startswith("?") and closed.loops():
                self.seen["optional_loop"] = True
            return None
        self.at += 1
        if char == ".":
            self.seen["dot"] = True
            return Atom(ESCAPED - {"\n", "\r"}, True)
        return _literal(char)

    def _structure(self, char: str) -> None:
        group = self._groups[-1]
        if char == "(":
            start = self.at
            self._group()
            self._groups.append(_Group(start, group.last()))
            return
        self.at += 1
        if char == "|":
            group.branches.append([])
        elif len(self._groups) > 1:
            self._closed = self._groups.pop()
            self._groups[-1].branches[-1].append(_Element(self.pattern[group.start : self.at], group))

    def _group(self) -> None:
        opened = _GROUP.match(self.pattern, self.at)
        kind = opened[1] if opened else None
        self.at = opened.end() if opened else self.at + 1
        if kind in ("?=", "?!"):
            self.seen["lookahead"] = True
        elif kind in ("?<=", "?<!"):
            self.seen["lookbehind"] = True
        elif kind and kind != "?:" and not kind.endswith(">"):
            self.seen["flags"] = True

    def _escape(self, *, in_class: bool) -> tuple[Atom, str | None]:
        """What an escape may be, and the character it is if it is one."""
        char = self.pattern[self.at + 1 : self.at + 2]
        self.at += 2
        if char in _CLASSES:
            if not in_class:
                self._spaces({char}, negated=False)
            return _CLASSES[char], None
        if char and char in "pP":
            self.seen["unicode_class"] = True
            self._skip_braces()
            return _PLAIN, None
        if char and char in "bB" and not in_class:
            self.seen["boundary"] = True
            return _PLAIN, None
        if char == "k" or (char.isdigit() and char != "0"):
            self.seen["reference"] = True
            return _PLAIN, None
        if char and char in "cbe0":
            self.seen["named_escape"] = True
        meant = self._numbered(char) if char and char in "xuc" else _NAMED.get(char, char)
        return _literal(meant), meant or None

    def _numbered(self, kind: str) -> str:
        if kind == "c":
            letter = self.pattern[self.at : self.at + 1]
            self.at += 1
            return chr(ord(letter) % 32) if letter else "c"
        braced = kind == "u" and self.pattern.startswith("{", self.at)
        end = self.pattern.find("}", self.at) + 1 if braced else self.at + (2 if kind == "x" else 4)
        digits = self.pattern[self.at : end].strip("{}")
        if not _HEXADECIMAL.fullmatch(digits):
            return kind
        self.at = end
        return chr(min(int(digits, 16), sys.maxunicode))

    def _skip_braces(self) -> None:
        if self.pattern.startswith("{", self.at):
            self.at = self.pattern.find("}", self.at) + 1 or len(self.pattern)
        else:
            self.at += 1

    def _class(self) -> Atom:
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        found = Atom(frozenset(), False)
        low: str | None = None
        members: set[str] = set()
        while self.at < len(self.pattern) and self.pattern[self.at] != "]":
            ranged = self.pattern[self.at] == "-" and low is not None and self.pattern[self.at + 1 : self.at + 2] != "]"
            self.at += ranged
            start = self.at
            atom, char = self._member()
            members.add(self.pattern[start : self.at].removeprefix("\\"))
            found = found.union(_range(low, char) if ranged and low is not None and char is not None else atom)
            low = None if ranged else char
        self.at += 1
        self._spaces(members, negated=negated)
        return Atom(ESCAPED - found.escaped, True) if negated else found

    def _member(self) -> tuple[Atom, str | None]:
        """A member of a class, and the character it is if it is one."""
        if self.pattern.startswith("\\", self.at):
            return self._escape(in_class=True)
        char = self.pattern[self.at : self.at + 1]
        self.at += 1
        return _literal(char), char or None

    def _spaces(self, members: set[str], *, negated: bool) -> None:
        kinds = members & {"s", "S"} if len(members & {"s", "S"}) == 1 else set()
        if kinds:
            self.seen["not_space" if (kinds == {"S"}) is not negated else "space"] = True

    def _judge(self, atom: Atom) -> None:
        if atom.escaped and not atom.others:
            self._groups[-1].only_escaped = self.seen["escaped"] = True
        controls = atom.escaped & CONTROLS
        if "\0" in controls and len(controls) >= len(CONTROLS) - 2 and not {'"', "\\"} <= atom.escaped:
            self.seen["controls_without_quotes"] = True


def _literal(char: str) -> Atom:
    return Atom(frozenset(char) & ESCAPED, bool(char) and char not in ESCAPED)


def _range(low: str, high: str) -> Atom:
    inside = frozenset(char for char in ESCAPED if low <= char <= high)
    return Atom(inside, ord(high) - ord(low) + 1 > len(inside))
