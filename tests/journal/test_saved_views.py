"""Filters that somebody named, in state.db."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from trimtab.database.migrate import open_state
from trimtab.errors import InvalidRequest
from trimtab.journal.saved_views import MOST_FILTER, MOST_NAME, MOST_VIEWS, SavedView, SavedViews


@pytest.fixture
def views(tmp_path: Path) -> Iterator[SavedViews]:
    with closing(open_state(tmp_path / "state.db")) as state:
        yield SavedViews(state)


def test_views_are_kept_by_name(views: SavedViews, tmp_path: Path) -> None:
    """What is kept comes back in the order of names, also for whoever opens the file anew; a name has one filter."""
    first, second = SavedView("slow", "order=slowest", "ana", 1), SavedView("bad answers", "failing=true", "ben", 2)
    views.keep(first)
    views.keep(second)
    assert views.all() == (second, first)
    later = SavedView("slow", "order=slowest&task=route", "ben", 3)
    views.keep(later)
    with closing(open_state(tmp_path / "state.db")) as again:
        assert SavedViews(again).all() == (second, later)


def test_a_view_is_let_go(views: SavedViews) -> None:
    """A view is dropped once; of another name there was none."""
    views.keep(SavedView("slow", "order=slowest", "ana", 1))
    assert [views.drop("slow"), views.drop("slow"), views.drop("other")] == [True, False, False]
    assert views.all() == ()


@pytest.mark.parametrize("name", ["", " ", "a ", "x" * (MOST_NAME + 1), "a\nb", "\u202eevil", "\x1b[31m"])
def test_names_that_are_refused(name: str) -> None:
    """A name can be read: not empty, not long, no control."""
    with pytest.raises(InvalidRequest, match="name"):
        SavedView(name, "", "ana", 1)


def test_bounds(views: SavedViews) -> None:
    """A filter has a longest length; of too many views the next is refused, while one that is there can be changed."""
    with pytest.raises(InvalidRequest, match="filter"):
        SavedView("a", "x" * (MOST_FILTER + 1), "ana", 1)
    for number in range(MOST_VIEWS):
        views.keep(SavedView(f"view {number}", "", "ana", 1))
    with pytest.raises(InvalidRequest, match="delete one first"):
        views.keep(SavedView("one more", "", "ana", 1))
    views.keep(SavedView("view 0", "failing=true", "ben", 2))
    assert views.all()[0].filter == "failing=true"
