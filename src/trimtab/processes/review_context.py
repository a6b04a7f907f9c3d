"""What led to a review: what its run was begun with, what it cost so far, and its latest steps before."""

from __future__ import annotations

import json
from typing import Final

from trimtab.console.review_desk import Before
from trimtab.data.spoken import answered
from trimtab.journal.asks import Entries, Find, Load, Loaded, Read, Runs
from trimtab.journal.client import Asking
from trimtab.journal.entries import Body, Logged, Started
from trimtab.journal.refusals import BodyUnknown
from trimtab.journal.steps import Step, log_of
from trimtab.processes.run_book import output_of

MOST_STEPS: Final = 6
MOST_ENTRIES: Final = 200
"""How far back in the log steps are looked for."""
MOST_BYTES: Final = 256 << 10
MOST_SHOWN: Final = 400


async def loaded(journal: Asking, run: str, body: Body | None) -> bytes | None:
    """The bytes of a body; None where there is none, or it is not kept any more."""
    if body is None:
        return None
    if body.inline is not None:
        return body.inline.encode()
    try:
        told = await journal.do(Load(run, body.digest))
    except BodyUnknown:
        return None
    return told.content if isinstance(told, Loaded) else None


async def given(journal: Asking, run: str) -> bytes | None:
    """What a run was begun with."""
    first = await _entries(journal, Read(run, 1, 1))
    started = first[0].entry if first else None
    body = started.input if isinstance(started, Started) else None
    return await loaded(journal, run, body) if body is None or body.size <= MOST_BYTES else None


async def cost_usd(journal: Asking, run: str) -> float | None:
    """What a run has cost so far."""
    told = await journal.do(Find(run=run))
    return told.runs[0].cost_pusd / 1e12 if isinstance(told, Runs) and told.runs else None


async def steps_before(journal: Asking, run: str, of: int) -> tuple[Before, ...]:
    """The latest steps that were over before the one at `of`, in their order."""
    since = max(1, of - MOST_ENTRIES)
    entries = await _entries(journal, Read(run, since, MOST_ENTRIES)) if of > 1 else ()
    log = log_of(run, [one for one in entries if one.seq < of])
    latest = [step for step in log.steps if step.state != "open"][-MOST_STEPS:]
    return tuple([await _before(journal, run, step) for step in latest])


async def _before(journal: Asking, run: str, step: Step) -> Before:
    intent, result = step.intent, step.result
    body = output_of(step)
    if result is not None and result.error:
        said = f"{result.error}: {result.detail}" if result.detail else result.error
    elif body is None:
        said = ""
    elif body.size > MOST_BYTES:
        said = f"{body.size:,} bytes"
    else:
        said = _words(step, await loaded(journal, run, body))
    return Before(step.seq, intent.step, intent.label, step.state, said[:MOST_SHOWN])


def _words(step: Step, content: bytes | None) -> str:
    if content is None:
        return ""
    if step.intent.step == "model":
        said = answered(content, MOST_BYTES)
        if said is not None:
            return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return content.decode("utf-8", "replace")


async def _entries(journal: Asking, ask: Read) -> tuple[Logged, ...]:
    told = await journal.do(ask)
    return told.entries if isinstance(told, Entries) else ()
