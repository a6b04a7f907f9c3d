"""The contract `Searching` over lists in memory."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.record.events import Settled
from trimtab.store import memory_search
from trimtab.store.conversations import ConversationLine, ConversationPage, ConversationQuery
from trimtab.store.memory_slices import SignalLists
from trimtab.store.search import CallPage, CallSearch, Example, ReadingMatch
from trimtab.store.spend import Spend, SpendQuery
from trimtab.store.telemetry import DAY_NS, Batch
from trimtab.store.texts import CallText, bounded
from trimtab.store.undeclared import Undeclared


class SearchLists(SignalLists):
    """What can be found in lists, for a store that keeps calls in one."""

    def __init__(self) -> None:
        super().__init__()
        self._call_texts: dict[str, CallText] = {}

    def search(self, wanted: CallSearch) -> CallPage:
        """A page of the calls that are wanted; pages stay the same while new calls come."""
        return memory_search.search(self._calls, self._call_texts, wanted)

    def examples(self, wanted: CallSearch, reading: ReadingMatch | None = None) -> tuple[Example, ...]:
        """The same calls, as few fields: the first of the order asked for, perhaps only those with a reading."""
        found = memory_search.search(self._calls, self._call_texts, wanted, reading).calls
        return tuple(memory_search.example(call, self._call_texts.get(call.admitted.call)) for call in found)

    def text(self, call: str) -> CallText | None:
        """What is kept of a call's question and answer for searching; None where nothing is."""
        return self._call_texts.get(call) if any(one.admitted.call == call for one in self._calls) else None

    def texts(self, calls: Sequence[Settled]) -> tuple[CallText, ...]:
        """What is kept of these calls for searching, in no order; calls of which nothing is are left out."""
        names = [call.admitted.call for call in calls]
        return tuple(self._call_texts[name] for name in names if name in self._call_texts)

    def conversations(self, query: ConversationQuery) -> ConversationPage:
        """A page of conversations."""
        return memory_search.conversations(self._calls, self._scores, query)

    def conversation(self, conversation: str) -> ConversationLine | None:
        """One conversation; None if none of its calls is here."""
        calls = [call for call in self._calls if call.admitted.conversation == conversation != ""]
        return memory_search.line(calls, self._scores) if calls else None

    def spend(self, query: SpendQuery) -> tuple[Spend, ...]:
        """Tokens and cost, by step and then the dearest first."""
        return memory_search.spend(self._calls, query)

    def undeclared(self, since_ns: int, until_ns: int) -> Undeclared:
        """The undeclared calls of [since, until), taken as whole hours (UTC), by system prompt and tools."""
        return memory_search.undeclared(self._calls, since_ns, until_ns)

    def _take(self, batch: Batch) -> None:
        super()._take(batch)
        self._call_texts |= {text.call: bounded(text) for text in batch.texts}

    def _drop_before(self, first_day: int) -> None:
        super()._drop_before(first_day)
        self._call_texts = {call: text for call, text in self._call_texts.items() if text.at_ns // DAY_NS >= first_day}
