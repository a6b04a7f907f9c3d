"""The rules of the context strategies, as pure functions: messages with their tokens -> which of them stay.

Rules of version 1. A **unit** is what stays or goes together: a message that calls tools, all that answers it and
whatever stands between them; what a model reasoned and all it said right behind that; else one message. Units stay
whole and in their order. Whatever a strategy says, the last unit and the one with the last user message stay: if they
alone are too many tokens, the request is refused.

full                    everything stays; more than the limit is refused
keep_system_and_recent  all system messages, and of the other units the newest, one after the other, up to the first
                        that does not fit the tokens or the number of messages
token_window            the same with system messages as units like any other
summarise               see `steps`: what goes is replaced by a summary

If anything goes, units at the front that do not begin with a user's message go too, so that no request begins with the
answer of a tool or amid a turn of the model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

Role = Literal["system", "user", "assistant", "tool"]
VERSION: Final = 1
"""Of the rules above; a rule that changes gets another, and `declare.project.Context.version` names the one in use."""


class Item(NamedTuple):
    """A message as the rules see it: who said it, its tokens, the ids of tool calls it makes and of those it answers.

    `reasons`: it is the model's reasoning, apart from what it led to.
    """

    role: Role
    tokens: int
    calls: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    reasons: bool = False


class Room(NamedTuple):
    """What there is room for: `tokens` of all messages, and how many beside the system's; None for as many as come."""

    tokens: int | None = None
    recent: int | None = None


class Unit(NamedTuple):
    """Messages that stay or go together: their places, their tokens, and what the first of them is."""

    places: tuple[int, ...]
    tokens: int
    begins: Role
    has_user: bool


class Steps(NamedTuple):
    """What `summarise` makes of a history: its units, the number of the first that stays as it is, once for each time
    that something had to go, and the units that stay (system messages apart).
    """

    units: tuple[Unit, ...]
    firsts: tuple[int, ...]
    stay: tuple[int, ...]


class TooLarge(Exception):
    """What must stay is `tokens` tokens and does not fit."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        super().__init__(tokens)


def units_of(items: Sequence[Item], *, system: bool = False) -> tuple[Unit, ...]:
    """The units of a history in the order in which they begin; of system messages only if these are wanted."""
    places = [place for place, item in enumerate(items) if item.role != "system"]
    starts: list[int] = []
    made: dict[str, int] = {}
    run: int | None = None
    for number, place in enumerate(places):
        item = items[place]
        starts.append(number)
        run = None if item.role != "assistant" else number if run is None and item.reasons else run
        linked = min((made[call] for call in item.answers if call in made), default=number)
        linked = linked if run is None else min(linked, run)
        while starts[-1] > linked:
            starts.pop()
        made.update(dict.fromkeys(item.calls, number))
    found = [_unit(items, places[start:end]) for start, end in pairwise([*starts, len(places)])]
    if system:
        found += [_unit(items, [place]) for place, item in enumerate(items) if item.role == "system"]
        found.sort()
    return tuple(found)


def _unit(items: Sequence[Item], places: Sequence[int]) -> Unit:
    return Unit(
        tuple(places),
        sum(items[place].tokens for place in places),
        items[places[0]].role,
        any(items[place].role == "user" for place in places),
    )


def keep_system_and_recent(items: Sequence[Item], room: Room) -> tuple[int, ...]:
    """The places of the messages that stay, in their order. Raises `TooLarge`."""
    system = [place for place, item in enumerate(items) if item.role == "system"]
    fixed = sum(items[place].tokens for place in system)
    left = None if room.tokens is None else room.tokens - fixed
    return _places(_newest(units_of(items), Room(left, room.recent), fixed), system)


def token_window(items: Sequence[Item], room: Room) -> tuple[int, ...]:
    """The places of the messages that stay, in their order. Raises `TooLarge`."""
    return _places(_newest(units_of(items, system=True), room, 0))


def _newest(units: Sequence[Unit], room: Room, fixed: int) -> list[Unit]:
    """The newest units that there is room for; `fixed` tokens are told beside them if there is none."""
    if _fits(units, room):
        return list(units)
    must = _must(units)
    stay = {number: units[number] for number in must}
    tokens, messages = _size(stay.values())
    if room.tokens is not None and tokens > room.tokens:
        raise TooLarge(tokens + fixed)
    for number in reversed(range(len(units))):
        if number in must:
            continue
        unit = units[number]
        tokens, messages = tokens + unit.tokens, messages + len(unit.places)
        if not _within(tokens, messages, room):
            break
        stay[number] = unit
    return [units[number] for number in _from_user(units, stay, must)]


def _from_user(units: Sequence[Unit], stay: dict[int, Unit] | set[int], must: set[int]) -> list[int]:
    """The units that stay without those in front of the first user's message, unless they must."""
    numbers = sorted(stay)
    first = next((n for n in numbers if n in must or units[n].begins == "user"), 0)
    return [number for number in numbers if number >= first or units[number].begins == "system"]


def _must(units: Sequence[Unit]) -> set[int]:
    """The last unit that is not the system's, and that of the last user message."""
    others = [number for number, unit in enumerate(units) if unit.begins != "system"]
    users = [number for number in others if units[number].has_user]
    return {*others[-1:], *users[-1:]}


def steps(items: Sequence[Item], room: Room) -> Steps:
    """What stays of a history under `summarise`, `room` being what is left beside the summary. Raises `TooLarge`.

    The history is gone through from its beginning as it grew. Whenever there is no more room, units go from the front
    until what stays takes half of it, so that a summary is good for many calls, and what went before is the same for
    all of these. The unit with the user's last message stays whether it is in front or not.
    """
    fixed = sum(item.tokens for item in items if item.role == "system")
    room = Room(None if room.tokens is None else room.tokens - fixed, room.recent)
    half = Room(None if room.tokens is None else room.tokens // 2, None if room.recent is None else room.recent // 2)
    units = units_of(items)
    firsts: list[int] = []
    first, tokens, messages, user = 0, 0, 0, -1
    for number, unit in enumerate(units):
        tokens, messages = tokens + unit.tokens, messages + len(unit.places)
        user = number if unit.has_user else user
        if _within(*_with(units, user, first, tokens, messages), room):
            continue
        before = first
        while first < number and (
            units[first].begins == "tool" or not _within(*_with(units, user, first, tokens, messages), half)
        ):
            tokens, messages = tokens - units[first].tokens, messages - len(units[first].places)
            first += 1
        if first > before:
            firsts.append(first)
    stay = sorted({*range(first, len(units)), *([user] if user >= 0 else [])})
    tokens = sum(units[number].tokens for number in stay)
    if room.tokens is not None and tokens > room.tokens:
        raise TooLarge(tokens + fixed)
    return Steps(units, tuple(firsts), tuple(stay))


def _with(units: Sequence[Unit], user: int, first: int, tokens: int, messages: int) -> tuple[int, int]:
    """Tokens and messages with those of the user's last message, if that stands before the first that stays."""
    if 0 <= user < first:
        return tokens + units[user].tokens, messages + len(units[user].places)
    return tokens, messages


def places_of(items: Sequence[Item], found: Steps, *, summarised: bool) -> tuple[int, ...]:
    """The places of the messages that stay; without a summary in front they begin with a user's message."""
    system = [place for place, item in enumerate(items) if item.role == "system"]
    stay = list(found.stay)
    if not summarised and found.firsts:
        stay = _from_user(found.units, set(stay), _must(found.units))
    return _places([found.units[number] for number in stay], system)


def _places(units: Sequence[Unit], more: Sequence[int] = ()) -> tuple[int, ...]:
    return tuple(sorted([*more, *(place for unit in units for place in unit.places)]))


def _fits(units: Sequence[Unit], room: Room) -> bool:
    return _within(*_size(units), room)


def _size(units: Collection[Unit]) -> tuple[int, int]:
    """Tokens and messages of units."""
    return sum(unit.tokens for unit in units), sum(len(unit.places) for unit in units)


def _within(tokens: int, messages: int, room: Room) -> bool:
    return (room.tokens is None or tokens <= room.tokens) and (room.recent is None or messages <= room.recent)
