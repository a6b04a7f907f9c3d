"""What control reads of the bodies of calls, as far as their tasks let them be kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol

from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.predictions import Prediction, predicted, predictions
from trimtab.data.glance import Question, Reply, question, reply
from trimtab.declare.masks import without_secrets
from trimtab.errors import StoreError
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.processes.logs import event
from trimtab.record.events import OK, Settled
from trimtab.record.purposes import is_ours, served
from trimtab.record.redact import Redaction, scrub
from trimtab.signals.readings.reading import Contents, Said, readings_of
from trimtab.signals.readings.sampling import sampled, searched
from trimtab.store.readings import Reading
from trimtab.store.telemetry import Batch
from trimtab.store.texts import MAX_CHARACTERS, CallText

MOST_BYTES: Final = 256 << 10
"""Of a body that is read; a larger one gives nothing."""
MAX_SCHEMAS: Final = 1000
BEYOND: Final = 300
"""Characters behind what is shown of a text in which it is looked for the end of a secret."""
KEPT: Final = frozenset({"full", "preview"})

log = logging.getLogger("trimtab.control")


class BodyReader(Protocol):
    """Where the bodies of calls are found."""

    def read(self, digest: str) -> bytes | None:
        """The bytes a digest stands for; None if they are not kept. Raises `StoreError`."""


@dataclass(frozen=True)
class Glance:
    """The bodies of one call, each read when it is first asked for. None where a body was not kept."""

    call: Settled
    read: Callable[[str], bytes | None]

    @cached_property
    def question(self) -> Question | None:
        """What was asked."""
        body = self.read(self.call.admitted.request_body)
        return question(body, MOST_BYTES) if body is not None else None

    @cached_property
    def reply(self) -> Reply | None:
        """What was answered; None also where the answer has no text."""
        return reply(self._answer_body, MOST_BYTES) if self._answer_body is not None else None

    @property
    def is_kept(self) -> bool:
        """Whether the answer was kept, and is small enough to be read."""
        return self._answer_body is not None and len(self._answer_body) <= MOST_BYTES

    @cached_property
    def _answer_body(self) -> bytes | None:
        return self.read(self.call.response_body)

    @cached_property
    def answer(self) -> Any:
        """The answer's JSON, or its text where it is none; None where it is not known whole."""
        said = self.reply
        return as_json(said.text) if said is not None and said.whole else None


class ContentReader:
    """Reads the bodies of calls in the thread of telemetry; what cannot be read gives nothing, and stops nothing."""

    def __init__(self, bodies: BodyReader, snapshot: Callable[[], Snapshot]) -> None:
        self._bodies = bodies
        self._snapshot = snapshot
        self._of = ""
        self._schemas: dict[str, str] = {}
        self._trouble = ""

    def __repr__(self) -> str:
        return f"ContentReader({len(self._schemas)} schemas)"

    def glance(self, call: Settled) -> Glance:
        """The bodies of a call, as far as the redaction in force lets them be kept."""
        kept = self.redaction(call.admitted.task) in KEPT
        return Glance(call, self._read if kept else _nothing)

    def redaction(self, task: str) -> Redaction:
        """What is kept of the bodies of a task, for whatever purpose it was called; of one that is not declared any
        more, as of undeclared calls.
        """
        snapshot = self._snapshot()
        policy = snapshot.tasks.get(served(task))
        return policy.redaction if policy is not None else snapshot.defaults.undeclared_redaction

    def watched(self, call: Settled) -> tuple[Prediction, ...]:
        """The fields that the schema of a call's answer names; none where that schema is not known any more."""
        digest = call.admitted.schema
        if not digest:
            return ()
        self._learn_schemas()
        text = self._schemas.get(digest)
        return predictions(text) if text else ()

    def policy(self, task: str) -> TaskPolicy | None:
        """The policy of a task in force."""
        return self._snapshot().tasks.get(task)

    def _learn_schemas(self) -> None:
        snapshot = self._snapshot()
        if snapshot.digest == self._of:
            return
        self._of = snapshot.digest
        for task in snapshot.tasks.values():
            if task.output is not None:
                self._schemas[task.output.schema.digest] = task.output.schema.text
        while len(self._schemas) > MAX_SCHEMAS:
            del self._schemas[next(iter(self._schemas))]

    def _read(self, digest: str) -> bytes | None:
        if not digest:
            return None
        try:
            found = self._bodies.read(digest)
        except StoreError as failure:
            if str(failure) != self._trouble:
                self._trouble = str(failure)
                event(log, logging.WARNING, "bodies_not_read", detail=self._trouble)
            return None
        return found


class Readings:
    """Adds to a batch what its calls are searched by, and the readings of a sample of them."""

    def __init__(self, reader: ContentReader) -> None:
        self._reader = reader

    def __repr__(self) -> str:
        return f"Readings({self._reader!r})"

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its readings and texts."""
        of_tasks = [call for call in batch.calls if not is_ours(call.admitted.task)]
        chosen, by_words = sampled(of_tasks), searched(of_tasks)
        readings: list[Reading] = []
        texts: list[CallText] = []
        for call in of_tasks:
            glance = self._reader.glance(call)
            found = self.read(glance) if call.admitted.call in chosen else ()
            readings += found
            text = text_of(glance, found) if found or call.admitted.call in by_words else None
            if text is not None:
                texts.append(text)
        return replace(batch, readings=tuple(readings), texts=tuple(texts))

    def read(self, glance: Glance) -> tuple[Reading, ...]:
        """The readings of one call."""
        call, watched, asked = glance.call, self._reader.watched(glance.call), glance.question
        return readings_of(
            call,
            Contents(
                asked=asked.text if asked is not None else "",
                inputs=self._inputs(call, asked),
                said=tuple(_said(glance, watched)),
                watched=frozenset(one.pointer for one in watched),
            ),
        )

    def _inputs(self, call: Settled, asked: Question | None) -> dict[str, Any]:
        """The inputs that the task's prompt names: others may be called anything."""
        policy = self._reader.policy(call.admitted.task)
        if asked is None or policy is None or policy.prompt is None:
            return {}
        return {name: asked.inputs[name] for name in policy.prompt.inputs if name in asked.inputs}


def text_of(glance: Glance, readings: Sequence[Reading]) -> CallText | None:
    """What a call is searched by, without what looks like a secret; None where nothing of it was kept."""
    asked, answered = glance.question, glance.reply
    if asked is None and answered is None and not readings:
        return None
    return CallText(
        call=glance.call.admitted.call,
        at_ns=glance.call.at_ns,
        task=glance.call.admitted.task,
        asked=_shown(asked.text) if asked is not None else "",
        answered=_shown(answered.text) if answered is not None else "",
        categories={one.field: one.value for one in readings if one.kind == "category"},
        numbers={one.field: one.number for one in readings if one.kind == "number"},
    )


def _shown(text: str) -> str:
    """The beginning of a text; more is masked than shown, so that no secret is cut into one that is not seen as one."""
    return without_secrets(scrub(text[: MAX_CHARACTERS + BEYOND]))[:MAX_CHARACTERS]


def as_json(text: str) -> Any:
    """The JSON value of a text; the text itself where it is none, or says null, which stands for nothing known."""
    try:
        found = parse(text)
    except NotJson:
        return text
    return text if found is None else found


def _said(glance: Glance, watched: tuple[Prediction, ...]) -> Iterator[Said]:
    """What a valid answer says in the watched fields."""
    call = glance.call
    if watched and call.outcome == OK and call.verdict == "valid":
        for one in predicted(glance.answer, watched):
            yield Said(one.pointer, one.kind, one.value)


def _nothing(digest: str) -> None:
    """Nothing was kept."""
