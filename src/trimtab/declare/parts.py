"""Shared parts of prompts: the files of `prompts/`, whose text takes the place of `{% include "NAME" %}`.

They are put in when the declaration is read, so that a template that is rendered includes nothing.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import TemplateSyntaxError

from trimtab.declare import files, templates
from trimtab.declare.inclusions import inclusions, scan
from trimtab.declare.mistakes import Mistakes, nearest
from trimtab.declare.project import FileDigest
from trimtab.declare.source import read_exact
from trimtab.declare.values import Wrong, show

FOLDER: Final = "prompts"
DEEPEST: Final = 8
MAX_CHARACTERS: Final = 1 << 20
MARKER: Final = re.compile(r"(system|user|assistant):[ \t]*")
NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}){0,7}")


class Expanded(NamedTuple):
    """A text with its parts put in, the files these came from, and how deep they lie within each other."""

    text: str
    files: frozenset[FileDigest] = frozenset()
    depth: int = 0


class Parts:
    """Reads the shared parts of a project's prompts, each once."""

    def __init__(self, root: Path, mistakes: Mistakes) -> None:
        self.root = root
        self.mistakes = mistakes
        self._expanded: dict[str, Expanded | None] = {}

    def expand(self, text: str, path: str, line: int, above: tuple[str, ...] = ()) -> Expanded | None:
        """A text, which begins at a line of a file, with the parts that it includes; None, and mistakes, without them.

        `above` are the parts that lie around it. What includes nothing is not looked at.
        """
        try:
            tags = inclusions(text)
        except TemplateSyntaxError as wrong:
            what = f"the template cannot be read: {wrong.message}"
            self.mistakes.add(path, line + wrong.lineno - 1, what, "correct it (docs: Prompts)")
            return None
        if not tags:
            return Expanded(text)
        pieces, at, found = [], 0, list[Expanded]()
        for tag in tags:
            part = self._part(tag.name, path, line + tag.line - 1, above)
            if part is not None:
                found.append(part)
                pieces += [text[at : tag.start], part.text]
                at = tag.end
        if len(found) < len(tags):
            return None
        pieces.append(text[at:])
        if sum(map(len, pieces)) > MAX_CHARACTERS:
            what = f"with what it includes, the text is over {MAX_CHARACTERS} characters"
            self.mistakes.add(path, line, what, "include less")
            return None
        included = frozenset[FileDigest]().union(*(part.files for part in found))
        return Expanded("".join(pieces), included, max((part.depth for part in found), default=0))

    def _part(self, name: str, path: str, line: int, above: tuple[str, ...]) -> Expanded | None:
        """The part of that name, as it is included at a line of a file."""
        where = f"{FOLDER}/{name}"
        wrong = self._unfit(name, where, above)
        if wrong is not None:
            self.mistakes.add(path, line, wrong.what, wrong.instead)
            return None
        if where not in self._expanded:
            self._expanded[where] = self._read(where, (*above, where))
        part = self._expanded[where]
        if part is not None and len(above) + part.depth > DEEPEST:
            self.mistakes.add(path, line, f"{where} lies over {DEEPEST} inclusions deep", "include less deeply")
            return None
        return part

    def _unfit(self, name: str, where: str, above: tuple[str, ...]) -> Wrong | None:
        """Why a part cannot be included."""
        if not NAME.fullmatch(name):
            return Wrong(f"{show(name)} is not the name of a shared part", f"write that of a file in {FOLDER}/")
        if where in above:
            circle = " -> ".join((*above[above.index(where) :], where))
            return Wrong(f"an inclusion goes in a circle: {circle}", "take one of them out")
        if len(above) >= DEEPEST:
            return Wrong(f"{where} lies over {DEEPEST} inclusions deep", "include less deeply")
        try:
            inside = files.is_inside(self.root, self.root / where)
        except (OSError, RuntimeError):
            close = nearest(name, self._names())
            return Wrong(f"there is no {where}", f"did you mean {close}?" if close else "write it")
        return None if inside else Wrong(f"{where} is a link out of the project", "keep the file itself there")

    def _names(self) -> list[str]:
        folder = self.root / FOLDER
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()][:1000]

    def _read(self, where: str, above: tuple[str, ...]) -> Expanded | None:
        """A part with what it includes itself; blank lines at both its ends are left out."""
        text = read_exact(self.root, where, self.mistakes, "write it")
        if text is None:
            return None
        lines = text.split("\n")
        markers = [number for number, line in enumerate(lines, 1) if MARKER.fullmatch(line)]
        for number in markers:
            what = f"the line {show(lines[number - 1].strip())} would begin a turn, which a shared part cannot"
            self.mistakes.add(where, number, what, "indent it, or begin the turn in prompt.md")
        written = [number for number, line in enumerate(lines) if line.strip()]
        if not written:
            self.mistakes.add(where, 1, "the shared part is empty", "write its text, or take its inclusions out")
        if markers or not written:
            return None
        own = "\n".join(lines[written[0] : written[-1] + 1]).rstrip()
        return self._whole(own, text, where, written[0] + 1, above)

    def _whole(self, own: str, text: str, where: str, line: int, above: tuple[str, ...]) -> Expanded | None:
        try:
            templates.check(own)
        except TemplateSyntaxError as wrong:
            what = f"the template cannot be read: {wrong.message}"
            self.mistakes.add(where, line + wrong.lineno - 1, what, "correct it (docs: Prompts)")
            return None
        expanded = self.expand(own, where, line, above)
        if expanded is None:
            return None
        itself = FileDigest(where, hashlib.sha256(text.encode()).hexdigest())
        return Expanded(expanded.text, expanded.files | {itself}, expanded.depth + 1)

    def __repr__(self) -> str:
        return f"Parts({len(self._expanded)} read)"


def names_in(text: str) -> tuple[str, ...]:
    """What a text may include, by the look of it, whether it is a template or not."""
    return tuple(dict.fromkeys(one.name for one in scan(text)[0] if NAME.fullmatch(one.name)))
