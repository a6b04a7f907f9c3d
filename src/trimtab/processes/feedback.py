"""Judgements that come from outside: what one may say, what it becomes, and how it finds the call it is about."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from trimtab.contracts.predictions import Prediction, predicted
from trimtab.errors import InvalidRequest
from trimtab.policy.watch import Watch
from trimtab.processes.contents import ContentReader, Glance, as_json
from trimtab.record.events import Score, Settled
from trimtab.record.purposes import is_ours
from trimtab.record.redact import Redaction, scrub
from trimtab.signals.labels import Judged, scores_of
from trimtab.signals.readings.reading import Said
from trimtab.store.search import CallSearch
from trimtab.store.telemetry import Telemetry

MAX_BYTES: Final = 256 << 10
MAX_ID: Final = 200
MAX_NAME: Final = 64
MAX_LABEL: Final = 200
MAX_COMMENT: Final = 2000
DEFAULT_NAME: Final = "feedback"
OTEL_EVENT: Final = "gen_ai.evaluation.result"
OTEL: Final = {
    "gen_ai.evaluation.name": "name",
    "gen_ai.evaluation.score.value": "score",
    "gen_ai.evaluation.score.label": "label",
    "gen_ai.evaluation.explanation": "comment",
    "gen_ai.response.id": "call",
}
"""Attributes of the event (OpenTelemetry semantic conventions, generative AI), and what we call them."""
VALUES: Final = ("stringValue", "doubleValue", "intValue", "boolValue")
"""How OTLP's JSON writes the value of an attribute."""
WHOLE: Final = re.compile("-?[0-9]{1,19}")


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """A judgement as it is sent. It is about a `call`, a `run` or a `conversation`, and says at least one of `score`,
    `label` and `correct`: the answer that would have been right, a text or any JSON. `id` is the sender's own name for
    it: what comes again under the same one takes the place of the first.
    """

    call: str = ""
    run: str = ""
    conversation: str = ""
    name: str = DEFAULT_NAME
    score: float | bool | None = None
    label: str = ""
    correct: Any = msgspec.UNSET
    comment: str = ""
    id: str = ""


class Judgement(Struct, frozen=True):
    """A judgement that was found well-formed; `correction` is the corrected answer as bytes, None without one."""

    call: str
    run: str
    conversation: str
    name: str
    source: Literal["feedback", "evaluation"]
    value: float | None
    label: str
    comment: str
    id: str
    correction: bytes | None

    @property
    def subject(self) -> str:
        """What it is about, as messages call it."""
        return next(f"{kind} {name}" for kind in ("call", "run", "conversation") if (name := getattr(self, kind)))


def understood(body: bytes) -> Judgement:
    """A judgement of the bytes of a request; raises `InvalidRequest`, which says what is wrong."""
    if len(body) > MAX_BYTES:
        raise InvalidRequest(detail=f"the judgement is over {MAX_BYTES} bytes")
    try:
        said = msgspec.json.decode(body)
        attributes = _attributes(said)
        given = msgspec.convert(said if attributes is None else attributes, Given)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InvalidRequest(detail=f"the body is no judgement: {wrong}") from wrong
    _check(given)
    return Judgement(
        call=given.call,
        run=given.run,
        conversation=given.conversation,
        name=given.name,
        source="feedback" if attributes is None else "evaluation",
        value=None if given.score is None else float(given.score),
        label=given.label,
        comment=scrub(given.comment),
        id=given.id,
        correction=_correction(given.correct),
    )


def _attributes(said: Any) -> dict[str, Any] | None:
    """The fields of an OpenTelemetry event under our names; None for what is none."""
    if not isinstance(said, dict):
        return None
    found: Any = said.get("attributes", said)
    named = next((said[key] for key in ("name", "event_name", "eventName") if key in said), OTEL_EVENT)
    if isinstance(found, list):
        pairs = ((one.get("key"), one.get("value")) for one in found if isinstance(one, dict))
        found = {key: _otlp(value) for key, value in pairs if isinstance(key, str)}
    if not isinstance(found, dict) or not any(key in OTEL for key in found):
        return None
    if found is not said and named != OTEL_EVENT:
        raise InvalidRequest(detail=f"the event is {str(named)[:60]!r}, not {OTEL_EVENT}")
    return {OTEL[key]: value for key, value in found.items() if key in OTEL and value is not None}


def _otlp(value: Any) -> Any:
    """A value out of its kind; whole numbers are decimal texts there, as 64 bits are in Protobuf's JSON."""
    if not isinstance(value, dict):
        return value
    kind = next((kind for kind in VALUES if kind in value), "")
    said = value.get(kind)
    if kind == "intValue" and isinstance(said, str) and WHOLE.fullmatch(said):
        return int(said)
    return said


def _check(given: Given) -> None:
    subjects = [kind for kind in ("call", "run", "conversation") if getattr(given, kind)]
    if len(subjects) != 1:
        raise InvalidRequest(detail="name exactly one of call, run and conversation")
    if given.score is None and not given.label and given.correct is msgspec.UNSET:
        raise InvalidRequest(detail="it judges nothing: give score, label or correct")
    if given.score is not None and not math.isfinite(given.score):
        raise InvalidRequest(detail="score is not a finite number")
    bounds = {subjects[0]: MAX_ID, "name": MAX_NAME, "label": MAX_LABEL, "id": MAX_ID}
    for name, most in bounds.items():
        text = getattr(given, name)
        if len(text) > most or not text.isprintable() or (name == "name" and not text):
            raise InvalidRequest(detail=f"{name} is empty, over {most} characters or not printable")
    if len(given.comment) > MAX_COMMENT:
        raise InvalidRequest(detail=f"comment is over {MAX_COMMENT} characters")


def _correction(correct: Any) -> bytes | None:
    if correct is msgspec.UNSET:
        return None
    return correct.encode("utf-8", "replace") if isinstance(correct, str) else msgspec.json.encode(correct)


@dataclass(frozen=True)
class Judge:
    """Whose calls may be judged: those of some tasks (empty is all), and those made with the judge's own key."""

    tasks: tuple[str, ...] = ()
    key: str = ""

    def may(self, call: Settled) -> bool:
        """Whether this call may be judged."""
        return not self.tasks or call.admitted.task in self.tasks or call.admitted.key == self.key


ANYBODY: Final = Judge()
LOOKED_AT: Final = 50
"""Calls of a run or conversation among which the user's latest is: behind it are only summaries and copies."""


def find_call(
    telemetry: Telemetry, judged: Judgement | Score, until_ns: int, since_ns: int, judge: Judge = ANYBODY
) -> Settled | None:
    """The call that a judgement is about; of a run or conversation the user's latest. None where none is stored that
    the judge may judge: whether there is another one is not told.

    A call is named by our id, or by the id that the model's server gave its answer. Raises `StoreError`.
    """
    if judged.call:
        found = _named(telemetry, judged.call, since_ns)
        return found if found is not None and judge.may(found) else None
    wanted = CallSearch(since_ns, until_ns, run=judged.run, conversation=judged.conversation, limit=LOOKED_AT)
    whose = (replace(wanted, tasks=judge.tasks), replace(wanted, keys=(judge.key,))) if judge.tasks else (wanted,)
    calls = [call for one in whose for call in telemetry.search(one).calls if not is_ours(call.admitted.task)]
    return max(calls, key=lambda call: call.at_ns, default=None)


def _named(telemetry: Telemetry, name: str, since_ns: int) -> Settled | None:
    detail = telemetry.call(name)
    if detail is None:
        answered = telemetry.answered_as(name, since_ns)
        detail = telemetry.call(answered) if answered else None
    return detail.call if detail is not None else None


class Judging:
    """Makes scores of judgements and their calls; used from the thread of telemetry."""

    def __init__(self, reader: ContentReader, watch: Callable[[], Watch]) -> None:
        self._reader = reader
        self._watch = watch

    def __repr__(self) -> str:
        return f"Judging({self._reader!r})"

    def glance(self, call: Settled) -> Glance:
        """The bodies of a call, as far as they were kept."""
        return self._reader.glance(call)

    def redaction(self, call: Settled) -> Redaction:
        """What may be kept of a corrected answer to a call."""
        return self._reader.redaction(call.admitted.task)

    def scores(self, score: Score, call: Settled, correction: bytes | None = None) -> tuple[Score, ...]:
        """A judgement with what it takes from its call, and what follows of completion, accuracy and calibration."""
        watched, task = self._reader.watched(call), self._watch().tasks.get(call.admitted.task)
        answer = self._reader.glance(call).answer
        corrected = None if correction is None else as_json(correction.decode("utf-8", "replace"))
        completion = task.completion if task is not None else None
        judged = Judged(
            score=score,
            call=call,
            answer=answer,
            corrected=corrected,
            said=_said(answer, watched),
            corrected_said=_said(corrected, watched),
            known={one.pointer: one.known for one in watched if one.kind == "category" and None not in one.tokens},
            completes=completion is not None and completion.feedback == score.name,
        )
        return tuple(scores_of(judged))


def _said(answer: Any, watched: tuple[Prediction, ...]) -> tuple[Said, ...]:
    return tuple(Said(one.pointer, one.kind, one.value) for one in predicted(answer, watched))
