"""Is anything wrong, and since when?"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts


class Overview(Struct, frozen=True):
    """The tasks of the range."""

    tasks: tuple[str, ...] = ()


async def build(asked: Asked, parts: Parts) -> Built[Overview]:
    """The tasks and what they do."""
    return Built(Overview(asked.tasks))


PAGE: Final = Page("overview", "/", "Overview", "is anything wrong, and since when", Overview, build, "Overview", "o")
