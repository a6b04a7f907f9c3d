"""The contract `Searching` over one way to ask ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.record.events import Settled
from trimtab.store.clickhouse_conversations import ConversationReader
from trimtab.store.clickhouse_search import CallSearcher
from trimtab.store.clickhouse_slices import SignalReader
from trimtab.store.clickhouse_spend import SpendReader
from trimtab.store.conversations import ConversationLine, ConversationPage, ConversationQuery
from trimtab.store.search import CallPage, CallSearch, Example, ReadingMatch
from trimtab.store.spend import Spend, SpendQuery
from trimtab.store.texts import CallText
from trimtab.store.undeclared import Undeclared


class SearchReader(SignalReader):
    """What can be found in the store, for one that can send statements."""

    def __init__(self) -> None:
        super().__init__()
        self._searcher = CallSearcher(self._ask)
        self._conversations = ConversationReader(self._ask, self._searcher)
        self._spend = SpendReader(self._ask)

    def search(self, wanted: CallSearch) -> CallPage:
        """A page of the calls that are wanted; pages stay the same while new calls come."""
        return self._searcher.search(wanted)

    def examples(self, wanted: CallSearch, reading: ReadingMatch | None = None) -> tuple[Example, ...]:
        """The same calls, as few fields: the first of the order asked for, perhaps only those with a reading."""
        return self._searcher.examples(wanted, reading)

    def text(self, call: str) -> CallText | None:
        """What is kept of a call's question and answer for searching; None where nothing is."""
        return self._searcher.text(call)

    def texts(self, calls: Sequence[Settled]) -> tuple[CallText, ...]:
        """What is kept of these calls for searching, in no order; calls of which nothing is are left out."""
        return self._searcher.texts(calls)

    def conversations(self, query: ConversationQuery) -> ConversationPage:
        """A page of conversations."""
        return self._conversations.conversations(query)

    def conversation(self, conversation: str) -> ConversationLine | None:
        """One conversation; None if none of its calls is here."""
        return self._conversations.conversation(conversation)

    def spend(self, query: SpendQuery) -> tuple[Spend, ...]:
        """Tokens and cost, by step and then the dearest first."""
        return self._spend.spend(query)

    def undeclared(self, since_ns: int, until_ns: int) -> Undeclared:
        """The undeclared calls of [since, until), taken as whole hours (UTC), by system prompt and tools."""
        return self._spend.undeclared(since_ns, until_ns)
