"""The rules of context strategies, on any history: what must stay does, in order, within the room, and only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.gateway.context.strategies import (
    Item,
    Room,
    TooLarge,
    keep_system_and_recent,
    places_of,
    steps,
    token_window,
    units_of,
)

Rule = Callable[[Sequence[Item], Room], tuple[int, ...]]


def user(tokens: int = 10) -> Item:
    return Item("user", tokens)


def said(tokens: int = 10, *calls: str) -> Item:
    return Item("assistant", tokens, calls)


def result(call: str, tokens: int = 10) -> Item:
    return Item("tool", tokens, (), (call,))


SYSTEM = Item("system", 10)
THINKING = Item("assistant", 10, reasons=True)
"""What a model reasoned, as an item of its own."""


def places(items: Sequence[Item], *, system: bool = False) -> list[tuple[int, ...]]:
    return [unit.places for unit in units_of(items, system=system)]


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([], []),
        ([SYSTEM], []),
        ([user(), said()], [(0,), (1,)]),
        ([user(), said(10, "a"), result("a"), said()], [(0,), (1, 2), (3,)]),
        ([said(10, "a", "b"), result("b"), result("a"), user()], [(0, 1, 2), (3,)]),
        ([said(10, "a"), user(), result("a")], [(0, 1, 2)]),
        ([said(10, "a"), SYSTEM, result("a")], [(0, 2)]),
        ([said(10, "a"), said(10, "b"), result("a"), result("b")], [(0, 1, 2, 3)]),
        ([said(10, "a"), result("a"), said(10, "a"), result("a")], [(0, 1), (2, 3)]),
        ([result("gone"), user()], [(0,), (1,)]),
        ([THINKING, said(10, "a"), said(10, "b"), result("a"), result("b"), user()], [(0, 1, 2, 3, 4), (5,)]),
        ([user(), THINKING, said(), user()], [(0,), (1, 2), (3,)]),
        ([said(), THINKING, said()], [(0,), (1, 2)]),
    ],
)
def test_units(items: list[Item], found: list[tuple[int, ...]]) -> None:
    """A call and its results are one unit, with what stands between; so is reasoning with what was said behind it."""
    assert places(items) == found


def test_units_with_the_systems() -> None:
    """System messages are units of their own where they are treated as any other."""
    assert places([SYSTEM, said(10, "a"), SYSTEM, result("a")], system=True) == [(0,), (1, 3), (2,)]


@pytest.mark.parametrize(
    ("rule", "room", "kept"),
    [
        (keep_system_and_recent, Room(), (0, 1, 2, 3, 4, 5)),
        (keep_system_and_recent, Room(60), (0, 1, 2, 3, 4, 5)),
        (keep_system_and_recent, Room(59), (0, 3, 4, 5)),  # the answer of place 2 would be the first
        (keep_system_and_recent, Room(30), (0, 5)),  # the answer of place 4 would be the first
        (keep_system_and_recent, Room(None, 3), (0, 3, 4, 5)),
        (keep_system_and_recent, Room(None, 1), (0, 5)),
        (keep_system_and_recent, Room(40, 2), (0, 5)),
        (token_window, Room(59), (1, 2, 3, 4, 5)),
        (token_window, Room(30), (3, 4, 5)),
        (token_window, Room(10), (5,)),
        (token_window, Room(60, 3), (3, 4, 5)),
    ],
)
def test_a_conversation(rule: Rule, room: Room, kept: tuple[int, ...]) -> None:
    """Of a system message and three turns, the newest stay, beginning with a user's message."""
    assert rule([SYSTEM, user(), said(), user(), said(), user()], room) == kept


def test_an_agent_at_work() -> None:
    """The question that an agent works on stays, however many of its calls have to go in between."""
    calls = [item for number in range(5) for item in (said(10, f"{number}"), result(f"{number}"))]
    items = [SYSTEM, user(), *calls]
    assert keep_system_and_recent(items, Room(60)) == (0, 1, 8, 9, 10, 11)
    assert keep_system_and_recent(items, Room(None, 4)) == (0, 1, 10, 11)
    assert token_window(items, Room(60)) == (1, 8, 9, 10, 11)


@pytest.mark.parametrize("rule", [keep_system_and_recent, token_window, steps])
def test_what_must_stay_does_not_fit(rule: Callable[[Sequence[Item], Room], object]) -> None:
    """A last user message that is over the room alone is told with what it takes, the system's where that stays too."""
    with pytest.raises(TooLarge) as refused:
        rule([SYSTEM, user(), said(), user(90)], Room(89))
    assert refused.value.tokens == (90 if rule is token_window else 100)


def test_steps() -> None:
    """Each time there is no room, half of it is made free; in between the same messages are cut off."""
    history = [user() if number % 2 == 0 else said() for number in range(40)]
    firsts = [steps(history[:size], Room(100)).firsts for size in range(1, 41)]
    assert firsts[9] == ()  # ten messages are 100 tokens
    assert firsts[10] == (6,)  # of eleven, five stay: 50 tokens
    assert firsts[15] == (6,)
    assert firsts[16] == (6, 12)
    assert firsts[39] == (6, 12, 18, 24, 30)
    assert steps(history[:17], Room(100)).stay == (12, 13, 14, 15, 16)


def test_steps_of_an_agent() -> None:
    """The question stays in front, and takes its part of the room; calls go with their results."""
    items = [user(20), *[item for number in range(9) for item in (said(10, f"{number}"), result(f"{number}"))]]
    found = steps(items[:17], Room(100))
    assert found.firsts == (5,)  # units: the question and four calls are 100; of five, the last stays beside it
    assert places_of(items[:17], found, summarised=True) == (0, 9, 10, 11, 12, 13, 14, 15, 16)
    found = steps(items, Room(100))
    assert found.firsts == (5, 9)
    assert places_of(items, found, summarised=True) == (0, 17, 18)


def test_without_a_summary_a_user_speaks_first() -> None:
    """What stays behind a summary may begin with the model's turn; without one it begins with the user's."""
    items = [said() if number % 2 == 0 else user() for number in range(12)]
    found = steps(items, Room(100))
    assert found.firsts == (6,)
    assert places_of(items, found, summarised=True) == (6, 7, 8, 9, 10, 11)
    assert places_of(items, found, summarised=False) == (7, 8, 9, 10, 11)


@st.composite
def histories(draw: st.DrawFn) -> list[Item]:
    """Any history: turns, calls with results in any order, also in parallel, with repeated ids or an orphan."""
    items: list[Item] = []
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["system", "user", "user", "assistant", "calls", "calls", "orphan", "reasons"]))
        tokens = draw(st.integers(0, 50))
        if kind == "calls":
            ids = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
            if draw(st.booleans()):
                items.append(Item("assistant", tokens, reasons=True))
            items.append(said(tokens, *ids))
            if draw(st.booleans()):
                items.append(draw(st.sampled_from([user(3), SYSTEM])))
            items += [result(one, draw(st.integers(0, 50))) for one in draw(st.permutations(ids))]
        elif kind == "orphan":
            items.append(result("zz", tokens))
        elif kind == "reasons":
            items.append(Item("assistant", tokens, reasons=True))
        else:
            items.append(Item(kind, tokens))
    return items


rooms = st.builds(Room, st.none() | st.integers(0, 400), st.none() | st.integers(1, 12))


def hold(items: Sequence[Item], kept: tuple[int, ...], room: Room) -> None:
    """What holds whatever the rule is."""
    assert list(kept) == sorted(set(kept))
    stay = set(kept)
    for unit in units_of(items):
        assert stay.issuperset(unit.places) or stay.isdisjoint(unit.places)
    users = [place for place, item in enumerate(items) if item.role == "user"]
    others = [place for place, item in enumerate(items) if item.role != "system"]
    assert stay.issuperset(users[-1:])
    assert stay.issuperset(others[-1:])
    if room.tokens is not None:
        assert sum(items[place].tokens for place in kept) <= room.tokens


@pytest.mark.parametrize("rule", [keep_system_and_recent, token_window])
@given(items=histories(), room=rooms)
def test_any_history(rule: Rule, items: list[Item], room: Room) -> None:
    """Units stay whole and in order within the room, a user speaks first, and applying it again changes nothing."""
    try:
        kept = rule(items, room)
    except TooLarge as refused:
        assert room.tokens is not None
        assert refused.tokens > room.tokens
        return
    hold(items, kept, room)
    if rule is keep_system_and_recent:
        assert set(kept).issuperset(place for place, item in enumerate(items) if item.role == "system")
    if len(kept) < len(items) and any(item.role == "user" for item in items):
        first = next(items[place] for place in kept if items[place].role != "system")
        assert first.role == "user" or (first.role == "assistant" and units_of([items[p] for p in kept])[0].has_user)
    again = [items[place] for place in kept]
    assert rule(again, room) == tuple(range(len(again)))


@given(items=histories(), room=rooms, summarised=st.booleans())
def test_any_history_that_is_summarised(items: list[Item], room: Room, summarised: bool) -> None:
    """The same of what stays beside a summary; system messages stay, and no result of a tool comes first."""
    try:
        found = steps(items, room)
    except TooLarge as refused:
        assert room.tokens is not None
        assert refused.tokens > room.tokens
        return
    kept = places_of(items, found, summarised=summarised)
    hold(items, kept, room)
    assert set(kept).issuperset(place for place, item in enumerate(items) if item.role == "system")
    assert list(found.firsts) == sorted(set(found.firsts))
    if found.firsts and not summarised and any(item.role == "user" for item in items):
        first = next(items[place] for place in kept if items[place].role != "system")
        assert first.role != "tool"


@given(items=histories(), more=histories(), room=rooms)
def test_a_summary_stays_good(items: list[Item], more: list[Item], room: Room) -> None:
    """As a history grows by whole turns, what was cut off stays cut off at the same places, so that summaries do."""
    grown = [*items, user(1), *[item for item in more if item.role != "system"]]
    if any(item.role == "system" for item in items):
        return  # they take their room from the beginning
    units, longer = units_of(items), units_of(grown)
    if longer[: len(units)] != units:
        return  # a call of the first part is answered in the second
    try:
        before, after = steps(items, room), steps(grown, room)
    except TooLarge:
        return
    assert after.firsts[: len(before.firsts)] == before.firsts
