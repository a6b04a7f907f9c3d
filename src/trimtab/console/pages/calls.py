"""Which calls were there? By what they are and by what was said, a page at a time, and filters that have a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.filters import (
    FIRST,
    QUERY,
    Chosen,
    chips_of,
    chosen_of,
    pager_of,
    place_of,
    read_filter,
    search_of,
    written_filter,
)
from trimtab.console.marks import outcome_mark, verdict_mark
from trimtab.console.page import Action, Asked, Built, Page, known_tasks
from trimtab.console.parts import Parts, Stores, Views
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import InvalidRequest
from trimtab.journal.saved_views import SavedView
from trimtab.policy.snapshot import UNDECLARED
from trimtab.record.events import CostLabel, Settled
from trimtab.store.search import ORDERS, CallOrder, CallPage, CallSearch
from trimtab.store.texts import CallText

OUTCOMES: Final = (
    *("ok", "client_gone", "abandoned", "upstream_error", "upstream_truncated", "deadline_connect"),
    *("deadline_first_token", "deadline_gap", "deadline_total", "output_invalid", "tool_call_invalid"),
    *("circuit_open", "overloaded", "rate_limited", "invalid_request", "lock_drift", "storage_full", "internal"),
)
"""What the form offers; the address takes any."""
VERDICTS: Final = ("valid", "invalid", "truncated", "refused")
ORDER_WORDS: Final[Mapping[CallOrder, str]] = {
    "newest": "newest",
    "slowest": "slowest",
    "slowest_first_token": "slowest first token",
    "dearest": "dearest",
    "longest": "longest answer",
}
NO_CALLS: Final = Markup(
    "No call ended in this range. Take a longer one, or send one: <code>trimtab status</code> tells where the gateway "
    "listens."
)
NONE_LIKE_IT: Final = "No call in this range is like that. Take a filter out, or a longer range."


class CallLine(Struct, frozen=True):
    """One call in a line; the beginnings of what was asked and answered where they are kept."""

    call: str
    at_ns: int
    task: str
    outcome: str
    verdict: str
    model: str
    ttft_s: float | None
    total_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_pusd: int | None
    cost_label: CostLabel
    attempts: int
    asked: str = ""
    answered: str = ""


class Calls(Struct, frozen=True):
    """Calls that ended in [since, until), in ns since 1970, in an order. `after` leads to the next page. What ended
    before `looked_back_ns` was not looked at.
    """

    since_ns: int
    until_ns: int
    order: CallOrder
    looked_back_ns: int
    after: str
    calls: tuple[CallLine, ...]


@dataclass(frozen=True)
class ViewLink:
    """A saved view, and where it leads."""

    view: SavedView
    href: str


async def build(asked: Asked, parts: Parts) -> Built[Calls]:
    """The page."""
    chosen = chosen_of(asked)
    wanted = search_of(asked, chosen)
    page, texts = await parts.asker.figures(("calls", wanted), partial(find, wanted))
    by_call = {text.call: text for text in texts}
    lines = tuple(line_of(call, by_call.get(call.admitted.call)) for call in page.calls)
    window = asked.window
    data = Calls(window.since_ns, window.until_ns, wanted.order, page.looked_back_ns, page.after, lines)
    extra = {
        "chosen": chosen,
        "chips": chips_of(asked, chosen),
        "all_out": place_of(asked, {name: values for name, values in chosen.items() if name == "order"}),
        "choices": choices_of(asked, parts, chosen),
        "orders": ORDER_WORDS,
        "is_open": bool(set(chosen) - FIRST),
        "pager": pager_of(asked, chosen, page.after),
        "views": views_of(asked, parts.views),
        "filter": written_filter(chosen),
        "may_save": parts.views is not None and asked.visitor.may("operator"),
    }
    return Built(data, (table_of(asked, lines, is_narrowed=bool(chosen)),), extra=extra)


def find(wanted: CallSearch, stores: Stores) -> tuple[CallPage, tuple[CallText, ...]]:
    """A page of calls, with the beginnings of what was said in them."""
    page = stores.telemetry.search(replace(wanted, brief=True))
    return page, stores.telemetry.texts(page.calls)


def line_of(call: Settled, text: CallText | None = None) -> CallLine:
    """A call in a line."""
    admitted, usage = call.admitted, call.usage
    return CallLine(
        admitted.call,
        call.at_ns,
        admitted.task,
        call.outcome,
        call.verdict,
        call.model or admitted.model,
        call.ttft_s,
        call.total_s,
        usage.input + usage.cache_read + usage.cache_write if usage is not None else None,
        usage.output if usage is not None else None,
        call.cost_pusd,
        call.cost_label,
        call.attempts,
        text.asked if text is not None else "",
        text.answered if text is not None else "",
    )


def call_place(asked: Asked, call: str) -> str:
    """The address of a call's page."""
    return asked.to(f"/calls/{quote(call, safe='', errors='replace')}")


def table_of(asked: Asked, lines: Sequence[CallLine], *, is_narrowed: bool) -> Table[CallLine]:
    """The table, in the order of the search."""

    def opens(line: CallLine) -> str:
        return call_place(asked, line.call)

    said: tuple[Column[CallLine], ...] = (
        Column("asked", "asked", lambda line: line.asked, lambda line: shown(short(line.asked, 60))),
        Column("answered", "answered", lambda line: line.answered, lambda line: shown(short(line.answered, 60))),
    )
    columns: tuple[Column[CallLine], ...] = (
        Column(
            "ended", "ended", lambda line: written.stamp(line.at_ns), lambda line: when(asked, line.at_ns), href=opens
        ),
        Column("call", "call", lambda line: line.call, lambda line: shown(call_word(line.call))),
        Column(
            "task",
            "task",
            lambda line: line.task,
            lambda line: shown(short(line.task, 30)),
            href=lambda line: asked.task(line.task),
        ),
        Column("outcome", "outcome", lambda line: line.outcome, lambda line: outcome_mark(line.outcome)),
        Column("verdict", "verdict", lambda line: line.verdict, lambda line: verdict_mark(line.verdict)),
        Column("model", "model", lambda line: line.model, lambda line: shown(short(line.model, 24))),
        Column("ttft", "ttft", lambda line: line.ttft_s, lambda line: written.duration(line.ttft_s), numeric=True),
        Column("total", "total", lambda line: line.total_s, lambda line: written.duration(line.total_s), numeric=True),
        Column("input", "in", lambda line: line.input_tokens, unit="tokens", numeric=True),
        Column("output", "out", lambda line: line.output_tokens, unit="tokens", numeric=True),
        Column("cost", "cost", in_usd, lambda line: cost(line.cost_pusd, line.cost_label), numeric=True),
        Column("attempts", "tries", lambda line: line.attempts, numeric=True),
    )
    if any(line.asked or line.answered for line in lines):
        columns += said
    columns = tuple(replace(column, sortable=False) for column in columns)
    return Table("calls", "Calls", columns, lines, NONE_LIKE_IT if is_narrowed else NO_CALLS, opens)


def when(asked: Asked, at_ns: int) -> Markup:
    """A time, local."""
    return written.when(at_ns, asked.zone, asked.now_ns)


def call_word(call: str) -> str:
    """A call's id as it stands in lists: its end, since ids that were made together begin alike."""
    return call if len(call) <= 12 else f"\u2026{call[-8:]}"


def in_usd(line: CallLine) -> float | None:
    """The cost in US dollars, where it is known."""
    return line.cost_pusd / 1e12 if line.cost_pusd is not None else None


def cost(pusd: int | None, label: CostLabel) -> Markup | str:
    """A cost; estimated ones say so."""
    if pusd is None:
        return Markup('<span class="none" title="cost unknown">{}</span>').format(written.NOTHING)
    told = written.money(pusd)
    return told if label == "exact" else Markup('<span title="{}">~{}</span>').format(label, told)


def choices_of(asked: Asked, parts: Parts, chosen: Chosen) -> dict[str, tuple[str, ...]]:
    """What the form offers, and whatever is chosen besides."""
    policy = parts.policy()
    undeclared = (UNDECLARED,) if asked.visitor.sees(UNDECLARED) else ()
    offered = {
        "task": (*known_tasks(policy, asked.visitor), *undeclared),
        "model": tuple(sorted(policy.models)),
        "outcome": OUTCOMES,
        "verdict": VERDICTS,
        "order": ORDERS,
    }
    return {name: tuple(dict.fromkeys((*values, *chosen.get(name, ())))) for name, values in offered.items()}


def views_of(asked: Asked, views: Views | None) -> tuple[ViewLink, ...]:
    """The saved views, but those that name a task which the visitor may not see."""
    found = []
    for view in views.all() if views is not None else ():
        chosen = read_filter(view.filter)
        if all(asked.visitor.sees(task) for task in chosen.get("task", ())):
            found.append(ViewLink(view, place_of(asked, chosen)))
    return tuple(found)


async def save_view(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Keeps the filter of the page under a name."""
    views, chosen = _kept(parts), read_filter(form.get("filter", ""))
    if not chosen:
        raise InvalidRequest(detail="there is no filter to save; choose a task, a model or a text first")
    search_of(asked, chosen)
    name = form.get("name", "").strip()
    seen = {one.view.name for one in views_of(asked, views)}
    if any(one.name == name and name not in seen for one in views.all()):
        raise InvalidRequest(detail=f"another view has the name `{name[:60]}`; choose another")
    views.keep(SavedView(name, written_filter(chosen), asked.visitor.name, asked.now_ns))
    return form.get("next", "/calls")


async def drop_view(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Lets go of a view that the visitor sees."""
    views, name = _kept(parts), form.get("name", "")
    if not any(one.view.name == name for one in views_of(asked, views)) or not views.drop(name):
        raise InvalidRequest(detail=f"there is no view `{name[:60]}`; somebody else may have deleted it")
    return form.get("next", "/calls")


def _kept(parts: Parts) -> Views:
    if parts.views is None:
        raise InvalidRequest(detail="this console keeps no views; start it with `trimtab up`")
    return parts.views


PAGE: Final = Page(
    "calls", "/calls", "Calls", "calls by what they are and by what was said", Calls, build, "Calls", "c", QUERY
)
SAVE: Final = Action("/calls/views", "saves the filter of a page of calls under a name", save_view)
DROP: Final = Action("/calls/views/delete", "deletes a saved view", drop_view)
