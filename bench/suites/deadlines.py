"""How punctually each clock fires, that patience is kept, and how soon a fallback starts.

A scripted upstream misbehaves so that one clock must fire. Lateness counts from the earliest moment from which the
clock can run (connect, first token, total: the client sends; gap: the upstream sends its last chunk) to the error's
arrival at the client, so the way there and back is held against the gateway. Patience: 10,000 streams whose gaps are
80 % of the limit, none of which may be cut. Fallback: from the first model's clock running out to the arrival of the
request at the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench import client, native
from bench.arm import STUB_MODEL, Target
from bench.gateway import Gateway, Task, gateway
from bench.lanes import LANES, Fault, Scripted, lane, scripted_upstream, spread
from bench.options import Options
from bench.report import Result
from trimtab.testing import unanswered_port

TRIALS = 100
PATIENCE_S = 10.0  # of the client: a clock that has not fired by then has not fired
LATE_MS, LATE_SHARE = 50.0, 0.02
FALLBACK_LIMIT_S, FALLBACK_LATE_MS = 0.5, 100.0
PATIENT_STREAMS, PATIENT_AT_ONCE, PATIENT_CHUNKS = 10_000, 2_000, 5
PATIENT_GAP_S, PATIENT_SHARE = 2.0, 0.8


@dataclass(frozen=True)
class Clock:
    """A clock, its limit in these trials, and what the upstream does to make it fire."""

    name: str
    limit_s: float
    script: dict[str, Any] = field(default_factory=dict)
    stream: bool = True
    unreachable: bool = False

    @property
    def task(self) -> str:
        """The start of its tasks' names, one for each lane."""
        return f"{self.name}-{'stream' if self.stream else 'whole'}-{self.script.get('act', 'unreachable')}"

    @property
    def settings(self) -> str:
        """The rest of its task.toml: this limit, the others far away, and one attempt."""
        far_s = self.limit_s if self.name == "total" else 60.0  # no clock may be longer than the total
        limits = {"connect": far_s, "first_token": far_s, "gap": far_s} | {self.name: self.limit_s}
        return deadline(limits) + "\nretry = { attempts = 1 }"


CLOCKS = (
    Clock("connect", 0.5, unreachable=True),
    Clock("first_token", 0.8, {"act": "silent"}),
    Clock("first_token", 0.8, {"act": "role_only", "every_ms": 100}),
    Clock("gap", 0.6, {"act": "stall", "chunks": 3, "every_ms": 20}),
    Clock("total", 1.5, {"act": "trickle", "every_ms": 50}),
    Clock("total", 1.5, {"act": "silent"}, stream=False),
)


def deadline(limits: dict[str, float]) -> str:
    """The `deadline` line of a task.toml."""
    return "deadline = { " + ", ".join(f'{name} = "{limit * 1000:.0f}ms"' for name, limit in limits.items()) + " }"


def run(options: Options, result: Result) -> None:
    """All clocks, the fallback, and patience."""
    if not options.wants("trimtab"):
        result.remarks.append("Only Trimtab has these clocks.")
        return
    trials = options.size(TRIALS, LANES)
    with contextlib.ExitStack() as running:
        upstream = running.enter_context(scripted_upstream())
        dead = {f"dead-{i}": running.enter_context(unanswered_port()) for i in range(LANES)}
        patient_port = running.enter_context(native.stub())
        models = upstream.models | dead | {STUB_MODEL: patient_port}
        opened = running.enter_context(gateway("deadlines", models, tasks()))
        for clock in CLOCKS:
            measure_clock(clock, opened, trials, options, result)
        measure_fallback(opened, upstream, trials, result)
        measure_patience(opened, options, result)


def tasks() -> dict[str, Task]:
    """A task for each clock and lane, for the fallback of each lane, and for patience."""
    found = {"patient": Task(settings=deadline({"connect": 30, "first_token": 60, "gap": PATIENT_GAP_S}))}
    for i in range(LANES):
        for clock in CLOCKS:
            model = f"dead-{i}" if clock.unreachable else lane(i)
            found[f"{clock.task}-{i}"] = Task(model, clock.settings)
        limits = deadline({"connect": 30, "first_token": FALLBACK_LIMIT_S, "gap": 60})
        found[f"fallback-{i}"] = Task(lane(i), f'{limits}\nfallback = ["backup"]\nretry = {{ attempts = 2 }}')
    return found


def measure_clock(clock: Clock, opened: Gateway, trials: int, options: Options, result: Result) -> None:
    """Trials of one clock over all lanes."""
    options.tell(f"deadlines: {clock.task}")
    late_ms: list[float] = []
    wrong: list[str] = []
    chance = random.Random(options.seed)

    def trial(number: int) -> Fault:
        script = clock.script | {"id": f"{clock.task}-{number}"}
        pause_s = chance.random() * clock.limit_s

        async def fire(target: Target) -> None:
            await asyncio.sleep(pause_s)  # so that trials do not all end at the same moment
            answer = await client.ask(target, client.scripted(target, script, stream=clock.stream), PATIENCE_S)
            begin = answer.last_stamp_s if clock.name == "gap" else answer.sent_s
            if begin is None or answer.error_code != f"deadline_{clock.name}":
                wrong.append("hangs" if answer.hangs else f"{answer.status} {answer.error_code}")
            else:
                late_ms.append((answer.error_s - begin - clock.limit_s) * 1000)

        return fire

    targets = [opened.target(f"{clock.task}-{i}") for i in range(LANES)]
    good_answers = 0 if clock.unreachable else 2
    asyncio.run(spread([trial(n) for n in range(trials)], targets, good_answers=good_answers))
    report_clock(clock, late_ms, wrong, result)


def report_clock(clock: Clock, late_ms: Sequence[float], wrong: Sequence[str], result: Result) -> None:
    """Worst and median lateness, firings before their time, and answers that were not this clock's error."""
    what = f"{clock.name} of {clock.limit_s:g} s ({clock.task.partition('-')[2]})"
    result.raw[clock.task] = {"late_ms": list(late_ms), "wrong": list(wrong)}
    result.equal(f"{what}: ended otherwise", len(wrong), 0, n=len(late_ms) + len(wrong))
    if late_ms:
        result.equal(f"{what}: fired too early", sum(late < 0 for late in late_ms), 0, n=len(late_ms))
        allowed = max(LATE_MS, LATE_SHARE * clock.limit_s * 1000)
        result.worst(f"{what}: latest", max(late_ms), allowed, "ms", n=len(late_ms))
        result.tell_value(f"{what}: median lateness", median(late_ms), "ms", n=len(late_ms))


def measure_fallback(opened: Gateway, upstream: Scripted, trials: int, result: Result) -> None:
    """From the first model's first-token clock running out to the next model's being asked."""
    broken: list[str] = []

    def trial(number: int) -> Fault:
        async def fall_back(target: Target) -> None:
            first_model = lane(int(target.model.rpartition("-")[2]))
            script = {"id": f"fallback-{number}", "act": "silent", "served": first_model, "chunks": 3}
            answer = await client.ask(target, client.scripted(target, script), PATIENCE_S)
            if answer.status != 200 or not answer.whole or not answer.done_marker:
                broken.append(f"{answer.status} {answer.error_code}")

        return fall_back

    targets = [opened.target(f"fallback-{i}") for i in range(LANES)]
    asyncio.run(spread([trial(n) for n in range(trials)], targets))
    asked = [upstream.log().get(f"fallback-{n}", []) for n in range(trials)]
    late_ms = [(two[1]["at_s"] - two[0]["at_s"] - FALLBACK_LIMIT_S) * 1000 for two in asked if len(two) == 2]
    result.raw["fallback"] = {"late_ms": late_ms, "broken": broken}
    result.equal("fallback: calls that failed or asked other than two models", trials - len(late_ms), 0, n=trials)
    if late_ms:
        result.worst("fallback: latest start after the clock", max(late_ms), FALLBACK_LATE_MS, "ms", n=len(late_ms))
        result.tell_value("fallback: median start after the clock", median(late_ms), "ms", n=len(late_ms))


def measure_patience(opened: Gateway, options: Options, result: Result) -> None:
    """Streams that pause for 80 % of the gap limit between all of their chunks."""
    streams = options.size(PATIENT_STREAMS, 400)
    pace_us = round(PATIENT_GAP_S * PATIENT_SHARE * 1e6)
    target = opened.target("patient")
    body = native.chat_body(target.model, chunks=PATIENT_CHUNKS, pace_us=pace_us)
    options.tell("deadlines: patience")
    done = native.load(target, body, connections=min(streams, PATIENT_AT_ONCE), requests=streams, ramp_ms=2000)
    result.raw["patience"] = done
    what = f"streams cut whose gaps are {PATIENT_SHARE:.0%} of the limit"
    result.equal(what, native.failures(done), 0, n=streams)
