"""Relays a stream whose answer is checked, held back until it is valid, or kept so that another replica can go on.

The plain relay passes on what comes; this one looks at the text, holds back the end of the answer until the whole of it
is judged, and under a held contract all of it.
"""

from __future__ import annotations

from trimtab.errors import CallError, DeadlineGap, UpstreamError, UpstreamTruncated
from trimtab.gateway import replies
from trimtab.gateway.checks import Checks
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.relay import LINGER_S, Relay, StreamedRelay
from trimtab.gateway.surfaces.surface import Resume

MAX_HELD = 32 << 20
"""Bytes of events that are held back at most; a longer answer fails."""
MAX_RESUMED = 4 << 20
"""Characters of text that are kept to go on with; a longer answer fails as any other when its replica does."""
RESUMED = frozenset({UpstreamError.code, UpstreamTruncated.code, DeadlineGap.code})
"""How an attempt may end that another replica goes on from."""


class KeptRelay(StreamedRelay):
    """A streamed answer under `exchange.checks`, or one that may be resumed; `before` is the answer it goes on with."""

    before: KeptRelay | None = None
    plain: bool = True
    """Whether all that came was text, so that another replica can go on with it."""
    _said: list[str] = []
    _said_size: int = 0

    def begin(self, before: Relay | None) -> None:
        """Takes up the answer that this one goes on with, if it does."""
        if isinstance(before, KeptRelay):
            self.before = before
            self.reader.resume(before.reader)
            self.started = True

    @property
    def resume(self) -> Resume | None:
        """What another replica has to know to go on; None where it cannot."""
        if not (self.asking.resumable and self.plain and self.exchange.content_sent):
            return None
        return Resume(self.text, self.reader.tokens)

    @property
    def text(self) -> str:
        """The text of the answer so far, with what it went on from."""
        return ("" if self.before is None else self.before.text) + "".join(self._said)

    def _take(self, data: bytes) -> None:
        now_s = self._clock.monotonic()
        reader, exchange = self.reader, self.exchange
        reader.feed(data)
        self._copy(data, now_s)
        if reader.failure:
            self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=reader.failure))
            return
        self._note()
        checks = exchange.checks
        goes_on = checks is None or checks.watch(reader.added)
        if not goes_on and checks is not None and checks.unfit is not None:
            self._refuse(checks)
            return
        held = checks is not None and checks.hold
        if held:
            self._hold(reader.forward)
        elif self.started:
            if reader.forward:
                exchange.answer.chunk(reader.forward)
        elif reader.content:
            self._begin(reader.forward)
        elif reader.forward:
            self._withhold(reader.forward)
        if reader.content:
            self._progress(now_s, held=held)
        if not goes_on and not self._ended:
            self._stop_here()
        elif reader.done and self.connection is not None and not self._ended:
            self._linger = self._loop.call_later(LINGER_S, self.connection.abort)
            self._judge_and_deliver()

    def _note(self) -> None:
        """Keeps text for a resume, as long as text is all that comes."""
        if not self.asking.resumable:
            return
        for _, text in self.reader.added:
            self._said.append(text)
            self._said_size += len(text)
        if (self.reader.content and not self.reader.added) or self._said_size > MAX_RESUMED:
            self.plain = False

    def _progress(self, now_s: float, *, held: bool) -> None:
        if held:
            self._alarm.progress(now_s)
        else:
            self._content_came(now_s)

    def _hold(self, events: bytes) -> None:
        if events:
            self._parts.append(events)
            self._size += len(events)
        if self._size > MAX_HELD:
            detail = f"its answer is over {MAX_HELD} bytes, the most that is held back"
            self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=detail))

    def _begin(self, forward: bytes) -> None:
        exchange = self.exchange
        head_sent = exchange.head_sent
        self._start()
        if not head_sent:
            exchange.answer.head(self.status, self._headers(replies.EVENT_STREAM))
        if self._parts:
            forward = b"".join((*self._parts, forward))
            self._parts.clear()
        if forward:
            exchange.answer.chunk(forward)

    def _refuse(self, checks: Checks) -> None:
        """No valid answer can come any more: the replica is told to stop."""
        facts = self.facts = self.reader.facts
        checks.answered_so_far(facts.replies)
        if checks.unfit is not None:
            self._settle(checks.unfit.failure, abort=True)

    def _stop_here(self) -> None:
        """The answer repeats itself: it ends here, and says so."""
        facts = self.facts = self.reader.facts
        facts.finish_reason = "repetition"
        for reply in facts.replies:
            reply.finish = reply.finish or "length"
        self._judge_and_deliver(self.reader.stop("repetition"), abort=True)

    def _finish(self) -> None:
        if not self.reader.finish():
            self._fail_stream(UpstreamTruncated(replica=f"model {self.model}"))
            return
        self._judge_and_deliver()

    def _judge_and_deliver(self, ending: bytes = b"", *, abort: bool = False) -> None:
        """Delivers the end of the answer, and under a held contract all of it, if it is fit."""
        exchange, checks = self.exchange, self.exchange.checks
        if self.facts is None:
            self.facts = self.reader.facts
        unfit = None if checks is None else checks.judge(self.facts.replies)
        if unfit is not None:
            self._settle(unfit.failure, abort=abort)
            return
        ending = ending or self.reader.ending
        if ending and self.asking.wire.path:
            self.capture.add(ending, self._clock.monotonic())
        if not self.started:
            self._begin(ending)
            self._content_came(self._clock.monotonic())
        elif ending:
            exchange.answer.chunk(ending)
        exchange.answer.end()
        self._settle(None, abort=abort)

    def all_made(self, limit: int | None) -> bool:
        """Whether nothing is left to make: the answer had told its end, or made all tokens that it may."""
        told = self.facts is not None and bool(self.facts.finish_reason)
        return told or (limit is not None and 0 < limit <= self.reader.tokens)

    def finish_resumed(self) -> None:
        """Ends an answer of which nothing is left to make, as it was told or else by its limit."""
        exchange, facts = self.exchange, self.facts
        exchange.answer.chunk(self.reader.stop("length"))
        exchange.answer.end()
        if facts is not None:
            facts.finish_reason = facts.finish_reason or "length"


def interrupted(exchange: Exchange, relay: Relay | None, failure: CallError) -> Resume | None:
    """What another replica can go on with, now that this attempt has failed; None where nothing can."""
    if not isinstance(relay, KeptRelay) or failure.code not in RESUMED or exchange.answer.gone:
        return None
    return relay.resume
