"""Writes down the questions that control puts to a model on its own account, as calls of the task `(probe)`."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.cost import meter
from trimtab.cost.usage import from_anthropic, from_openai
from trimtab.ids import IdSource
from trimtab.policy.snapshot import PROBE, Snapshot
from trimtab.processes.changes import Changes
from trimtab.processes.identity_ask import Answered
from trimtab.record.events import OK, Admitted, Attempt, Settled, Usage

SURFACES = {"openai": "chat_completions", "anthropic": "messages"}
NS_PER_S = 1_000_000_000


class ProbeCalls:
    """Records each answered probe with its tokens and cost; one that got no answer costs nothing and is not one."""

    def __init__(self, changes: Changes, snapshot: Callable[[], Snapshot], epoch: str, ids: IdSource) -> None:
        self._changes = changes
        self._snapshot = snapshot
        self._epoch = epoch
        self._ids = ids

    def __call__(self, answered: Answered) -> None:
        """Writes the call and its one attempt."""
        model, reading, snapshot = answered.model, answered.reading, self._snapshot()
        usage = from_anthropic(reading.usage) if model.wire == "anthropic" else from_openai(reading.usage)
        cost = self._cost(snapshot, model.name, usage, answered.at_ns)
        call = self._ids.new(answered.at_ns)
        ended_ns = answered.at_ns + round(answered.duration_s * NS_PER_S)
        admitted = Admitted(
            call=call,
            at_ns=answered.at_ns,
            worker=self._epoch,
            environment=snapshot.environment,
            snapshot=snapshot.digest,
            lock=snapshot.lock_id,
            task=PROBE,
            key="",
            surface=SURFACES[model.wire],
            model=model.name,
            run=call,
            request_bytes=answered.request_bytes,
            max_output_tokens=answered.probe.tokens,
        )
        attempt = Attempt(
            call=call,
            number=1,
            at_ns=ended_ns,
            model=model.name,
            replica=answered.replica,
            cause=OK,
            duration_s=answered.duration_s,
            status=200,
            usage=usage,
            cost_pusd=cost.pusd,
            cost_label=cost.label,
        )
        settled = Settled(
            admitted=admitted,
            at_ns=ended_ns,
            outcome=OK,
            status=200,
            attempts=1,
            model=model.name,
            replica=answered.replica,
            total_s=answered.duration_s,
            finish_reason=reading.finish,
            usage=usage,
            answer_tokens=usage.output if usage else None,
            cost_pusd=cost.pusd,
            cost_label=cost.label,
            response_bytes=answered.response_bytes,
            upstream_model=reading.model,
            system_fingerprint=reading.fingerprint,
            choices=1,
            wire=model.wire,
        )
        self._changes.add(attempt, settled)

    @staticmethod
    def _cost(snapshot: Snapshot, model: str, usage: Usage | None, at_ns: int) -> meter.Cost:
        rates = snapshot.rates.get(model)
        if usage is None or rates is None:
            return meter.UNKNOWN
        return meter.price(usage, rates, meter.day(at_ns), exact=True)
