"""Which conversations were there? What each came to, the newest, the dearest or the longest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.call_query import LISTS, NAMES
from trimtab.console.endpoint import Query
from trimtab.console.filters import Chosen, chips_of, pager_of, place_of
from trimtab.console.marks import mark, outcome_mark
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.pages.calls import when
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import InvalidRequest
from trimtab.store.conversations import ConversationLine, ConversationOrder, ConversationPage, ConversationQuery
from trimtab.store.search import MAX_LIMIT
from trimtab.store.windows import whole_hours

PLACE: Final = "/conversations"
ORDERS: Final[Mapping[ConversationOrder, str]] = {
    "newest": "newest",
    "dearest": "dearest",
    "longest": "most calls",
}
NONE: Final = Markup(
    "No conversation had a call in this range. Calls belong to one when clients send the header "
    "<code>x-trimtab-conversation</code>."
)


class Conversations(Struct, frozen=True):
    """Conversations with a call in [since, until), whole hours in ns since 1970, in an order; `after` leads to the next
    page.
    """

    since_ns: int
    until_ns: int
    order: ConversationOrder
    after: str
    conversations: tuple[ConversationLine, ...]


async def build(asked: Asked, parts: Parts) -> Built[Conversations]:
    """The page."""
    chosen = chosen_of(asked)
    query = query_of(asked, chosen)
    page = await parts.asker.figures(("conversations", query), partial(find, query))
    counted = whole_hours(query.since_ns, query.until_ns)
    data = Conversations(*counted, query.order, page.after, page.conversations)
    extra = {
        "chosen": chosen,
        "chips": chips_of(asked, chosen, PLACE),
        "tasks": tuple(dict.fromkeys((*known_tasks(parts.policy(), asked.visitor), *chosen.get("task", ())))),
        "orders": ORDERS,
        "pager": pager_of(asked, chosen, page.after, PLACE),
    }
    return Built(data, (table_of(asked, page.conversations),), extra=extra)


def chosen_of(asked: Asked) -> Chosen:
    """The filters of an address, those that say nothing left out."""
    found: Chosen = {}
    if tasks := tuple(filter(None, asked.lists.get("task", ()))):
        found["task"] = tasks
    for name in ("end_user", "order"):
        if (value := asked.query.get(name, "")) not in ("", "newest"):
            found[name] = (value,)
    return found


def query_of(asked: Asked, chosen: Chosen) -> ConversationQuery:
    """What is asked of the store; raises `InvalidRequest` and `Forbidden`."""
    limit = asked.query.get("limit", "") or "50"
    order = chosen.get("order", ("newest",))[0]
    known = next((one for one in ORDERS if one == order), None)
    if known is None:
        raise InvalidRequest(detail=f"?order={order[:40]} is none of {', '.join(ORDERS)}")
    if not limit.isdecimal():
        raise InvalidRequest(detail=f"?limit={limit[:40]} is not a number from 1 to {MAX_LIMIT}")
    try:
        return ConversationQuery(
            asked.window.since_ns,
            asked.window.until_ns,
            asked.visitor.within(chosen.get("task", ())),
            chosen.get("end_user", ("",))[0],
            known,
            int(limit[:10]),
            asked.query.get("after", ""),
        )
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong


def find(query: ConversationQuery, stores: Stores) -> ConversationPage:
    """A page of conversations."""
    return stores.telemetry.conversations(query)


def conversation_place(asked: Asked, conversation: str) -> str:
    """The address of a conversation's page."""
    return asked.to(f"{PLACE}/{quote(conversation, safe='', errors='replace')}")


def table_of(asked: Asked, lines: Sequence[ConversationLine]) -> Table[ConversationLine]:
    """The table, in the order of the store."""

    def opens(line: ConversationLine) -> str:
        return conversation_place(asked, line.conversation)

    def time(key: str, head: str, at_ns: Callable[[ConversationLine], int]) -> Column[ConversationLine]:
        return Column(key, head, lambda line: written.stamp(at_ns(line)), lambda line: when(asked, at_ns(line)))

    def same_user(line: ConversationLine) -> str | None:
        return place_of(asked, {"end_user": (line.end_user,)}, PLACE) if line.end_user else None

    columns: tuple[Column[ConversationLine], ...] = (
        Column(
            "conversation",
            "conversation",
            lambda line: line.conversation,
            lambda line: shown(short(line.conversation, 30)),
            href=opens,
        ),
        Column("end_user", "end user", lambda line: line.end_user, _user, same_user),
        Column("tasks", "tasks", lambda line: ", ".join(line.tasks), _tasks),
        time("first", "began", lambda line: line.first_ns),
        time("last", "last call", lambda line: line.last_ns),
        Column("calls", "calls", lambda line: line.calls, numeric=True),
        Column("failed", "failed", lambda line: line.failed, numeric=True),
        Column("invalid", "invalid", lambda line: line.invalid, numeric=True),
        Column("worst", "worst", lambda line: line.worst, lambda line: outcome_mark(line.worst)),
        Column("input", "in", input_tokens, unit="tokens", numeric=True),
        Column("output", "out", lambda line: line.tokens.get("output", 0), unit="tokens", numeric=True),
        Column("cost", "cost", lambda line: pusd(line) / 1e12, cost_words, numeric=True),
        Column("completed", "done", lambda line: line.completed, completed_mark),
    )
    columns = tuple(replace(column, sortable=False) for column in columns)
    return Table("conversations", "Conversations", columns, lines, NONE, opens)


def input_tokens(line: ConversationLine) -> int:
    """All tokens that went in, from a cache or not."""
    return sum(line.tokens.get(name, 0) for name in ("input", "cache_read", "cache_write"))


def pusd(line: ConversationLine) -> int:
    """What is known of its cost, in picodollars."""
    return sum(line.cost.values())


def cost_words(line: ConversationLine) -> str:
    """Its cost; `~` where a part of it is estimated or not known."""
    is_exact = set(line.cost) <= {"exact"}
    return f"{'' if is_exact else '~'}{written.money(pusd(line))}"


def completed_mark(line: ConversationLine) -> Markup:
    """Whether what it was about was done, where that was told."""
    if line.completed is None:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    return mark("good", "done") if line.completed else mark("bad", "not done")


def _user(line: ConversationLine) -> Markup:
    return shown(short(line.end_user, 20)) if line.end_user else Markup('<span class="none">none</span>')


def _tasks(line: ConversationLine) -> Markup:
    return shown(short(", ".join(line.tasks), 40))


PAGE: Final = Page(
    "conversations",
    PLACE,
    "Conversations",
    "calls that clients said belong together",
    Conversations,
    build,
    "Conversations",
    "v",
    (
        Query("task", LISTS["task"][1], many=True),
        Query("end_user", NAMES["end_user"]),
        Query("order", f"{', '.join(ORDERS)}; `newest` unless given"),
        Query("after", "where the page before ended"),
        Query("trail", "where the pages before this one began", many=True),
        Query("limit", f"how many at most, 1 to {MAX_LIMIT}", int),
    ),
)
