"""Conversations: calls that a client said belong together, summed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from trimtab.record.events import CostLabel
from trimtab.store.search import MAX_LIMIT, Cursor

ConversationOrder = Literal["newest", "dearest", "longest"]
"""`newest` by their last call in the window, `dearest` by cost, `longest` by the number of calls."""
MAX_TASKS: Final = 20
"""How many tasks of a conversation are told."""


@dataclass(frozen=True)
class ConversationQuery:
    """Conversations with a call of these tasks and this end user that ended in [since, until), in ns since 1970.

    The window is taken as whole hours (UTC). A page looks at the newest 50 million stored calls, if there are more.
    `after` goes on behind the page that gave it; it raises `ValueError` if it is none.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    end_user: str = ""
    order: ConversationOrder = "newest"
    limit: int = 50
    after: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.limit <= MAX_LIMIT:
            raise ValueError(f"a page has 1 to {MAX_LIMIT} conversations, not {self.limit}")
        Cursor.of(self.after, self.order)

    @property
    def cursor(self) -> Cursor | None:
        """The place to go on from; None for the first page."""
        return Cursor.of(self.after, self.order)


@dataclass(frozen=True)
class ConversationLine:
    """The calls of one conversation that were asked for: when they ended, and what they came to.

    `tokens` are in the classes of `Usage`, `cost` in picodollars by label. `failed` counts calls whose outcome is not
    `ok`, `invalid` answers that broke their schema, were cut or refused; `worst` is the outcome of the last call that
    failed, or else `ok`. `completed` is what its latest score `completion` says, None where there is none.
    """

    conversation: str
    end_user: str = ""
    tasks: tuple[str, ...] = ()
    first_ns: int = 0
    last_ns: int = 0
    calls: int = 0
    failed: int = 0
    invalid: int = 0
    worst: str = "ok"
    tokens: Mapping[str, int] = field(default_factory=dict)
    cost: Mapping[CostLabel, int] = field(default_factory=dict)
    completed: bool | None = None


@dataclass(frozen=True)
class ConversationPage:
    """Conversations in the order asked for; `after` leads to the next page and is empty on the last."""

    conversations: tuple[ConversationLine, ...] = ()
    after: str = ""
