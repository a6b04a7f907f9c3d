"""Whether a JSON answer that is still being streamed can yet become valid, said as early as that is certain.

JSON is that of RFC 8259, read here; what the schema asks is held against it in `prefix_frames`. What `jsontext`
refuses besides (a name twice in an object, half a surrogate pair, numbers beyond a double) is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from trimtab.contracts.prefix_frames import Judge
from trimtab.contracts.prefix_plan import Plan, compile_plan
from trimtab.contracts.prefix_scalars import MAX_NUMBER
from trimtab.contracts.prefix_schema import Kind

__all__ = ["Fault", "Incremental", "Plan", "compile_plan"]

MAX_DEPTH: Final = 128
"""Objects and arrays within each other; an answer that goes deeper is not judged from there on."""
MAX_KEY: Final = 1024
"""Characters of a key that are kept; what a longer one asks for is not judged."""

Fault = tuple[str, str]
"""Where nothing valid can follow, as a JSON Pointer, and the keyword; "json" where the text is no JSON."""
Step = Callable[["Incremental", str, int], int]
Sink = Callable[["Incremental", str], str]

SPACES: Final = " \t\n\r"
SPACE: Final = re.compile(r"[ \t\n\r]*")
RUN: Final = re.compile(r'[^"\\\x00-\x1f]+')
ESCAPE: Final = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
ESCAPE_BEGUN: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
ESCAPED: Final = {
    '\\"': '"', "\\\\": "\\", "\\/": "/", "\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t",
}  # fmt: skip
NUMBER_KIND: Final[Kind] = "number"
KIND: Final[dict[str, Kind]] = {
    "{": "object", "[": "array", '"': "string", "t": "true", "f": "false", "n": "null",
    **dict.fromkeys("-0123456789", NUMBER_KIND),
}  # fmt: skip
DIGITS: Final = "0123456789"
NUMBER: Final[dict[str, dict[str, str]]] = {
    "": {"-": "-", "0": "0", **dict.fromkeys("123456789", "1")},
    "-": {"0": "0", **dict.fromkeys("123456789", "1")},
    "0": {".": ".", "e": "e", "E": "e"},
    "1": {".": ".", "e": "e", "E": "e", **dict.fromkeys(DIGITS, "1")},
    ".": dict.fromkeys(DIGITS, ".1"),
    ".1": {"e": "e", "E": "e", **dict.fromkeys(DIGITS, ".1")},
    "e": {"+": "e+", "-": "e+", **dict.fromkeys(DIGITS, "e1")},
    "e+": dict.fromkeys(DIGITS, "e1"),
    "e1": dict.fromkeys(DIGITS, "e1"),
}
"""How a number goes on: state, character, next state. A state is named after the last part that was read."""
WHOLE: Final = frozenset(("0", "1", ".1", "e1"))
"""The states in which a number may end."""


class Incremental:
    """One streamed answer against one plan.

    False from `feed` is certain: `Validator` would refuse every text that begins with the answer so far. (A reader that
    lets a name repeat in an object might be shown a better value for it later.) True promises nothing: not all keywords
    are judged, `prefix_schema` says which not, and beyond the bounds of these modules everything counts as possible.
    """

    __slots__ = (
        "_escape", "_fault", "_high", "_judge", "_kind", "_name", "_number", "_rest", "_sink", "_step", "_token",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        self._judge = Judge(plan)
        self._step: Step = Incremental._value
        self._sink: Sink | None = None
        self._fault: Fault | None = None
        self._escape = ""
        self._high = ""
        self._name = ""
        self._kind: Kind = "null"
        self._rest = ""
        self._number = ""
        self._token = ""

    def __repr__(self) -> str:
        if self._fault is not None:
            return "<Incremental impossible: {!r} {}>".format(*self._fault)
        return "<Incremental complete>" if self.complete else f"<Incremental at {self._judge.pointer()!r}>"

    @property
    def fault(self) -> Fault | None:
        """Where and why no valid completion exists; None while one may."""
        return self._fault

    def place(self) -> list[str | int]:
        """The way to where it stands, which is that of `fault` once there is one: names and positions."""
        return self._judge.keys()

    @property
    def complete(self) -> bool:
        """Whether the text so far, spaces at its end apart, is one whole JSON value that may be valid."""
        at_number = self._step is Incremental._in_number and self._number in WHOLE
        return self._step is Incremental._end or (at_number and not self._judge.depth)

    def feed(self, text: str) -> bool:
        """Takes the next piece of the answer; False once no valid completion exists, and ever after."""
        at = 0
        end = len(text)
        while at < end:
            at = self._step(self, text, at)
        return self._fault is None

    def _refuse(self, text: str, keyword: str = "json") -> int:
        self._fault = (self._judge.pointer(), keyword)
        self._step = Incremental._rest_ignored
        return len(text)

    def _rest_ignored(self, text: str, at: int) -> int:
        return len(text)

    def _value(self, text: str, at: int) -> int:
        char = text[at]
        kind = KIND.get(char)
        if kind is None:
            return skipped(text, at) if char in SPACES else self._refuse(text)
        keyword = self._judge.begin(kind)
        if keyword:
            return self._refuse(text, keyword)
        if kind == "string":
            self._sink = None if self._judge.plain else Incremental._to_text
            self._step = Incremental._string
        elif kind == "number":
            self._number = self._token = ""
            self._step = Incremental._in_number
            return at
        elif kind in ("object", "array"):
            self._step = Incremental._first_key if kind == "object" else Incremental._first_item
            if self._judge.depth > MAX_DEPTH:
                self._step = Incremental._rest_ignored
        else:
            self._kind = kind
            self._rest = kind[1:]
            self._step = Incremental._literal
        return at + 1

    def _first_item(self, text: str, at: int) -> int:
        char = text[at]
        if char in SPACES:
            return skipped(text, at)
        if char == "]":
            return self._ended(text, at + 1, self._judge.close())
        keyword = "json" if char not in KIND else self._judge.item()
        return self._refuse(text, keyword) if keyword else self._value(text, at)

    def _first_key(self, text: str, at: int) -> int:
        if text[at] == "}":
            return self._ended(text, at + 1, self._judge.close())
        return self._key(text, at)

    def _key(self, text: str, at: int) -> int:
        char = text[at]
        if char != '"':
            return skipped(text, at) if char in SPACES else self._refuse(text)
        self._name = ""
        self._sink = Incremental._to_key
        self._step = Incremental._string
        return at + 1

    def _colon(self, text: str, at: int) -> int:
        char = text[at]
        if char != ":":
            return skipped(text, at) if char in SPACES else self._refuse(text)
        self._step = Incremental._value
        return at + 1

    def _after(self, text: str, at: int) -> int:
        """After a value within an object or array."""
        char = text[at]
        in_object = self._judge.in_object
        if char == ",":
            if in_object:
                self._step = Incremental._key
                return at + 1
            self._step = Incremental._value
            keyword = self._judge.item()
            return self._refuse(text, keyword) if keyword else at + 1
        if char == ("}" if in_object else "]"):
            return self._ended(text, at + 1, self._judge.close())
        return skipped(text, at) if char in SPACES else self._refuse(text)

    def _end(self, text: str, at: int) -> int:
        """After the whole value."""
        return skipped(text, at) if text[at] in SPACES else self._refuse(text)

    def _ended(self, text: str, at: int, keyword: str) -> int:
        """A value ends before `at`; the judge said `keyword` to it."""
        if keyword:
            return self._refuse(text, keyword)
        self._step = Incremental._after if self._judge.depth else Incremental._end
        return at

    def _literal(self, text: str, at: int) -> int:
        piece = text[at : at + len(self._rest)]
        if not self._rest.startswith(piece):
            return self._refuse(text)
        self._rest = self._rest[len(piece) :]
        at += len(piece)
        return at if self._rest else self._ended(text, at, self._judge.end_literal(self._kind))

    def _in_number(self, text: str, at: int) -> int:
        begin = at
        state = self._number
        while at < len(text) and (following := NUMBER[state].get(text[at])) is not None:
            state = following
            at += 1
        self._number = state
        if at > begin and len(self._token) <= MAX_NUMBER:
            self._token = (self._token + text[begin:at])[: MAX_NUMBER + 1]
            keyword = self._judge.number(self._token)
            if keyword:
                return self._refuse(text, keyword)
        if at == len(text):
            return at
        return self._ended(text, at, self._judge.end_number(self._token) if state in WHOLE else "json")

    def _string(self, text: str, at: int) -> int:
        run = RUN.match(text, at)
        if run is not None:
            at = run.end()
            if self._sink is not None and (keyword := self._sink(self, self._flushed() + run[0])):
                return self._refuse(text, keyword)
            if at == len(text):
                return at
        char = text[at]
        if char == '"':
            return self._string_ended(text, at + 1)
        if char == "\\":
            self._escape = ""
            return self._escaped(text, at)
        return self._refuse(text)

    def _escaped(self, text: str, at: int) -> int:
        """Within an escape, of which `_escape` came with earlier pieces."""
        begun = self._escape + text[at : at + 6]
        whole = ESCAPE.match(begun)
        if whole is None:
            if not ESCAPE_BEGUN.fullmatch(begun):
                return self._refuse(text)
            self._escape = begun
            self._step = Incremental._escaped
            return len(text)
        at += whole.end() - len(self._escape)
        self._step = Incremental._string
        if self._sink is not None and (keyword := self._sink(self, self._decoded(whole[0]))):
            return self._refuse(text, keyword)
        return at

    def _decoded(self, escape: str) -> str:
        """What an escape adds to the string; the first half of a surrogate pair waits for what follows."""
        if escape[1] != "u":
            return self._flushed() + ESCAPED[escape]
        unit = int(escape[2:], 16)
        if self._high and 0xDC00 <= unit <= 0xDFFF:
            high, self._high = ord(self._high), ""
            return chr(0x10000 + (high - 0xD800 << 10) + unit - 0xDC00)
        before = self._flushed()
        if 0xD800 <= unit <= 0xDBFF:
            self._high = chr(unit)
            return before
        return before + chr(unit)

    def _flushed(self) -> str:
        high, self._high = self._high, ""
        return high

    def _to_text(self, piece: str) -> str:
        return self._judge.text(piece)

    def _to_key(self, piece: str) -> str:
        if len(self._name) > MAX_KEY:
            return ""
        self._name = (self._name + piece)[: MAX_KEY + 1]
        return self._judge.key(self._name)

    def _string_ended(self, text: str, at: int) -> int:
        if self._high and self._sink is not None and (keyword := self._sink(self, self._flushed())):
            return self._refuse(text, keyword)
        if self._sink is not Incremental._to_key:
            return self._ended(text, at, self._judge.end_text())
        keyword = self._judge.end_key(self._name, whole=len(self._name) <= MAX_KEY)
        if keyword:
            return self._refuse(text, keyword)
        self._step = Incremental._colon
        return at


def skipped(text: str, at: int) -> int:
    """The position of the next character that is no space."""
    found = SPACE.match(text, at)
    return found.end() if found is not None else at
