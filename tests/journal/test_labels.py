"""Answers that people label: what is kept, who labels what next, and what is told to whom."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.database.migrate import open_state
from trimtab.errors import InvalidRequest
from trimtab.journal.labels import MOST_ROWS, Label, Labelling, LabelStore, Row, next_for, told

SET = Labelling("helpful", "extract", "Does it help?")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with contextlib.closing(open_state(tmp_path / "state.db")) as state:
        made = LabelStore(state)
        made.make(SET)
        yield made


def label(item: str, reviewer: str, value: float, at_ns: int = 1) -> Label:
    return Label(item, reviewer, reviewer, value, "", at_ns)


def test_a_row_is_there_once(store: LabelStore) -> None:
    """The same line counts once in a set, and again in another one."""
    assert store.add("helpful", ["a", "b", "a"], "here") == 2
    assert store.add("helpful", ["b", "c"], "there") == 1
    assert [one.line for one in store.items("helpful")] == ["a", "b", "c"]
    store.make(Labelling("other", "extract", "Is it polite?"))
    assert store.add("other", ["a"], "") == 1


def test_too_many_rows_leave_the_set_as_it_was(store: LabelStore) -> None:
    """A set has at most 2,000 rows: one more is refused, and none of them is put in."""
    store.add("helpful", [str(number) for number in range(MOST_ROWS)], "")
    with pytest.raises(InvalidRequest, match="at most 2,000"):
        store.add("helpful", ["new", "newer"], "")
    assert len(store.items("helpful")) == MOST_ROWS


def test_a_label_is_changed_and_not_doubled(store: LabelStore) -> None:
    """Who thinks again has one label; what was said is kept with who said it."""
    store.add("helpful", ["a"], "")
    item = store.items("helpful")[0].id
    store.put(label(item, "ana", 1.0))
    store.put(label(item, "ana", 0.0))
    store.put(label(item, "ben", 1.0, 2))
    assert [(one.reviewer, one.value) for one in store.rows("helpful")[0].labels] == [("ana", 0.0), ("ben", 1.0)]


def test_a_set_goes_with_all_that_is_in_it(store: LabelStore) -> None:
    """Dropping a set drops its rows and labels; a name that is none drops nothing."""
    store.add("helpful", ["a"], "")
    item = store.items("helpful")[0].id
    store.put(label(item, "ana", 1.0))
    assert store.drop("helpful")
    assert not store.drop("helpful")
    assert store.item(item) is None
    store.make(SET)
    assert store.rows("helpful") == ()


def test_a_second_reviewer_comes_to_what_the_first_began() -> None:
    """Rows that others began come first, so that they get whole; then new ones; then what is disputed."""
    begun = Row("begun", 1, (label("begun", "ana", 1.0),))
    disputed = Row("disputed", 2, (label("disputed", "ana", 1.0), label("disputed", "ben", 0.0)))
    agreed = Row("agreed", 3, (label("agreed", "ana", 1.0), label("agreed", "ben", 1.0)))
    rows = [Row("new", 0, ()), begun, disputed, agreed]

    def waits(reviewer: str, those: list[Row]) -> str:
        found = next_for(SET, those, reviewer)
        return found.id if found is not None else ""

    assert waits("ben", rows) == "begun"
    assert waits("ana", rows) == "new"
    assert waits("cleo", [disputed, agreed]) == "disputed"
    assert waits("ana", [disputed, agreed]) == ""


def test_a_dispute_ends_with_a_third_label() -> None:
    """Once a third one has said what they think, nobody is asked again."""
    three = (label("x", "ana", 1.0), label("x", "ben", 0.0), label("x", "cleo", 1.0))
    assert Row("x", 0, three[:2]).is_disputed(2)
    assert not Row("x", 0, three).is_disputed(2)
    assert next_for(SET, [Row("x", 0, three)], "dora") is None


def test_nobody_is_told_too_early() -> None:
    """With one label of two a row tells it to whoever said it alone; with two it tells both to everybody."""
    one, two = label("x", "ana", 1.0), label("x", "ben", 0.0)
    assert told(SET, Row("x", 0, (one,)), "ben").labels == ()
    assert told(SET, Row("x", 0, (one,)), "ana").labels == (one,)
    assert told(SET, Row("x", 0, (one, two)), "cleo").labels == (one, two)


def test_keys_have_values_from_0_to_1() -> None:
    """Yes is 1 and no is 0; one to five are quarters; of two answers the second is 1 and neither a half."""
    assert {key: value for key, (_, value) in SET.keys.items()} == {"y": 1.0, "n": 0.0}
    five = Labelling("five", "t", "How good?", scale=5)
    assert [value for _, value in five.keys.values()] == [0.0, 0.25, 0.5, 0.75, 1.0]
    pair = Labelling("pair", "t", "Which?", "pairwise", 3)
    assert [value for _, value in pair.keys.values()] == [0.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("name", "question", "kind", "scale", "reviewers"),
    [
        ("../x", "q", "rubric", 2, 2),
        ("", "q", "rubric", 2, 2),
        ("x", " ", "rubric", 2, 2),
        ("x", "q" * 2001, "rubric", 2, 2),
        ("x", "q", "rubric", 10, 2),
        ("x", "q", "rubric", 1, 2),
        ("x", "q", "pairwise", 2, 2),
        ("x", "q", "rubric", 2, 0),
    ],
)
def test_what_is_no_set_is_refused(name: str, question: str, kind: str, scale: int, reviewers: int) -> None:
    """Names, questions and scales that cannot be are told with what to do."""
    with pytest.raises(InvalidRequest):
        Labelling(name, "t", question, kind, scale, reviewers)  # type: ignore[arg-type]


def test_two_sets_cannot_have_one_name(store: LabelStore) -> None:
    """A second set of a name is refused."""
    with pytest.raises(InvalidRequest, match="already"):
        store.make(SET)
