"""The lines of a TOML document's keys."""

import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trimtab.declare.locate import Path, locate

DOCUMENT = '''\
# a comment with = and [brackets]
title = "x" # = "y"
dotted.deep."quoted.key" = 1

[server] # here
ports = [
    1, # one
    [2,
     3],
]
inline = { a = 1, b.c = [ { d = 2 } ] }
text = """
not = "a key"
[nor.a.table]
ends in two quotes: """""

  [ server . 'sub table' ]
  on = true

[[price]]
input = 0.15
[price.unit]
tokens = 1_000_000
[[price]]
input = 0.20
[[price.note]]
by = 1979-05-27 07:32:00
[[price.note]]
by = \'\'\'it's # not a comment'\'\'\'
"" = 1
"t\\u0061b" = 2
'''


def paths(value: Any, at: Path = ()) -> set[Path]:
    """Every path of a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path for key, inner in items for path in ({(*at, key)} | paths(inner, (*at, key)))}


def test_a_document_by_hand() -> None:
    """Each kind of key, header and element is found on the line it stands in."""
    assert locate(DOCUMENT) == {
        ("title",): 2,
        ("dotted",): 3,
        ("dotted", "deep"): 3,
        ("dotted", "deep", "quoted.key"): 3,
        ("server",): 5,
        ("server", "ports"): 6,
        ("server", "ports", 0): 7,
        ("server", "ports", 1): 8,
        ("server", "ports", 1, 0): 8,
        ("server", "ports", 1, 1): 9,
        ("server", "inline"): 11,
        ("server", "inline", "a"): 11,
        ("server", "inline", "b"): 11,
        ("server", "inline", "b", "c"): 11,
        ("server", "inline", "b", "c", 0): 11,
        ("server", "inline", "b", "c", 0, "d"): 11,
        ("server", "text"): 12,
        ("server", "sub table"): 17,
        ("server", "sub table", "on"): 18,
        ("price",): 20,
        ("price", 0): 20,
        ("price", 0, "input"): 21,
        ("price", 0, "unit"): 22,
        ("price", 0, "unit", "tokens"): 23,
        ("price", 1): 24,
        ("price", 1, "input"): 25,
        ("price", 1, "note"): 26,
        ("price", 1, "note", 0): 26,
        ("price", 1, "note", 0, "by"): 27,
        ("price", 1, "note", 1): 28,
        ("price", 1, "note", 1, "by"): 29,
        ("price", 1, "note", 1, ""): 30,
        ("price", 1, "note", 1, "tab"): 31,
    }
    assert set(locate(DOCUMENT)) == paths(tomllib.loads(DOCUMENT))


def test_crlf() -> None:
    """Carriage returns before line ends change no line."""
    assert locate(DOCUMENT.replace("\n", "\r\n")) == locate(DOCUMENT)


KEYS = st.one_of(
    st.sampled_from(["a", "b", "c", "-", "0", "true"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
SCALARS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.booleans(),
    st.floats(allow_nan=False),
    st.text(st.sampled_from("ab\"'\\\n#[]{}=,é")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)


def quoted(text: str) -> str:
    """A basic string, which JSON's are too, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def bare(key: str) -> bool:
    return key.isascii() and key.replace("-", "a").replace("_", "a").isalnum()


class Writer:
    """Writes a parsed document as TOML, choosing among the ways to say the same."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def choose(self, *options: str) -> str:
        return str(self.draw(st.sampled_from(options)))

    def key(self, key: str) -> str:
        ways = [quoted(key)]
        if bare(key):
            ways.append(key)
        if not any(character == "'" or ord(character) < 32 or ord(character) == 127 for character in key):
            ways.append(f"'{key}'")
        return self.choose("", " ") + self.choose(*ways) + self.choose("", " ")

    def value(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, list):
            blank = self.choose("", " ", "\n", " # a ] comment\n")
            parts = [self.value(item) + blank for item in value]
            tail = self.choose("", ",") if parts else ""
            return "[" + blank + f",{blank}".join(parts) + tail + blank + "]"
        if isinstance(value, dict):
            return "{" + ",".join(f"{self.key(key)}={self.value(item)}" for key, item in value.items()) + "}"
        return repr(value)

    def string(self, text: str) -> str:
        ways = [quoted(text)]
        if "'" not in text:
            ways.append(f"'''\n{text}'''")
        if "\\" not in text:
            ways.append('"""' + text.replace('"""', '""\\"') + '"""' if not text.startswith("\n") else quoted(text))
        return self.choose(*ways)

    def table(self, values: dict[str, Any], header: str) -> list[str]:
        lines, later = [], []
        for key, value in values.items():
            full = f"{header}.{self.key(key)}" if header else self.key(key)
            if isinstance(value, dict) and self.choose("here", "header") == "header":
                later += [f"[{full}]", *self.table(value, full)]
            elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                for item in value:
                    later += [f"[[{full}]]", *self.table(item, full)]
            elif isinstance(value, dict) and value and self.choose("inline", "dotted") == "dotted":
                lines += [f"{self.key(key)}.{self.key(inner)} = {self.value(item)}" for inner, item in value.items()]
            else:
                lines.append(f"{self.key(key)} = {self.value(value)} {self.choose('', '# = [x]')}")
        return [*lines, self.choose("", "  ", "# [y]"), *later]


@st.composite
def documents(draw: Any) -> str:
    return "\n".join(Writer(draw).table(draw(DOCUMENTS), ""))


def shown(key: str, line: str) -> bool:
    """Whether the line has the key, in one of the ways it can be written."""
    return key in line or quoted(key) in line


@given(documents())
def test_agrees_with_tomllib(text: str) -> None:
    """Every path that tomllib yields has a line, nothing else has, and the line of a key contains it."""
    found = locate(text)
    assert set(found) == paths(tomllib.loads(text))
    lines = text.replace("\r\n", "\n").split("\n")
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert shown(path[-1], lines[line - 1]), (path, line)
