"""Dashboards are whole: places, ids, titles and units, and no address in them."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from trimtab.signals.export.dashboards import dashboards

FOUND = dashboards()
PANELS = [(name, panel) for name, board in FOUND.items() for panel in board["panels"]]


def rectangle(panel: dict[str, Any]) -> tuple[int, int, int, int]:
    place = panel["gridPos"]
    return place["x"], place["y"], place["x"] + place["w"], place["y"] + place["h"]


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    left, top, right, bottom = rectangle(one)
    left_2, top_2, right_2, bottom_2 = rectangle(other)
    return left < right_2 and left_2 < right and top < bottom_2 and top_2 < bottom


@pytest.mark.parametrize("name", FOUND)
def test_panels_have_their_own_place(name: str) -> None:
    """No two panels overlap, none is wider than the page, and ids are unique."""
    panels = FOUND[name]["panels"]
    assert not any(overlap(one, other) for one, other in combinations(panels, 2))
    assert all(rectangle(panel)[0] >= 0 and rectangle(panel)[2] <= 24 for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=lambda one: one if isinstance(one, str) else one["title"])
def test_a_panel_says_what_it_shows(name: str, panel: dict[str, Any]) -> None:
    """Each has a title; each chart a unit, words, and expressions that ask the chosen data source."""
    assert panel["title"]
    if panel["type"] != "text":
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert all(target["expr"] and target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("name", FOUND)
def test_behaviour_stands_left_of_infrastructure(name: str) -> None:
    """Two columns, headed; the left one is about behaviour, or about what the gateway sees of replicas."""
    heads = [panel["title"] for panel in FOUND[name]["panels"] if panel["type"] == "text"]
    assert heads in (["Behaviour", "Infrastructure"], ["Seen by the gateway", "Told by the engine"])


def test_nothing_of_a_host() -> None:
    """No address, no data source of somebody's own, no id of a database."""
    text = json.dumps(FOUND)
    assert not re.search(r"https?://|localhost|\d+\.\d+\.\d+\.\d+", text)
    assert all("id" not in board and board["uid"] == name for name, board in FOUND.items())


@pytest.mark.parametrize("name", FOUND)
def test_variables_are_declared(name: str) -> None:
    """Every $variable in an expression is one of the dashboard's."""
    declared = {one["name"] for one in FOUND[name]["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps(FOUND[name]["panels"])))
    assert used <= declared
