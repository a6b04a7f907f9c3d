"""Text of models, clients and tools made harmless to look at: what cannot be seen, or changes how the rest is seen,
stands there as a sign of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

MOST_CHARACTERS: Final = 4000
"""Of a text that is shown at once; the rest folds."""
MOST_LINES: Final = 80
MOST_FOLDED: Final = 400_000
"""Of a text that is shown at all; what follows is left to the raw bytes."""

_INVISIBLE: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and line feed: escapes of terminals begin with one
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # bidi, zero width, separators
    "\U000e0000-\U000e0fff"  # tags, in which words can hide
    "\ud800-\udfff"  # halves of characters
    "]"
)
_PICTURES: Final = {number: chr(0x2400 + number) for number in range(0x20)} | {0x7F: "\u2421"}


def clean(text: str) -> str:
    """The text with a visible sign for every character that has none: `␛` for escape, `[U+202E]` for a bidi control.

    Tabs and line feeds stay, carriage returns before a line feed go. Halves of characters become U+FFFD. The joiners
    U+200C and U+200D stay: several languages are written with them.
    """
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub(_sign, text.replace("\r\n", "\n"))


def shown(text: str) -> Markup:
    """The text for HTML, escaped, the signs that `clean` puts in marked as such."""
    parts, at = [], 0
    text = text.replace("\r\n", "\n")
    for found in _INVISIBLE.finditer(text):
        parts.append(escape(text[at : found.start()]))
        parts.append(Markup('<span class="unseen">{}</span>').format(_sign(found)))
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


@dataclass(frozen=True)
class Folded:
    """A text in two: what is shown at once, and what only when asked for. `left_out` characters are not here at all."""

    head: str
    rest: str = ""
    left_out: int = 0


def folded(text: str, characters: int = MOST_CHARACTERS, lines: int = MOST_LINES) -> Folded:
    """A text cut where it gets long, at the end of a line if one ends not far before."""
    cut = min(len(text), characters)
    for number, line in enumerate(re.finditer("\n", text[:cut]), 1):
        if number == lines:
            cut = line.end()
            break
    if cut == len(text):
        return Folded(text)
    whole = text.rfind("\n", cut // 2, cut) + 1
    cut = whole or cut
    return Folded(text[:cut], text[cut:MOST_FOLDED], max(0, len(text) - max(cut, MOST_FOLDED)))


def short(text: str, most: int = 80) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "\u2026"


def wrapped(text: str, most: int) -> Markup:
    """The beginning of a text for the cell of a table, over several lines where the table has no room for one."""
    return Markup('<span class="wrap">{}</span>').format(shown(short(text, most))) if text else Markup("")


def _sign(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xD800 <= number <= 0xDFFF:
        return "\ufffd"
    return _PICTURES.get(number) or f"[U+{number:04X}]"
