"""Writes the tables of docs/signals.md anew: `python -m tests.signals.docs_page`."""

from __future__ import annotations

from pathlib import Path

from trimtab.signals.export.page import tables

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"
BEGIN = "\n## Behaviour\n"


def with_tables(page: str) -> str:
    """The page with the tables as the catalogue has them."""
    return page.split(BEGIN, maxsplit=1)[0] + "\n" + tables()


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
