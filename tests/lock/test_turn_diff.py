"""What changed between the turns of two prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.lock.lockfile import entry
from trimtab.lock.turn_diff import Said, turn_changes, turns_of

TURNS = st.lists(st.builds(Said, st.sampled_from(("system", "user")), st.text("ab \n", max_size=8)), max_size=6)


def test_a_turn_that_is_put_in_leaves_the_others_alone() -> None:
    """The system turn stays, the example is new, the question changed by one word."""
    before = [Said("system", "Be brief."), Said("user", "Sort this: {{ text }}")]
    after = [Said("system", "Be brief."), Said("assistant", "Yes."), Said("user", "Sort this: {{ text }}")]
    assert [(one.role, one.kind) for one in turn_changes(before, after)] == [
        ("system", "same"),
        ("assistant", "added"),
        ("user", "same"),
    ]
    [back] = [one for one in turn_changes(after, before) if one.kind != "same"]
    assert (back.role, back.kind, back.pieces) == ("assistant", "removed", (("out", "Yes."),))


def test_another_role_of_a_turn() -> None:
    """What it was is told beside what it is."""
    [change] = turn_changes([Said("system", "Hi")], [Said("user", "Hi there")])
    assert (change.role, change.was, change.kind) == ("user", "system", "changed")
    assert change.pieces == (("same", "Hi"), ("in", " there"))


@given(TURNS, TURNS)
def test_pieces_make_both_texts(before: list[Said], after: list[Said]) -> None:
    """What is not new makes up the turns of before in their order, what is not gone those of after."""
    changes = turn_changes(before, after)
    old = ["".join(text for kind, text in one.pieces if kind != "in") for one in changes if one.kind != "added"]
    new = ["".join(text for kind, text in one.pieces if kind != "out") for one in changes if one.kind != "removed"]
    assert (old, new) == ([one.text for one in before], [one.text for one in after])


def test_turns_that_a_lock_pins() -> None:
    """Their lines are one text; what is laid out otherwise has none."""
    pinned = entry("prompts", "t", {"turns": [{"role": "user", "text": ["a", "b"]}]})
    assert turns_of(pinned) == (Said("user", "a\nb"),)
    assert turns_of(entry("prompts", "t", {"turns": "none"})) == ()
    assert turns_of(None) == ()
