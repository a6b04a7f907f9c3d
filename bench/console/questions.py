"""The twelve questions that pages of the console ask of a day of calls, each under the name of what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bench.console.stored import BEGAN_NS, ENDED_NS, HOUR_NS
from trimtab.store.conversations import ConversationQuery
from trimtab.store.search import CallSearch
from trimtab.store.slices import Fact, SliceQuery, Spread
from trimtab.store.spend import SpendQuery
from trimtab.store.telemetry import Telemetry

DAY: Final = (BEGAN_NS, ENDED_NS)
Question = Callable[[Telemetry, int], Any]
"""Asks the store; the number chooses another task, conversation or order at each asking."""


def task(number: int) -> str:
    """A task: frequent and rare ones in turn."""
    return f"task-{number * 7 % 50:02}"


def overview(store: Telemetry, number: int) -> Any:
    """Every task over the day, with the lengths and latencies that the page shows."""
    facts: tuple[Fact, ...] = ("answers", "ends", "tools", "cost")
    return store.slices(SliceQuery(*DAY, spreads=("ttft", "tpot", "output"), facts=facts))


def by_prompt(store: Telemetry, number: int) -> Any:
    """One task by version of its prompt."""
    return store.slices(SliceQuery(*DAY, (task(number),), by="prompt"))


def over_time(store: Telemetry, number: int) -> Any:
    """One task in steps of five minutes."""
    facts: tuple[Fact, ...] = ("answers", "ends", "tools", "cost")
    spreads: tuple[Spread, ...] = ("ttft", "total", "output")
    return store.slices(SliceQuery(*DAY, (task(number),), step_s=300, spreads=spreads, facts=facts))


def by_replica(store: Telemetry, number: int) -> Any:
    """Time to first token by replica, of every task."""
    return store.slices(SliceQuery(*DAY, by="replica", spreads=("ttft",), facts=()))


def failing(store: Telemetry, number: int) -> Any:
    """The newest failing calls of a task."""
    return store.search(CallSearch(*DAY, tasks=(task(number),), failing=True, brief=True))


def conversation(store: Telemetry, number: int) -> Any:
    """The calls of one conversation out of 1.7 million, somewhere in the day."""
    return store.search(CallSearch(*DAY, conversation=some_conversation(store, number)))


def text(store: Telemetry, number: int) -> Any:
    """An order's number that few calls speak of."""
    said = f"order {1_000_000 + number * 104_729 % 1_000_000}"
    return store.search(CallSearch(*DAY, text=said, brief=True))


def one_call(store: Telemetry, number: int) -> Any:
    """One call by its id, with its attempts and chunks."""
    return store.call(some_call(store, number))


def conversations(store: Telemetry, number: int) -> Any:
    """The newest conversations."""
    return store.conversations(ConversationQuery(*DAY))


def spend(store: Telemetry, number: int) -> Any:
    """Spend by model and day."""
    return store.spend(SpendQuery(*DAY, by=("model",), step_s=86_400))


def undeclared(store: Telemetry, number: int) -> Any:
    """Undeclared calls, put together."""
    return store.undeclared(*DAY)


def alerts(store: Telemetry, number: int) -> Any:
    """What a pass of the alerts looks at: every task over the last hour, in steps of five minutes."""
    return store.slices(
        SliceQuery(ENDED_NS - HOUR_NS, ENDED_NS, step_s=300, spreads=("ttft", "tpot", "total", "output"))
    )


QUESTIONS: Final[Mapping[str, Question]] = {
    "overview": overview,
    "task by prompt": by_prompt,
    "task over time": over_time,
    "ttft by replica": by_replica,
    "newest failing": failing,
    "one conversation": conversation,
    "text": text,
    "one call": one_call,
    "conversations": conversations,
    "spend": spend,
    "undeclared": undeclared,
    "alerts": alerts,
}
_drawn: dict[str, list[str]] = {}


def some_call(store: Telemetry, number: int) -> str:
    """The id of some call."""
    return draw(store)["call"][number % 20]


def some_conversation(store: Telemetry, number: int) -> str:
    """The id of some conversation."""
    return draw(store)["conversation"][number % 20]


def draw(store: Telemetry) -> dict[str, list[str]]:
    """Ids of calls and conversations from all over the day, read before anything is timed."""
    if not _drawn:
        for hour in range(20):
            end = BEGAN_NS + (hour + 1) * HOUR_NS
            page = store.search(CallSearch(end - HOUR_NS, end, limit=50))
            found = next(one.admitted for one in page.calls if one.admitted.conversation)
            _drawn.setdefault("call", []).append(found.call)
            _drawn.setdefault("conversation", []).append(found.conversation)
    return _drawn
