"""A day in a small company: calls of four tasks, one of which goes wrong after its prompt changed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from tests.console.past import NEW_LOCK, NEW_PROMPT, NEW_SYSTEM, OLD_LOCK, OLD_PROMPT, prompt_of
from tests.control.conftest import snapshot
from tests.store.samples import SECOND_NS, call
from trimtab.declare.project import Goal, Objective
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Change, Event, Score, Settled, ToolOutcome, Usage
from trimtab.statistics.calibration import bin_of
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.readings import Reading
from trimtab.store.telemetry import Batch

MINUTE_NS = 60 * SECOND_NS
BROKE_MINUTES_AGO = 70

HOSTILE = (
    "<script>window.pwned=1;alert(1)</script>",
    '"><img src=x onerror=window.pwned=1>',
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\u202egnp.exe\u202c \u2066hidden\u2069",
    "\U000e0041\U000e0042 tags, \u200bzero width, \x00 nul, \ud800 half",
)
"""Texts that a model, a client or a tool may send to whoever looks at them."""


def seeded(now_ns: int) -> MemoryTelemetry:
    """A store with calls of the last hours, changes, scores and readings."""
    telemetry = MemoryTelemetry()
    telemetry.insert(day(now_ns), "seed")
    return telemetry


def day(now_ns: int, *, calls_per_minute: float = 3.0, hours: int = 8) -> Batch:
    """The calls of the last hours, changes, scores and readings."""
    draw = random.Random(5)
    events: list[Event] = list(_changes(now_ns))
    readings: list[Reading] = []
    for minutes in range(hours * 60):
        at_ns = now_ns - minutes * MINUTE_NS - draw.randrange(1, 50) * SECOND_NS
        for task, share in (("extract", 1.0), ("route", 2.0), ("refund", 0.2), ("(undeclared)", 0.1)):
            for number in range(_count(draw, calls_per_minute * share)):
                settled = _call(draw, f"{task}-{minutes}-{number}", at_ns - number * SECOND_NS, task, minutes)
                events.append(settled)
                if draw.random() < 0.5:
                    events.append(_score(draw, settled))
                readings += _readings(draw, settled)
    return dataclasses.replace(Batch.of(events), readings=tuple(readings))


def hostile(now_ns: int, task: str = "extract") -> Iterator[Event]:
    """Calls and changes whose every text is hostile."""
    for number, text in enumerate(HOSTILE):
        made = call(f"hostile-{number}", now_ns - (number + 1) * MINUTE_NS, task=task)
        admitted = structs.replace(
            made.admitted,
            key=text,
            run=text,
            step=text,
            conversation=f"conversation {text}",
            end_user=text,
            system_prompt=text,
        )
        yield structs.replace(
            made,
            admitted=admitted,
            outcome="upstream_error" if number % 2 else "ok",
            model=text if number % 3 == 0 else "small",
            replica=text,
            finish_reason=text,
            upstream_model=text,
            upstream_id=text,
            detail=text,
            verdict="invalid",
            failing=(text,),
            tool_outcomes=(ToolOutcome(text, "unknown_tool", 1),),
        )
        yield Change(now_ns - (number + 1) * MINUTE_NS, "lock", text, text, text, text, text)


def labels(now_ns: int, task: str = "extract") -> Iterator[Score]:
    """Labels that came half an hour after their calls: sure answers are right less often than they should be."""
    draw = random.Random(6)
    for number in range(400):
        confidence = min(0.999, draw.betavariate(9, 1.2))
        right = draw.random() < confidence - 0.1
        at_ns = now_ns - draw.randrange(1, 200) * MINUTE_NS
        yield Score(
            f"label-{number}",
            at_ns,
            f"confidence.{'right' if right else 'wrong'}/kind",
            "feedback",
            value=confidence,
            label=bin_of(confidence),
            task=task,
            settled_ns=at_ns - draw.randrange(10, 60) * MINUTE_NS,
        )


def _count(draw: random.Random, mean: float) -> int:
    return int(mean) + (draw.random() < mean % 1)


def _call(draw: random.Random, name: str, at_ns: int, task: str, minutes: int) -> Settled:
    broken = minutes < BROKE_MINUTES_AGO
    valid = 0.934 if task == "extract" and broken else 0.991
    failed = draw.random() < (0.02 if task == "refund" else 0.002)
    ttft = draw.lognormvariate(-1.9 if task != "refund" else -1.2, 0.35)
    tokens = max(1, round(draw.lognormvariate({"route": 2.0, "extract": 4.6}.get(task, 5.3), 0.5)))
    tpot = draw.lognormvariate(-3.6, 0.1)
    made = call(
        name,
        at_ns,
        task=task,
        model="small" if draw.random() < 0.95 else "large",
        outcome=draw.choice(("upstream_error", "deadline_first_token")) if failed else "ok",
        cost=("exact", 2_000_000 * tokens + 30_000_000),
        usage=Usage(input=400, cache_read=200, output=tokens),
        ttft_s=None if failed else ttft,
        tpot_s=None if failed else tpot,
        longest_gap_s=None if failed else tpot * draw.uniform(2, 6),
        total_s=ttft + tpot * tokens,
        replica=f"http://10.0.0.{11 + draw.randrange(2)}:8000",
        finish_reason="" if failed else "length" if draw.random() < 0.01 else "stop",
        answer_tokens=None if failed else tokens,
    )
    fields: dict[str, Any] = {}
    if task in ("extract", "refund", "route") and not failed:
        fields["verdict"] = "valid" if draw.random() < valid else "invalid"
    if task == "refund" and not failed:
        outcome = "valid" if draw.random() < 0.97 else "schema_invalid"
        fields |= {"tool_calls": 1, "tool_outcomes": (ToolOutcome("refund", outcome, 1),)}
    declared = not task.startswith("(")
    admitted = structs.replace(
        made.admitted,
        key="support-app",
        prompt=(NEW_PROMPT if broken and task == "extract" else OLD_PROMPT) if declared else "",
        lock=NEW_LOCK if broken else OLD_LOCK,
        schema="5c" * 32 if declared else "",
        run=f"run-{name}",
        request_bytes=draw.randrange(800, 4000),
    )
    return structs.replace(made, admitted=admitted, **fields)


def _score(draw: random.Random, settled: Settled) -> Score:
    admitted = settled.admitted
    return Score(
        id=f"done-{admitted.call}",
        at_ns=settled.at_ns + SECOND_NS,
        name="completion",
        source="rule",
        call=admitted.call,
        run=admitted.run,
        value=1.0 if draw.random() < 0.95 else 0.0,
        environment=admitted.environment,
        task=admitted.task,
        model=settled.model,
        replica=settled.replica,
        prompt=admitted.prompt,
        lock=admitted.lock,
        key=admitted.key,
        settled_ns=settled.at_ns,
    )


def _readings(draw: random.Random, settled: Settled) -> Iterator[Reading]:
    admitted = settled.admitted
    if admitted.task != "extract":
        return
    place = (settled.at_ns, admitted.call, "test", admitted.task, settled.model, admitted.prompt, admitted.lock)
    label = draw.choices(("invoice", "receipt", "letter", "other"), (50, 30, 15, 5))[0]
    yield Reading(*place, "answer//kind", "category", label)
    yield Reading(*place, "answer//amount", "number", "", draw.lognormvariate(4, 1))
    yield Reading(*place, "confidence/", "number", "", min(1.0, draw.betavariate(30, 2)))
    yield Reading(*place, "input.language", "category", draw.choices(("en", "de", "es"), (80, 15, 5))[0])


def _changes(now_ns: int) -> Iterator[Change]:
    yield Change(now_ns - 300 * MINUTE_NS, "snapshot", "test", "a" * 64, "b" * 64, "watch")
    broke_ns = now_ns - BROKE_MINUTES_AGO * MINUTE_NS
    words = "prompt extract: 2 sentences changed"
    yield Change(broke_ns, "lock", "test", OLD_LOCK, NEW_LOCK, "ana", words)
    yield Change(broke_ns, "snapshot", "test", "b" * 64, "c" * 64, "ana")
    yield Change(now_ns - 140 * MINUTE_NS, "worker_died", "gateway 1", "", "", "supervisor", "signal 9")


def policy() -> Snapshot:
    """The policy in force: three tasks with objectives and one without calls."""
    objective = Objective(goals=(Goal("ttft", 0.95, 0.8), Goal("tpot", 0.95, 0.05)), success=0.995)
    made = snapshot(objective)
    route = made.tasks["route"]
    tasks = {
        "route": route,
        "extract": structs.replace(route, name="extract", models=("small", "large"), prompt=prompt_of(NEW_SYSTEM)),
        "refund": structs.replace(route, name="refund", owner="money"),
        "idle": structs.replace(route, name="idle", objective=Objective()),
    }
    return structs.replace(made, tasks=tasks, lock_id=NEW_LOCK)
