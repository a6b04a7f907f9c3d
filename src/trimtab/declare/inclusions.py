"""Where a template says `{% include "NAME" %}`: found in its text, in time that grows with its length alone."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from jinja2 import TemplateSyntaxError

from trimtab.declare import templates

MOST: Final = 1000
"""Inclusions in one text."""
FORM: Final = 'an inclusion is {% include "NAME" %}, on one line and with nothing else'
BEGINS: Final = re.compile(r"\{%[-+]?\s*include\b")
OPENER: Final = re.compile(r"\{[{%#]")
_STRING: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
TAGS: Final = {
    "{#": re.compile(r"\{#.*?#\}", re.DOTALL),
    "{%": re.compile(rf"""\{{%(?:{_STRING}|[^"'%]|%(?!\}}))*%\}}""", re.DOTALL),
    "{{": re.compile(rf"""\{{\{{(?:{_STRING}|[^"'}}]|\}}(?!\}}))*\}}\}}""", re.DOTALL),
}
INCLUSION: Final = re.compile(r"""\{%[ \t]*include[ \t]+(?:"([^"\\\n]*)"|'([^'\\\n]*)')[ \t]*%\}""")
RAW: Final = re.compile(r"\{%[-+]?\s*raw\s*-?%\}")
END_OF_RAW: Final = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")


class Inclusion(NamedTuple):
    """One inclusion: the name, its line in the text from 1, and where its tag begins and ends."""

    name: str
    line: int
    start: int
    end: int


def inclusions(text: str) -> list[Inclusion]:
    """The inclusions of a template, in their order; raises `TemplateSyntaxError` for what is none, and for too many."""
    if not BEGINS.search(text):
        return []
    found, is_sure = scan(text)
    if len(found) > MOST:
        raise TemplateSyntaxError(f"it includes more than {MOST} times", found[MOST].line)
    if is_sure:
        return found
    wanted = templates.inclusions(text)
    if [(one.name, one.line) for one in found] != wanted:
        seen = {(one.name, one.line) for one in found}
        raise TemplateSyntaxError(FORM, next((line for name, line in wanted if (name, line) not in seen), 1))
    return found


def scan(text: str) -> tuple[list[Inclusion], bool]:
    """The inclusions as they look, and whether Jinja2 surely sees the same tags.

    It may not where a brace stands within a tag, and says itself what is wrong where one has no end.
    """
    found, is_sure, at, line, counted = list[Inclusion](), True, 0, 1, 0
    while (opener := OPENER.search(text, at)) is not None and len(found) <= MOST:
        tag = TAGS[opener[0]].match(text, opener.start())
        if tag is None:
            return found, False
        at = tag.end()
        named = INCLUSION.fullmatch(tag[0]) if opener[0] == "{%" else None
        if named is not None:
            line += text.count("\n", counted, tag.start())
            counted = tag.start()
            found.append(Inclusion(named[1] if named[1] is not None else named[2], line, tag.start(), at))
        elif RAW.fullmatch(tag[0]):
            end = END_OF_RAW.search(text, at)
            if end is None:
                return found, False
            at = end.end()
        elif opener[0] != "{#" and ("{" in tag[0][2:] or BEGINS.match(tag[0])):
            is_sure = False
    return found, is_sure
