"""The part of the contract `Telemetry` that finds and lists calls, conversations, spend and undeclared traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trimtab.record.events import Settled
from trimtab.store.conversations import ConversationLine, ConversationPage, ConversationQuery
from trimtab.store.search import CallPage, CallSearch, Example, ReadingMatch
from trimtab.store.spend import Spend, SpendQuery
from trimtab.store.texts import CallText
from trimtab.store.undeclared import Undeclared


class Searching(Protocol):
    """What can be found in the analytical store."""

    def search(self, wanted: CallSearch) -> CallPage:
        """A page of the calls that are wanted; pages stay the same while new calls come."""

    def examples(self, wanted: CallSearch, reading: ReadingMatch | None = None) -> tuple[Example, ...]:
        """The same calls, as few fields: the first of the order asked for, perhaps only those with a reading."""

    def text(self, call: str) -> CallText | None:
        """What is kept of a call's question and answer for searching; None where nothing is."""

    def texts(self, calls: Sequence[Settled]) -> tuple[CallText, ...]:
        """What is kept of these calls for searching, in no order; calls of which nothing is are left out."""

    def conversations(self, query: ConversationQuery) -> ConversationPage:
        """A page of conversations."""

    def conversation(self, conversation: str) -> ConversationLine | None:
        """One conversation; None if none of its calls is here. `search` with its id gives the calls."""

    def spend(self, query: SpendQuery) -> tuple[Spend, ...]:
        """Tokens and cost, by step and then the dearest first."""

    def undeclared(self, since_ns: int, until_ns: int) -> Undeclared:
        """The undeclared calls of [since, until), taken as whole hours (UTC), by system prompt and tools."""
