"""The language of a text, as a category.

Found by py3langid (Lui and Baldwin, ACL 2012: naive Bayes over byte n-grams), among 139 languages.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

MAX_CHARACTERS: Final = 500
"""Of a text; what follows is passed over."""
LEAST_LETTERS: Final = 20
SHORT: Final = "(short)"


def language(text: str) -> str:
    """The ISO 639-1 code of a text's language, `zxx` for what is none, `(short)` for fewer than twenty letters.

    "" where py3langid is not installed (it comes with the extra `control`). The first call loads its model: 90 MB of
    memory, half a second.
    """
    head = text[:MAX_CHARACTERS]
    if sum(map(str.isalpha, head)) < LEAST_LETTERS:
        return SHORT
    classify = _classifier()
    return str(classify(head)[0]) if classify is not None else ""


@cache
def _classifier() -> Any:
    return import_module("py3langid").classify if find_spec("py3langid") is not None else None
