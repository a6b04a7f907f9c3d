"""A call whose messages go through a context strategy before a replica is asked.

It takes the place of the call's attempts until they begin. Nothing here waits: each thing that can happen is a method.

    begin -> counted (at once, or in a thread) -> chosen -> summarised (at hand, or by an own call) -> sent, or refused
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from trimtab.errors import CallError
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.context import strategies, summaries
from trimtab.gateway.context.summaries import Summaries, Summary, Wanted, Whose
from trimtab.gateway.context.window import Chosen, Known, Measured, Request
from trimtab.gateway.context.windows import TaskWindow
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.failures import from_fault
from trimtab.gateway.own_calls import Answered, OwnCalls
from trimtab.gateway.serving import Parts, Serving
from trimtab.gateway.surfaces.surface import History
from trimtab.record.events import CLIENT_GONE

Over = Callable[[Exchange, CallError | None], None]


class InContext(Struct, eq=False):
    """One call on its way through the window of its task, to `attempts`; `over` ends one that is not sent."""

    attempts: Attempts
    _window: TaskWindow
    _history: History
    _serving: Serving
    _parts: Parts
    _own: OwnCalls
    _over: Over
    _counting: asyncio.Future[dict[bytes, Known]] | None = None
    _asking: Attempts | None = None
    _gone: bool = False
    _sent: bool = False

    def __repr__(self) -> str:
        state = "counting" if self._counting is not None else "asking for a summary" if self._asking is not None else ""
        return f"InContext({self.exchange!r}{', ' if state else ''}{state})"

    @property
    def exchange(self) -> Exchange:
        """The call."""
        return self.attempts.exchange

    def begin(self) -> None:
        """Counts what the request holds; the rest follows by itself."""
        try:
            exchange = self.exchange
            request = self._window.window.request(self._history, exchange.asked, exchange.prompt)
            if not request.takes_long:
                self._counted(request, request.read())
                return
            loop, executor = asyncio.get_running_loop(), self._parts.context.tokenizers.executor
            counting = self._counting = loop.run_in_executor(executor, request.read)
            counting.add_done_callback(lambda done: self._counted_apart(request, done))
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._end(fault)

    def leave(self) -> None:
        """The client has gone, so the call ends here, and with it what is under way for it."""
        self._part()
        self.exchange.outcome = CLIENT_GONE
        self._over(self.exchange, None)

    def stop(self, failure: CallError) -> None:
        """The call ends in this."""
        if self._sent:
            self.attempts.stop(failure)
        else:
            self._part()
            self._over(self.exchange, failure)

    def _part(self) -> None:
        self._gone = True
        if self._counting is not None:
            self._counting.cancel()
        if self._asking is not None:
            self._asking.leave()

    def _counted_apart(self, request: Request, done: asyncio.Future[dict[bytes, Known]]) -> None:
        self._counting = None
        if self._gone or done.cancelled():
            return
        try:
            self._counted(request, done.result())
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._end(fault)

    def _counted(self, request: Request, read: Mapping[bytes, Known]) -> None:
        """What the request holds is known: it is decided what stays. Raises `InvalidRequest` where that cannot be."""
        window, exchange = self._window.window, self.exchange
        measured = window.measure(request, read)
        try:
            chosen = window.choose(request, exchange.asked, measured)
        except CallError:
            self._note(measured, Chosen(tuple(range(len(measured.items)))))
            raise
        self._note(measured, chosen)
        if len(chosen.kept) == len(measured.items):
            self._send()
        elif chosen.steps is None or self._window.summariser is None:
            failed = window.context.strategy == "summarise"
            self._send_kept(request, chosen.kept, summary_failed=failed)
        else:
            self._summarise(request, measured, chosen)

    def _summarise(self, request: Request, measured: Measured, chosen: Chosen) -> None:
        """Puts the summary in place of what was dropped; it is at hand, or is written now."""
        found, summariser, policy = self._summaries, self._window.summariser, self._window.summary
        if chosen.steps is None or summariser is None or policy is None:
            return
        context = self._window.window.context
        whose = Whose(self._window.window.task, self.exchange.key, context, summariser)
        wanted = found.wanted(whose, chosen.steps, measured.items, request.messages, request.digests)
        if isinstance(wanted, Summary):
            self._send_summarised(request, measured, chosen, wanted)
            return
        asked: Wanted = wanted
        body = summaries.body(asked, request.history, context, summariser)

        def told(answered: Answered) -> None:
            self._asking = None
            if not self._gone:
                self._told(request, measured, chosen, asked.key, answered)

        self._asking = self._own.ask(self.exchange, self._serving, policy, body, told)

    @property
    def _summaries(self) -> Summaries:
        return self._parts.context.summaries

    def _told(self, request: Request, measured: Measured, chosen: Chosen, key: bytes, answered: Answered) -> None:
        """The summary has come, or will not: without it what was to be replaced is dropped, and that is noted."""
        try:
            text = summaries.text_of(answered.body) if answered.body else ""
        except msgspec.DecodeError:
            text = ""
        try:
            if text:
                summary = Summary(self._window.window.cut(text), answered.call)
                self._summaries.put(key, summary)
                self._send_summarised(request, measured, chosen, summary)
                return
            kept = chosen.kept
            if chosen.steps is not None:
                kept = strategies.places_of(measured.items, chosen.steps, summarised=False)
            self._note(measured, Chosen(kept))
            self._send_kept(request, kept, summary=answered.call, summary_failed=True)
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._end(fault)

    def _send_summarised(self, request: Request, measured: Measured, chosen: Chosen, summary: Summary) -> None:
        text = summaries.framed(summary.text)
        place = last_dropped(chosen.kept, len(measured.items)) + 1
        front = [request.messages[kept] for kept in chosen.kept if kept < place]
        back = [request.messages[kept] for kept in chosen.kept if kept >= place]
        self._noted(summary=summary.call, more_tokens=self._window.window.summary_tokens(text))
        self._put([*front, request.history.summary(text), *back])
        self._send()

    def _send_kept(
        self, request: Request, kept: tuple[int, ...], summary: str = "", *, summary_failed: bool = False
    ) -> None:
        self._noted(summary=summary, summary_failed=summary_failed)
        self._put([request.messages[place] for place in kept])
        self._send()

    def _put(self, messages: list[Raw]) -> None:
        exchange = self.exchange
        exchange.came = exchange.asked
        exchange.asked = self._history.with_messages(exchange.asked, messages)

    def _note(self, measured: Measured, chosen: Chosen) -> None:
        """What was done is in the record of the call."""
        admitted = self.exchange.admitted
        if admitted is not None:
            use = self._window.window.use(measured, chosen.kept)
            self.exchange.admitted = replace(admitted, context=use)

    def _noted(self, *, summary: str = "", summary_failed: bool = False, more_tokens: int = 0) -> None:
        admitted = self.exchange.admitted
        if admitted is not None and admitted.context is not None:
            use = admitted.context
            use = replace(use, summary=summary, summary_failed=summary_failed, tokens=use.tokens + more_tokens)
            self.exchange.admitted = replace(admitted, context=use)

    def _send(self) -> None:
        self._sent = True
        self.exchange.answer.on_gone = self.attempts.leave
        self.attempts.begin()

    def _end(self, fault: Exception) -> None:
        self._over(self.exchange, from_fault(self.exchange.call, fault))


def last_dropped(kept: tuple[int, ...], messages: int) -> int:
    """The place of the last message that does not stay; -1 where all do."""
    stay = set(kept)
    return next((place for place in reversed(range(messages)) if place not in stay), -1)
