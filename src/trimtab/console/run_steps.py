"""The steps of a run as pages show them: a part of them at a time, and one with its bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from trimtab.console.bodies import MOST_READ, Body, Said, read_answer, read_request
from trimtab.console.page import Asked
from trimtab.console.run_desk import RunDesk
from trimtab.console.said import pretty
from trimtab.errors import InvalidRequest
from trimtab.journal.entries import Body as Named
from trimtab.journal.steps import Log, Step

AT_ONCE: Final = 100
"""Steps of a page."""
MOST_TEXT: Final = 200_000
ONLY: Final = ("failed", "open", "reviewed")


class StepLine(Struct, frozen=True):
    """One step in a line. Times in seconds since the run began; `found` is what checks and people said of it."""

    seq: int
    at_s: float
    step: str
    label: str
    tool: str
    state: str
    took_s: float | None
    cost_pusd: int | None
    input_tokens: int | None
    output_tokens: int | None
    branch: str
    tries: int
    found: str
    call: str


@dataclass(frozen=True)
class Part:
    """A part of a run's steps: those that are shown, how many there are like them, and where the parts around it begin
    (0 where there is none).
    """

    steps: Sequence[Step]
    number: int
    of: int
    before: int = 0
    after: int = 0


class Content(Struct, frozen=True):
    """One side of a step: what was kept, and what it says; `text` is JSON set out, where it is no talk with a model."""

    state: str
    size: int
    digest: str
    text: str
    left: int
    said: Said | None = None


class OneStep(Struct, frozen=True):
    """A step with what it asked and answered, and its neighbours."""

    step: Step
    asked: Content
    answered: Content
    before: int
    after: int


def part_of(log: Log, asked: Asked) -> Part:
    """The steps that the address asks for: `?at=` is the first of them. Raises `InvalidRequest`."""
    kind, label, only = (asked.query.get(name, "") for name in ("kind", "label", "only"))
    if only and only not in ONLY:
        raise InvalidRequest(detail=f"?only={only[:40]} is none of {', '.join(ONLY)}")
    steps = [step for step in log.steps if _is_like(step, kind, label, only)]
    at = number_of(asked, "at")
    first = next((place for place, step in enumerate(steps) if step.seq >= at), max(0, len(steps) - AT_ONCE))
    shown = steps[first : first + AT_ONCE]
    before = steps[max(0, first - AT_ONCE)].seq if first else 0
    after = steps[first + AT_ONCE].seq if first + AT_ONCE < len(steps) else 0
    return Part(shown, first + 1 if shown else 0, len(steps), before, after)


def number_of(asked: Asked, name: str) -> int:
    """A seq of the address; 0 where there is none. Raises `InvalidRequest`."""
    text = asked.query.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise InvalidRequest(detail=f"?{name}={text[:40]} is no place in a log")
    return int(text or 0)


def _is_like(step: Step, kind: str, label: str, only: str) -> bool:
    if (kind and step.intent.step != kind) or (label and label not in (step.intent.label, step.intent.tool)):
        return False
    match only:
        case "failed":
            return step.is_failed
        case "open":
            return step.state == "open"
        case "reviewed":
            return bool(step.reviews)
        case _:
            return True


def line_of(step: Step, began_ns: int) -> StepLine:
    """A step in a line."""
    intent, result = step.intent, step.result
    return StepLine(
        step.seq,
        (intent.at_ns - began_ns) / 1e9,
        intent.step,
        intent.label,
        intent.tool,
        step.state,
        step.took_s,
        result.cost_pusd if result is not None else None,
        result.input_tokens if result is not None else None,
        result.output_tokens if result is not None else None,
        intent.branch,
        len(result.tried) if result is not None else 0,
        found_of(step),
        intent.call,
    )


def found_of(step: Step) -> str:
    """What went wrong with a step, and what checks and people said of it."""
    told = [step.result.error] if step.result is not None and step.result.error else []
    told += [f"{one.check} {'passed' if one.passed else 'failed'}" for one in step.checks]
    told += [f"{one.decided.verdict} by {one.decided.by}" if one.decided else "review waits" for one in step.reviews]
    if step.reconciled is not None:
        told.append(f"{step.reconciled.found.replace('_', ' ')}, says {step.reconciled.by}")
    if step.diverged is not None:
        told.append("diverged")
    return ", ".join(told)


async def one_step(desk: RunDesk, log: Log, seq: int) -> OneStep | None:
    """A step with its bodies; None where there is none at this place."""
    place = next((place for place, step in enumerate(log.steps) if seq in (step.seq, step.result_seq)), None)
    if place is None:
        return None
    step = log.steps[place]
    output = step.result.output if step.result is not None else None
    if output is None and step.reconciled is not None:
        output = step.reconciled.output
    named = [one for one in (step.intent.input, output) if one is not None and one.size <= MOST_READ]
    found = await desk.bodies(log.run, named)
    before = log.steps[place - 1].seq if place else 0
    after = log.steps[place + 1].seq if place + 1 < len(log.steps) else 0
    is_model = step.intent.step == "model"
    asked = content_of(step.intent.input, found, side="request" if is_model else "")
    answered = content_of(output, found, side="answer" if is_model else "")
    return OneStep(step, asked, answered, before, after)


def content_of(named: Named | None, found: Mapping[str, bytes | None], *, side: str = "") -> Content:
    """One side of a step, as far as it was kept."""
    if named is None:
        return Content("none", 0, "", "", 0)
    if named.size > MOST_READ:
        return Content("large", named.size, named.digest, "", 0)
    content = found.get(named.digest)
    if content is None:
        return Content("gone", named.size, named.digest, "", 0)
    body = Body("kept", named.size, named.digest, content)
    said = read_request(body) if side == "request" else read_answer(body) if side == "answer" else None
    text = pretty(content.decode("utf-8", "replace"))
    return Content("kept", named.size, named.digest, text[:MOST_TEXT], max(0, len(text) - MOST_TEXT), said)
