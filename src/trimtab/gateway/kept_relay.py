"""Relays a stream whose answer is checked, held back until it is valid, or kept so that another replica can go on.

The plain relay passes on what comes; this one looks at the text, holds back the end of the answer until the whole of it
is judged, and under a held contract all of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from trimtab.errors import CallError, DeadlineGap, UpstreamError, UpstreamTruncated
from trimtab.gateway.checks import Checks
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.relay import LINGER_S, MAX_WHOLE_BODY, Relay, StreamedRelay
from trimtab.gateway.surfaces.surface import NOT_JSON, Resume
from trimtab.guard.retry import CAUSES

MAX_HELD: Final = 32 << 20
"""Bytes of events that are held back at most; a longer answer fails."""
MAX_RESUMED: Final = 4 << 20
"""Characters of text that are kept to go on with; a longer answer fails as any other when its replica does."""
RESUMED: Final = CAUSES | {DeadlineGap.code}
"""How an attempt may end that another replica goes on from, be it a first one or one that was to go on itself."""
STOPS: Final = ("stop", "stop_sequences")
"""The fields in which a request has its stop sequences."""

_stops = msgspec.json.Decoder(str | list[str] | None)


class KeptRelay(StreamedRelay):
    """A streamed answer under `exchange.checks`, or one that may be resumed; `before` is the answer it goes on with."""

    before: KeptRelay | None = None
    plain: bool = True
    """Whether all that was said was kept, so that another replica can go on with it."""
    _said: list[str] = []
    _said_size: int = 0
    _taken: int = 0

    def begin(self, before: Relay | None) -> None:
        """Takes up the answer that this one goes on with, if it does."""
        if isinstance(before, KeptRelay):
            self.before = before
            self.reader.resume(before.reader)
            self.started = True
            self.made_before = before.reader.tokens

    def resume(self, limit: int | None) -> Resume | None:
        """What another replica has to know to go on, under a `limit` on output tokens; None where it cannot.

        Where the server did not count, nobody could say how much of a limit is left, nor what the whole answer used.
        """
        exchange = self.exchange
        if not (self.asking.resumable and self.plain and exchange.content_sent and self.reader.facts.only_text):
            return None
        text, tokens = self.text, self.reader.tokens
        if tokens is None and (limit is not None or exchange.asked.wants_usage):
            return None
        return None if ends_in_stop(exchange, text) else Resume(text, tokens or 0)

    @property
    def text(self) -> str:
        """The text of the answer so far, with what it went on from."""
        return ("" if self.before is None else self.before.text) + "".join(self._said)

    def _take(self, data: bytes) -> None:
        now_s = self._clock.monotonic()
        reader, exchange = self.reader, self.exchange
        reader.feed(data)
        self._copy(data, now_s)
        checks = exchange.checks
        held = checks is not None and checks.hold
        if reader.failure:
            self._fail_amid(reader.failure, held=held)
            return
        self._note()
        goes_on = checks is None or checks.watch(reader.added)
        if not goes_on and checks is not None and checks.unfit is not None:
            self._refuse(checks)
            return
        if held:
            self._hold(reader.forward)
        else:
            self._pass_on(reader.forward)
        self._taken += len(data)
        if self._taken > MAX_WHOLE_BODY and self.asking.keep.replies:
            self._too_large(f"it is over {MAX_WHOLE_BODY} bytes, the most that is checked")
        if self._ended:
            return
        if reader.content:
            self._progress(now_s, held=held)
        if not goes_on and self._may_stop():
            self._stop_here()
        elif reader.done and self.connection is not None:
            self._linger = self._loop.call_later(LINGER_S, self.connection.abort)
            self._judge_and_deliver()

    def _pass_on(self, forward: bytes) -> None:
        if self.started:
            if forward:
                self.exchange.answer.chunk(forward)
        elif self.reader.content:
            self._begin(forward)
        elif forward:
            self._withhold(forward)

    def _fail_amid(self, detail: str, *, held: bool) -> None:
        """The stream fails with what came last; whole events before the fault are still the answer's."""
        if self.started and not held and self.reader.forward:
            self._note()
            self._pass_on(self.reader.forward)
        elif self.reader.added:
            self.plain = False
        self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=detail))

    def _copy(self, data: bytes, now_s: float) -> None:
        """Of an answer that may go on elsewhere, what its client sees is copied: else it would be two in one."""
        if not self.asking.resumable:
            super()._copy(data, now_s)
        elif self.reader.forward:
            self.capture.add(self.reader.forward, now_s)

    def _note(self) -> None:
        """Keeps text for a resume."""
        if not self.asking.resumable:
            return
        for _, text in self.reader.added:
            self._said.append(text)
            self._said_size += len(text)
        if self._said_size > MAX_RESUMED:
            self.plain = False

    def _progress(self, now_s: float, *, held: bool) -> None:
        if held:
            self._alarm.progress(now_s)
            return
        self._content_came(now_s)
        if self.answered is not None and self.before is not None:
            self.answered(now_s)
            self.answered = None

    def _hold(self, events: bytes) -> None:
        if events:
            self._parts.append(events)
            self._size += len(events)
        if self._size + len(self.reader.ending) > MAX_HELD:
            self._too_large(f"it is over {MAX_HELD} bytes, the most that is held back")

    def _too_large(self, detail: str) -> None:
        """The answer cannot be checked; it would be as large if it were tried again."""
        checks = self.exchange.checks
        unfit = None if checks is None else checks.too_large(detail)
        if unfit is None:
            self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=f"as for its answer, {detail}"))
            return
        self.stopped = True
        self._settle(unfit.failure, abort=True)

    def _refuse(self, checks: Checks) -> None:
        """No valid answer can come any more: the replica is told to stop."""
        facts = self.facts = self.reader.facts
        checks.answered_so_far(facts.replies)
        if checks.unfit is not None:
            self.stopped = True
            self._settle(checks.unfit.failure, abort=True)

    def _may_stop(self) -> bool:
        """Whether an answer that repeats itself can be ended here: not amid its end, nor with others beside it."""
        facts = self.reader.facts
        return not (self.reader.ending or self.reader.done or facts.finish_reason) and facts.choices < 2

    def _stop_here(self) -> None:
        """The answer repeats itself: it ends here, and says so."""
        checks, ending = self.exchange.checks, self.reader.stop("repetition")
        facts = self.facts = self.reader.facts
        facts.finish_reason = "repetition"
        for reply in facts.replies:
            reply.finish = "length"
        self.stopped = True
        if checks is not None:
            checks.repetition_stopped = True
        self._judge_and_deliver(ending, abort=True)

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
        unfit = None if checks is None else checks.judge(self.facts.replies, self.facts.unread)
        if unfit is not None:
            self._settle(unfit.failure, abort=abort)
            return
        ending = ending or self.reader.ending
        if ending and (self.asking.wire.path or self.asking.resumable):
            self.capture.add(ending, self._clock.monotonic())
        if not self.started:
            self._begin(ending)
            if self.facts.text_bytes:
                self._content_came(self._clock.monotonic())
        elif ending:
            exchange.answer.chunk(ending)
        exchange.answer.end()
        self._settle(None, abort=abort)

    def all_made(self, limit: int | None) -> bool:
        """Whether nothing is left to make: the answer had told its end, or made all tokens that it may."""
        told, made = self.facts is not None and bool(self.facts.finish_reason), self.reader.tokens
        return told or (limit is not None and made is not None and 0 < limit <= made)

    def finish_resumed(self) -> None:
        """Ends an answer of which nothing is left to make, as it was told or else by its limit."""
        exchange, ending = self.exchange, self.reader.stop("length")
        self.capture.add(ending, self._clock.monotonic())
        exchange.answer.chunk(ending)
        exchange.answer.end()
        facts = exchange.facts = self.facts or self.reader.facts
        facts.finish_reason = facts.finish_reason or "length"


def interrupted(exchange: Exchange, relay: Relay | None, failure: CallError, limit: int | None) -> Resume | None:
    """What another replica can go on with, now that this attempt has failed; None where nothing can."""
    if not isinstance(relay, KeptRelay) or failure.code not in RESUMED or exchange.answer.gone:
        return None
    return relay.resume(limit)


def ends_in_stop(exchange: Exchange, text: str) -> bool:
    """Whether a text ends in the beginning of a stop sequence, whose rest another replica would not know it by."""
    stops = list(exchange.task.sampling.stop or ())
    for name in STOPS:
        try:
            told = _stops.decode(exchange.asked.fields.get(name, b"null"))
        except NOT_JSON:
            return True
        stops += [told] if isinstance(told, str) else told or []
    return any(text.endswith(stop[:size]) for stop in stops for size in range(1, len(stop)))
