"""Shapes of tools' answers as they are learned: planted changes are found and classed, natural variety is none."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from math import comb
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lock.planted import PLANTED, Planted, base
from tests.lock.tool_families import FAMILIES
from trimtab.contracts.shapes import Place, field_path, parse, places, shape_of, shape_of_value
from trimtab.lock.shape_classes import Known, LearnedShape, compare, of_answer, parent_of, read_pinned
from trimtab.lock.shape_counts import ALPHA, MIN_ANSWERS, chance
from trimtab.lock.shape_learning import (
    MAX_PATHS,
    Open,
    ToolShape,
    accept,
    from_locked,
    learned_shape,
    observe,
)

SECOND_NS = 10**9


def answer(value: Any) -> dict[str, Place]:
    text = value if isinstance(value, str) else json.dumps(value)
    return {place.path: place for place in places(parse(shape_of(text)))}


class Tool:
    """A tool that answers, each time in a run of its own."""

    def __init__(self, known: ToolShape | None = None) -> None:
        self.shape = known or ToolShape()
        self.began: list[Open] = []
        self.ended: list[Open] = []
        self._answers = 0

    def answers(self, *values: Any) -> Tool:
        for value in values:
            self._answers += 1
            step = observe(self.shape, answer(value), self._answers * SECOND_NS, f"r{self._answers}")
            self.began += step.began
            self.ended += step.ended
        return self

    @property
    def found(self) -> set[tuple[str, str]]:
        return {(one.path, one.what) for one in self.began}

    @property
    def paths(self) -> dict[str, str]:
        return {path: str(known) for path, known in learned_shape(self.shape).paths.items()}


def drawn(count: int, seed: int = 7) -> Iterable[Any]:
    draw = random.Random(seed)
    return [base(draw) for _ in range(count)]


def changed(planted: Planted, values: Iterable[Any]) -> Iterable[Any]:
    return [planted.change(json.loads(json.dumps(value))) for value in values]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_change_is_noticed_and_classed(planted: Planted) -> None:
    """Of live answers, 10 of the new shape after 200 of the old make it certain, and nothing else is said."""
    tool = Tool().answers(*drawn(200))
    assert tool.began == []
    tool.answers(*changed(planted, drawn(10, seed=8)))
    assert tool.found == planted.found
    classes = {one.change.class_ for one in tool.began}
    assert ("major" if "major" in classes else "minor") == planted.class_


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_change_is_seen_in_one_answer(planted: Planted) -> None:
    """Held against what was learned, a single answer shows the same changes; an unchanged one shows none."""
    known = learned_shape(Tool().answers(*drawn(200)).shape)
    for value in drawn(20, seed=9):
        assert compare(known, parse(shape_of_value(value))) == ()
    [value] = changed(planted, drawn(1, seed=10))
    text = value if isinstance(value, str) else json.dumps(value)
    assert {(one.path, one.what) for one in compare(known, parse(shape_of(text)))} == planted.found


@pytest.mark.parametrize("family", FAMILIES)
def test_natural_variety_is_no_drift(family: str) -> None:
    """1,250 answers of each of 8 families, 10,000 in all: optional and nullable fields, long and empty lists, maps."""
    draw = random.Random(f"natural {family}")
    tool = Tool().answers(*(FAMILIES[family](draw) for _ in range(1250)))
    assert tool.began == []


def test_how_soon_a_loss_is_certain() -> None:
    """The chance of k in a row without a field after n with it is 1 / C(n + 1 + k, k): it must reach 1e-7."""
    for before, expected in ((30, 7), (100, 5), (1000, 3)):
        assert 1 / comb(before + 1 + expected, expected) <= ALPHA < 1 / comb(before + expected, expected - 1)
        tool = Tool().answers(*[{"id": 1}] * before)
        tool.answers(*[{}] * (expected - 1))
        assert tool.began == []
        assert tool.answers({}).found == {("$.id", "lost")}


def test_the_predictive_chance() -> None:
    """With nothing seen in n answers it is 1 / C(n + 1 + k, k) for k of k; over all counts it sums to 1."""
    assert chance(0, 30, 7, 7) == pytest.approx(1 / comb(38, 7))
    assert sum(chance(3, 50, again, 12) for again in range(13)) == pytest.approx(1.0)
    assert chance(0, 0, 1, 1) == pytest.approx(0.5)


def test_a_rare_absence_is_learned_without_a_word() -> None:
    """A field that is missing once becomes an optional one."""
    tool = Tool().answers(*[{"id": 1, "note": "x"}] * 60, {"id": 1}, *[{"id": 1, "note": "x"}] * 20)
    assert tool.began == []
    assert tool.paths == {"$": "object", "$.id": "number", "$.note": "string, optional"}


def test_a_field_that_is_only_sometimes_there_any_more() -> None:
    """Half of the answers without it are drift, though no run of them is long."""
    tool = Tool().answers(*[{"id": 1, "note": "x"}] * 200)
    tool.answers(*[{"id": 1}, {"id": 1, "note": "x"}] * 10)
    assert tool.found == {("$.note", "optional")}


def test_a_new_field_in_some_answers() -> None:
    """A field that comes with every third answer is new; one that comes once in a hundred is taken up silently."""
    tool = Tool().answers(*[{"id": 1}] * 200)
    tool.answers(*[{"id": 1, "tip": 1}, {"id": 1}, {"id": 1}] * 10)
    assert tool.found == {("$.tip", "new")}
    rare = Tool().answers(*[{"id": 1}] * 200)
    rare.answers(*[{"id": 1, "tip": 1}, *[{"id": 1}] * 99] * 3)
    assert rare.began == []
    assert rare.paths["$.tip"] == "number, optional"


def test_names_that_are_data_are_learned_to_be() -> None:
    """Ever new names are those of a map: they do not fill what is known, nor hide the fields beside them."""
    draw = random.Random(5)
    words = ["".join(draw.choices("abcdefghijklmnop", k=7)) for _ in range(20_000)]
    tool = Tool()
    for start in range(0, 20_000, 20):
        tool.answers({"counts": dict.fromkeys(words[start : start + 20], 1), "language": "en"})
    assert tool.began == []
    assert tool.shape.maps == ["$.counts"]
    assert len(tool.shape.paths) < MAX_PATHS
    assert tool.paths == {"$": "object", "$.counts": "object", "$.counts.*": "number", "$.language": "string"}
    again = Tool(from_locked(learned_shape(tool.shape), "digest"))
    again.answers(*[{"counts": {word: 1}, "language": "en"} for word in words[:200]])
    assert (again.began, again.shape.maps) == ([], ["$.counts"])
    tool.answers(*[{"counts": {word: 1, "total": 9}} for word in words[:10]])
    assert tool.found == {("$.language", "lost"), ("$.counts.total", "new")}


def test_one_run_is_one_witness() -> None:
    """Within a minute; after it the same run may say it again."""
    tool = ToolShape()
    for number in range(100):
        observe(tool, answer({"id": 1}), number * SECOND_NS, f"r{number}")
    for number in range(20):
        assert observe(tool, answer({}), 200 * SECOND_NS + number, "r").began == ()
    assert tool.answers == 101
    found = [observe(tool, answer({}), (300 + 61 * number) * SECOND_NS, "r").began for number in range(9)]
    assert [one.what for step in found for one in step] == ["lost"]


def test_what_is_over_is_told_and_what_goes_on_is_not_repeated() -> None:
    """A drift ends with 8 answers in a row that do not show it."""
    tool = Tool().answers(*[{"id": 1}] * 100).answers(*[{"id": "x"}] * 300)
    assert [one.path for one in tool.began] == ["$.id"]
    tool.answers(*[{"id": 1}] * 7)
    assert tool.ended == []
    tool.answers({"id": 1})
    assert [one.path for one in tool.ended] == ["$.id"]


def test_what_is_accepted_is_the_shape_from_then_on() -> None:
    """Going back to what was before is then the drift."""
    tool = Tool().answers(*[{"id": 1, "old": 1}] * 100).answers(*[{"id": "x", "new": 1}] * 60)
    assert tool.paths == {"$": "object", "$.id": "string", "$.new": "number"}
    accept(tool.shape)
    assert tool.shape.open == {}
    tool.began.clear()
    tool.answers(*[{"id": 1, "new": 1}] * 10)
    assert tool.found == {("$.id", "retyped")}


def test_a_locked_shape_is_as_good_as_the_answers_it_was_learned_from() -> None:
    """What was learned, locked and read again notices the same changes, and knows the same optional fields."""
    learned = learned_shape(Tool().answers(*drawn(200)).shape)
    again = read_pinned(json.loads(json.dumps(learned.pinned())))
    assert again == learned
    tool = Tool(from_locked(again, "digest")).answers(*drawn(100, seed=11))
    assert tool.began == []
    assert tool.answers(*[{**value, "state": 1} for value in drawn(10)]).found == {("$.state", "retyped")}


def test_a_tool_of_few_answers_has_no_drift_yet() -> None:
    """Nothing is noticed before 30 answers."""
    tool = Tool().answers(*[{"id": 1}] * (MIN_ANSWERS // 2), *[{"id": "x"}] * (MIN_ANSWERS // 2 - 1))
    assert tool.began == []
    assert tool.paths == {"$": "object", "$.id": "number|string"}


def test_paths_are_bounded() -> None:
    """A tool with more paths than are kept is known by those that came first, and it is told how many did not."""
    wide = {f"{a}{b}{c}": 1 for a in "abcdefghij" for b in "abcdefghij" for c in "abcdefg"}
    tool = Tool().answers(*[{part: dict(list(wide.items())[start:start + 200]) for part, start in
                             (("one", 0), ("two", 200), ("three", 400))}] * 3)  # fmt: skip
    assert len(tool.shape.paths) == MAX_PATHS
    assert tool.shape.left_out > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_an_answer_does_not_differ_from_itself(value: Any) -> None:
    """Whatever it is."""
    shape = parse(shape_of_value(value))
    assert compare(of_answer(shape), shape) == ()


@given(st.lists(JSON, min_size=1, max_size=8))
def test_an_answer_that_was_learned_from_breaks_nothing(values: list[Any]) -> None:
    """What was seen while learning is part of what is known; a cut shape says nothing against it."""
    tool = Tool().answers(*values)
    for value in values:
        found = compare(learned_shape(tool.shape), parse(shape_of_value(value)))
        assert [one for one in found if one.what in ("lost", "optional", "retyped", "null")] == []


@given(st.text(max_size=6), st.text(max_size=6))
def test_the_parent_of_a_path(outer: str, inner: str) -> None:
    """However odd the names are."""
    parent = field_path("$", outer)
    assert parent_of(field_path(parent, inner)) == parent
    assert parent_of(f"{parent}[]") == parent
    assert parent_of(f"{parent}.*") == parent
    assert parent_of(parent) == "$"


@pytest.mark.parametrize(
    "pinned", [{}, {"answers": 1}, {"answers": "1", "paths": {}}, {"answers": 1, "paths": {"$": 1}}]
)
def test_what_is_no_learned_shape(pinned: dict[str, Any]) -> None:
    """A lock that was edited by hand is refused."""
    with pytest.raises(ValueError, match="not a learned shape"):
        read_pinned(pinned)


def test_how_changes_are_told() -> None:
    """In words that name the path and both sides."""
    known = LearnedShape(9, {"$": Known(frozenset({"object"})), "$.id": Known(frozenset({"number"})),
                             "$.who": Known(frozenset({"string", "null"}), always=False)})  # fmt: skip
    found = compare(known, parse("{who:boolean,more:[integer]}"))
    assert [str(one) for one in found] == [
        "$.id (number) is lost",
        "$.more is new (array)",
        "$.who is boolean now, it was null|string, optional",
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(JSON, st.integers(1, 40)), min_size=1, max_size=6))
def test_whatever_a_tool_answers_what_is_known_stays_sound(blocks: list[tuple[Any, int]]) -> None:
    """Any sequence of answers: counts add up, every path has its parent, and what was kept is read back as it was."""
    tool = Tool()
    for value, times in blocks:
        tool.answers(*[value] * times)
        known = tool.shape
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=ToolShape) == known
        for path, counts in known.paths.items():
            assert counts.parent == parent_of(path)
            assert not counts.parent or counts.parent in known.paths
            assert all(counts.total(name) <= counts.answers for name in counts.names())
        learned = learned_shape(known)
        assert read_pinned(learned.pinned()) == learned
    accept(tool.shape)
    assert tool.shape.open == {}
    assert all(counts.parent in tool.shape.paths for path, counts in tool.shape.paths.items() if path != "$")
