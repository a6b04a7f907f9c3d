"""Runs taken along: as a case for evaluations, or whole, with all bodies, as lines of JSON."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from trimtab.data.drawn import MOST_CASE_BYTES
from trimtab.data.spoken import Asked, answered, asked
from trimtab.errors import TrimtabError
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import bodies_of
from trimtab.journal.reading import body_read, entries_of, log_read, row_of
from trimtab.journal.recording import FORM
from trimtab.journal.requests import Path as Paths
from trimtab.journal.steps import Log, Step
from trimtab.processes.run_book import output_of
from trimtab.record.redact import scrub

MOST_LITERAL: Final = 2000


class NoCase(TrimtabError):
    """Run {run} gives no case: {detail}; choose a step of a model with --at."""


def case_line(journal: BlockingAsking, run: str, at: int = 0) -> str:
    """A step of a model as a case, a line of JSON: that at `at`, else the last before the first that failed.

    What it answered is `observed`: what it should have been is for a person to say. What looks like a key or a
    password is taken out. Raises `RunUnknown`, `NoCase`.
    """
    row, log = row_of(journal, run), log_read(journal, run)
    step = case_step(log, at)
    request = asked(body_read(journal, run, step.intent.input), MOST_CASE_BYTES)
    if not isinstance(request, Asked):
        raise NoCase(run=run, detail=f"of the request of step {step.seq} there is no more than `{request}` says")
    observed = answered(body_read(journal, run, output_of(step)), MOST_CASE_BYTES)
    found: dict[str, Any] = {"id": f"{run}-{step.seq}"}
    if request.inputs is not None:
        found["inputs"] = request.inputs
    if request.messages:
        found["messages"] = list(request.messages)
    if observed is not None:
        found["observed"] = observed
    at_text = datetime.fromtimestamp(step.intent.at_ns // 1_000_000_000, UTC).isoformat()
    told = {
        "run": run,
        "step": step.seq,
        "label": step.intent.label,
        "task": row.task,
        "at": at_text,
        "outcome": step.state,
        "lock": step.intent.lock or row.lock,
    }
    found["meta"] = {key: value for key, value in told.items() if value}
    try:
        return json.dumps(_scrubbed(found), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError) as unfit:
        raise NoCase(run=run, detail=f"step {step.seq} holds what JSON cannot carry ({unfit})") from unfit


def case_step(log: Log, at: int = 0) -> Step:
    """The step that a case is made of. Raises `NoCase`."""
    if at:
        chosen = log.step(at)
        if chosen is None or chosen.intent.step != "model":
            raise NoCase(run=log.run, detail=f"there is no step of a model at {at}")
        return chosen
    found: Step | None = None
    for step in log.steps:
        if step.intent.step == "model":
            found = step
        if step.is_failed and found is not None:
            break
    if found is None:
        raise NoCase(run=log.run, detail="it asked no model")
    return found


def exported(journal: BlockingAsking, run: str, volatile: Sequence[Paths] = ()) -> Iterator[bytes]:
    """A run whole, a line of JSON each: its form, its entries with their digests, and the bodies they name, each once.

    `volatile` are the paths in requests that do not count where it is done again. Raises `RunUnknown`.
    """
    row_of(journal, run)
    yield _line({"form": FORM, "run": run} | ({"volatile": volatile} if volatile else {}))
    told: set[str] = set()
    for logged in entries_of(journal, run):
        for body in bodies_of(logged.entry):
            if body.inline is None and body.digest not in told:
                told.add(body.digest)
                content = body_read(journal, run, body)
                if content is not None:
                    yield _line({"body": body.digest, "base64": b64encode(content).decode()})
        yield _line({"seq": logged.seq, "digest": logged.digest, "entry": logged.entry})


def pytest_text(journal: BlockingAsking, run: str, call: str, recording: str) -> str:
    """A test that has `call`, as `module:function`, do a run again from the file `recording` beside it.

    What a run returned that was completed is what the test expects; of one that failed, somebody has to say what it is
    to return. Raises `RunUnknown`.
    """
    row, log = row_of(journal, run), log_read(journal, run)
    module, _, function = call.partition(":")
    expected = "..."
    if log.ended is not None and log.ended.state == "completed":
        output = body_read(journal, run, log.ended.output)
        expected = _literal(output) if output is not None else "..."
    told = f"ended {row.state}" + (f" with {row.error}" if row.error else "")
    if expected == "...":
        last = '        assert result == ..., "say what it should return"\n'
    else:
        last = f"        assert result == {expected}\n"
    if row.through == "gateway":
        last = ""
    name = re.sub(r"\W", "_", run)
    words = f"Run {run} of {row.task or 'no task'} {told}; it is done again from what was recorded."
    said = "".join(letter if letter.isprintable() and letter not in '\\"' else " " for letter in words)
    return (
        f'"""{said}"""\n\nfrom pathlib import Path\n\nfrom {module} import {function}\n\n'
        f"from trimtab.testing import ReplayedRun\n\n\ndef test_run_{name}() -> None:\n"
        f'    """What the run was answered is given again, and nothing else is asked or done."""\n'
        f"    with ReplayedRun(Path(__file__).with_name({recording!r})) as replay:\n"
        f"        {'result = ' if last else ''}replay.call({function})\n{last}"
    )


def _literal(content: bytes) -> str:
    """A JSON value as Python writes it; `...` where it is too long to stand in a test."""
    try:
        text = repr(json.loads(content))
    except (ValueError, RecursionError):
        return "..."
    return text if len(text) <= MOST_LITERAL else "..."


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_scrubbed(one) for one in value]
    return {key: _scrubbed(one) for key, one in value.items()} if isinstance(value, dict) else value
