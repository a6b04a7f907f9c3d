"""Searching calls: what can be asked of the stored calls, a page at a time."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import msgspec

from trimtab.record.events import Admitted, Settled, Usage

MAX_LIMIT: Final = 1000
"""How many calls one page may have."""
MAX_TEXT: Final = 200
"""How many characters a text that is searched for may have; those past it are no part of the search."""
DEFAULT_BUDGET: Final = 50_000_000
"""How many stored calls one page looks at, in whole days, before it ends and says how far it came."""

CallOrder = Literal["newest", "slowest", "slowest_first_token", "dearest", "longest"]
"""`slowest` by total time, `dearest` by cost, `longest` by tokens of output; calls without the figure are left out."""
ORDERS: Final[tuple[CallOrder, ...]] = ("newest", "slowest", "slowest_first_token", "dearest", "longest")
CallMeasure = Literal["total", "ttft", "tpot", "gap", "output", "input", "cost", "attempts", "repairs"]
"""Times in seconds, `output` and `input` in tokens, `cost` in picodollars."""
MEASURES: Final[tuple[CallMeasure, ...]] = (
    *("total", "ttft", "tpot", "gap", "output", "input", "cost", "attempts", "repairs"),
)


@dataclass(frozen=True)
class Range:
    """Calls whose measure lies in [least, most]; None leaves that side open. A call without it lies in no range."""

    measure: CallMeasure
    least: float | None = None
    most: float | None = None


class Cursor(NamedTuple):
    """The place behind a page: the order's figure of its last call (0 in `newest`), when that ended, and its id."""

    order: str
    figure: float
    at_ns: int
    call: str

    def text(self) -> str:
        """The cursor as one word for an address."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def of(cls, text: str, order: str) -> Cursor | None:
        """The cursor a word stands for, None for no word; raises `ValueError` for any other, and for another order."""
        if not text:
            return None
        try:
            found = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
        except (binascii.Error, UnicodeError, msgspec.DecodeError) as wrong:
            raise ValueError(
                f"{text[:40]!r} is no place to go on from; leave `after` out to begin at the top"
            ) from wrong
        if found.order != order:
            raise ValueError(f"`after` is of a list in the order {found.order}; leave it out, or ask for that order")
        return found


@dataclass(frozen=True)
class CallSearch:
    """Which calls are wanted: those that ended in [since, until), in ns since 1970. An empty field narrows nothing.

    `prompts` and `locks` are digests or their beginnings. `models` are those that served, or that were asked for where
    none did. `tool` is one that an answer called. `failing` keeps calls that did not end in a good answer: their
    outcome is not `ok`, or the answer broke its schema, was cut or refused. `bad_tool_call` keeps those with a tool
    call that was not valid, `tool_error` those whose request brought a tool's error. `retried` keeps calls with
    more than one attempt. `system_prompt` and `tools` are the digests that undeclared calls are told apart by.

    `text` is looked for, whatever its case, in what `texts` holds of the last question and the answer: their first
    characters, not the whole. `after` goes on behind the page that gave it; it raises `ValueError` if it is none.
    `budget` is how many stored calls are looked at before the page ends. `brief` leaves calls with what a list shows
    (`brief_of`), which costs a third.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    run: str = ""
    conversation: str = ""
    end_user: str = ""
    system_prompt: str = ""
    tools: str = ""
    tool: str = ""
    failing: bool = False
    bad_tool_call: bool = False
    tool_error: bool = False
    retried: bool = False
    ranges: tuple[Range, ...] = ()
    text: str = ""
    order: CallOrder = "newest"
    limit: int = 50
    after: str = ""
    budget: int = DEFAULT_BUDGET
    brief: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.limit <= MAX_LIMIT:
            raise ValueError(f"a page has 1 to {MAX_LIMIT} calls, not {self.limit}")
        if self.order not in ORDERS:
            raise ValueError(f"there is no order {self.order!r}; use {', '.join(ORDERS)}")
        if len(self.text) > MAX_TEXT:
            raise ValueError(f"the text to look for has {len(self.text)} characters; use at most {MAX_TEXT}")
        measures = [one.measure for one in self.ranges]
        if len(set(measures)) < len(measures) or not set(measures) <= set(MEASURES):
            raise ValueError(f"ranges are one each of {', '.join(MEASURES)}, not {', '.join(measures)}")
        Cursor.of(self.after, self.order)

    @property
    def cursor(self) -> Cursor | None:
        """The place to go on from; None for the first page."""
        return Cursor.of(self.after, self.order)


def brief_of(call: Settled) -> Settled:
    """A call with what a list shows and no more: id, task, models, when and how it ended, tries, verdict, times, tokens
    in their classes, cost.
    """
    admitted, usage = call.admitted, call.usage
    return Settled(
        Admitted(admitted.call, 0, "", "", "", admitted.task, "", "", admitted.model),
        call.at_ns,
        call.outcome,
        0,
        call.attempts,
        model=call.model,
        total_s=call.total_s,
        ttft_s=call.ttft_s,
        usage=None if usage is None else Usage(usage.input, usage.cache_read, usage.cache_write, usage.output),
        cost_pusd=call.cost_pusd,
        cost_label=call.cost_label,
        verdict=call.verdict,
    )


@dataclass(frozen=True)
class CallPage:
    """Calls without their chunk delays and lengths, or brief ones, in the order asked for.

    `after` leads to the next page and is empty on the last. Calls that ended at or after `looked_back_ns` were looked
    at: later than `since_ns` where the budget was spent before; then the page may be short and `after` goes on in the
    order `newest`, while another order leaves the older calls out.
    """

    calls: tuple[Settled, ...] = ()
    after: str = ""
    looked_back_ns: int = 0


@dataclass(frozen=True)
class Example:
    """A call that shows something: its id and a few fields. `excerpt` is the beginning of its answer, where kept."""

    call: str
    at_ns: int
    task: str
    model: str = ""
    replica: str = ""
    prompt: str = ""
    lock: str = ""
    outcome: str = ""
    verdict: str = ""
    finish_reason: str = ""
    failing: tuple[str, ...] = ()
    detail: str = ""
    total_s: float | None = None
    ttft_s: float | None = None
    output_tokens: int = 0
    cost_pusd: int | None = None
    excerpt: str = ""


@dataclass(frozen=True)
class ReadingMatch:
    """Calls of which a field was read as a category (`value`), or, with a bound, as a number in [least, most].

    It looks at what `texts` holds of each call, so only calls are found whose bodies were kept.
    """

    field: str
    value: str = ""
    least: float | None = None
    most: float | None = None
