"""Words of clients and models on a terminal: they are shown as they are, and never obeyed."""

from __future__ import annotations

from rich.text import Text

MOST_CHARACTERS = 200


def plain_text(words: str, most: int = MOST_CHARACTERS) -> Text:
    """Words without markup, line ends or control codes in them (those are escaped, ESC as `\\x1b`), cut at `most`."""
    cut = words if len(words) <= most else words[: most - 3] + "..."
    return Text("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cut))
