"""Texts that stand openly in `trimtab.lock` and in version control, so that no secret may be among them."""

from __future__ import annotations

import re
from typing import Final

from trimtab.declare.masks import holds_secret
from trimtab.declare.values import Wrong, text

SECRET_WORD: Final = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)")
OPTION: Final = re.compile(r"--?([A-Za-z0-9_-]+)(?:=.*)?", re.DOTALL)
INSTEAD: Final = "take it out: what is written here is locked and kept in version control"


def open_text(value: object) -> str:
    """A plain string of one line in which no secret can be recognised; one that holds one is not repeated."""
    found = text(value)
    if holds_secret(found):
        raise Wrong("a text that holds what looks like a secret (not repeated here)", INSTEAD)
    return found


def flag(value: object) -> str:
    """A word of a command line, which gives no secret to an option that takes one."""
    found = open_text(value)
    option = OPTION.fullmatch(found)
    if option and looks_secret(re.split(r"[-_]", option[1].upper())[-1]):
        raise Wrong(f"the option {option[0].partition('=')[0]}, which takes a secret", INSTEAD)
    return found


def check_variable(name: str) -> None:
    """Raises `Wrong` for the name of an environment variable that holds a secret, by the look of it."""
    if any(looks_secret(word) for word in name.upper().split("_")):
        raise Wrong("the name of what looks like a secret", INSTEAD)


def looks_secret(word: str) -> bool:
    """Whether an upper-case word of a name says that it names a secret: APIKEY does, TOKENIZER does not."""
    return any(match.end() == len(word) for match in SECRET_WORD.finditer(word))
