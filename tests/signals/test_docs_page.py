"""The page on signals lists those there are, as they are."""

from __future__ import annotations

from tests.signals.docs_page import PAGE, with_tables
from trimtab.signals.catalogue import SIGNALS
from trimtab.signals.export.page import tables


def test_the_page_is_as_the_catalogue() -> None:
    """docs/signals.md holds exactly the tables of the catalogue; `python -m tests.signals.docs_page` writes them."""
    page = PAGE.read_text("utf-8")
    assert page == with_tables(page)


def test_every_signal_has_a_row() -> None:
    """Each signal stands in the tables once."""
    for signal in SIGNALS:
        assert tables().count(f"\n| `{signal.name}` |") == 1
