"""Scores that we make ourselves: how they are named, and what they take from the call they are about."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

from msgspec.structs import replace

from trimtab.record.events import Score, Settled
from trimtab.store.scores import COMPLETION

Source = Literal["feedback", "rule", "judge"]

RIGHT: Final = "confidence.right"
WRONG: Final = "confidence.wrong"
"""The confidence of an answer that was right or wrong, or of a field of it whose JSON pointer follows, as in
`confidence.right/label`. The label is its bin."""


def score_id(*parts: str) -> str:
    """The id of a judgement by what it is: made again, it takes the place of itself."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def about(call: Settled, score: Score) -> Score:
    """A score with what it takes from its call."""
    admitted = call.admitted
    return Score(
        id=score.id,
        at_ns=score.at_ns,
        name=score.name,
        source=score.source,
        call=admitted.call,
        run=score.run,
        conversation=score.conversation,
        value=score.value,
        label=score.label,
        correction=score.correction,
        explanation=score.explanation,
        by=score.by,
        environment=admitted.environment,
        task=admitted.task,
        model=call.model or admitted.model,
        replica=call.replica,
        prompt=admitted.prompt,
        lock=admitted.lock,
        key=admitted.key,
        settled_ns=call.at_ns,
    )


def run_of(call: Settled) -> str:
    """The run that the client named; empty where the call is one by itself."""
    run = call.admitted.run
    return run if run != call.admitted.call else ""


def completion_of(call: Settled, value: float | None, source: Source, at_ns: int, by: str = "") -> Score:
    """Whether the work of a call is done, or of its run, if it has one; one judgement from each source."""
    told = Score("", at_ns, COMPLETION, source, run=run_of(call), value=value, by=by)
    return told_by(source, about(call, told), value)


def told_by(source: Source, completion: Score, value: float | None) -> Score:
    """The same completion as another source tells it."""
    subject = ("run", completion.task, completion.run) if completion.run else ("call", completion.call)
    return replace(completion, id=score_id(COMPLETION, source, *subject), source=source, value=value)
