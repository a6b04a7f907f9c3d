"""CPU of the serving processes for each request, and for each chunk of a paced stream, beside the peers.

Server on one core, stub and load client on the other. CPU is what the kernel charged to the serving tree (user and
system) over the run, divided by requests or by events. Arms take turns in random order, so that each round gives one
paired ratio; a limit applies to the worse end of the interval over rounds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import intervals, meter, native, rounds
from bench.arm import STUB_MODEL, Arm
from bench.bare import bare
from bench.gateway import GENEROUS, Task, gateway
from bench.options import Options
from bench.peers.litellm import litellm
from bench.peers.nginx import nginx
from bench.peers.sglang_router import sglang_router
from bench.report import Result

NGINX, SGLANG, LITELLM, BARE = "nginx", "sglang-router", "litellm", "bare"
DIGEST, FULL = "trimtab-digest", "trimtab-full"
PEERS = {NGINX: nginx, SGLANG: sglang_router, LITELLM: litellm, BARE: bare}
REDACTION = {DIGEST: "digest", FULL: "full"}
LITELLM_EVERY = 2
LAST_FLUSH_S = 0.1  # what a server does shortly after its last answer still belongs to the run
RUN_S = 1.0  # many short runs tell more than few long ones: what disturbs them lasts
NARROW = 0.05  # half-width of an interval, relative to its centre, at which rounds end
LATE = 1.15  # a paced run that takes this much longer than planned has coalesced chunks and looks too cheap


@dataclass(frozen=True)
class Limit:
    """`arm` may cost at most `ceiling` times what `base` costs."""

    arm: str
    base: str
    ceiling: float


@dataclass(frozen=True)
class Workload:
    """One kind of traffic and what is promised about it."""

    name: str
    unit: str
    connections: int
    size_bytes: int = 1024
    chunks: int = 0
    pace_us: int = 0
    limits: tuple[Limit, ...] = ()

    @property
    def planned_s(self) -> float:
        """How long a paced run takes when nothing is late; 0 for requests as fast as they are answered."""
        return self.chunks * self.pace_us / 1e6

    def body(self, arm: Arm) -> Path:
        """The request body for an arm."""
        return native.chat_body(arm.target.model, size_bytes=self.size_bytes, chunks=self.chunks, pace_us=self.pace_us)


RAMP_MS = 400
ONE_KB = (
    Limit(DIGEST, NGINX, 2.0),
    Limit(FULL, NGINX, 2.5),
    Limit(DIGEST, SGLANG, 0.5),
    Limit(FULL, SGLANG, 0.5),
    Limit(DIGEST, LITELLM, 0.01),
    Limit(FULL, LITELLM, 0.01),
)
WORKLOADS = (
    Workload("request of 1 KB", "request", connections=64, limits=ONE_KB),
    Workload("request of 100 KB", "request", connections=16, size_bytes=100 * 1024),
    Workload("request of 1,000 KB", "request", connections=8, size_bytes=1000 * 1024),
    Workload(
        "chunk of 200 streams at 50 chunks/s",
        "chunk",
        connections=200,
        chunks=250,
        pace_us=20_000,
        limits=(Limit(DIGEST, NGINX, 1.5), Limit(FULL, NGINX, 1.5)),
    ),
)


def run(options: Options, result: Result) -> None:
    """Measure every workload on every arm."""
    with contextlib.ExitStack() as open_arms:
        port = open_arms.enter_context(native.stub())
        arms = {name: open_arms.enter_context(opened) for name, opened in arms_wanted(options, port)}
        for workload in WORKLOADS:
            measure_workload(workload, arms, options, result)


def arms_wanted(options: Options, port: int) -> Iterator[tuple[str, contextlib.AbstractContextManager[Arm]]]:
    """The arms asked for, not yet started."""
    for name, peer in PEERS.items():
        if options.wants(name):
            yield name, peer(port)
    for name in REDACTION:
        if options.wants(name):
            yield name, trimtab_arm(name, port)


@contextlib.contextmanager
def trimtab_arm(name: str, port: int) -> Iterator[Arm]:
    """One worker with every feature on: key, task, deadlines, records with fsync; bodies as `name` says."""
    task = Task(settings=f'{GENEROUS}\nredaction = "{REDACTION[name]}"')
    with gateway(name, {STUB_MODEL: port}, {"bench": task}) as running:
        yield running.arm(name, "bench")


def measure_workload(workload: Workload, arms: dict[str, Arm], options: Options, result: Result) -> None:
    """Interleaved rounds of one workload, then its findings."""
    options.tell(f"cpu: {workload.name}")
    taking_part = [name for name in arms if not (workload.chunks and name == LITELLM)]
    requests = {name: requests_a_run(workload, arms[name], options) for name in taking_part}
    plan = options.plan(most=100, every={LITELLM: LITELLM_EVERY})
    measure: Callable[[str], dict[str, float]] = lambda name: measure_once(workload, arms[name], requests[name])  # noqa: E731
    done = rounds.interleave(taking_part, measure, plan, partial(wide, workload), options.tell)
    result.raw[workload.name] = {"rounds": done.done, "repeated": done.repeated, "requests": requests}
    report_workload(workload, taking_part, done, result)


def requests_a_run(workload: Workload, arm: Arm, options: Options) -> int:
    """As many requests as take about RUN_S on this arm, from a warm-up; a paced run has one for each stream."""
    if workload.planned_s:
        return workload.connections
    warm_up = load(workload, arm, 2 * workload.connections)
    again = load(workload, arm, max(2 * workload.connections, round(warm_up["rps"] * 0.5)))
    arm.settle()
    a_second = float(again["rps"])
    return max(workload.connections, round(a_second * RUN_S * (0.5 if options.quick else 1.0)))


def load(workload: Workload, arm: Arm, requests: int) -> dict[str, Any]:
    """One run of the load client, which must not fail."""
    done = native.load(
        arm.target,
        workload.body(arm),
        connections=workload.connections,
        requests=requests,
        ramp_ms=RAMP_MS if workload.planned_s else 0,
    )
    if native.failures(done):
        raise RuntimeError(f"{arm.name} failed under '{workload.name}': {done}")
    return done


def measure_once(workload: Workload, arm: Arm, requests: int) -> dict[str, float]:
    """CPU microseconds for each unit of the workload, of the serving tree and of what works aside."""
    serving, aside = arm.serving(), arm.aside()
    before, aside_before = meter.cpu(serving), meter.cpu(aside)
    done = load(workload, arm, requests)
    time.sleep(LAST_FLUSH_S)
    used = meter.cpu(serving) - before
    arm.settle()
    used_aside = meter.cpu(aside) - aside_before
    if workload.planned_s and done["secs"] > LATE * (workload.planned_s + RAMP_MS / 1000):
        raise rounds.FellBehindError(f"{arm.name} took {done['secs']:.1f} s for {workload.planned_s:.1f} s of stream")
    units = done["events"] if workload.chunks else requests
    measures = {
        "us": used.total_s / units * 1e6,
        "user_us": used.user_s / units * 1e6,
        "rps": done["rps"],
        "ttft_p50_us": done["ttft_us"]["p50"],
        "chunk_p50_us": done["chunk_us"]["p50"],
    }
    return measures | ({"aside_us_a_record": used_aside.total_s / requests * 1e6} if aside else {})


def wide(workload: Workload, done: rounds.Rounds) -> bool:
    """Whether some interval that has a limit is still too wide; peers that join few rounds are not waited for."""
    for limit in workload.limits:
        pairs = done.pairs(limit.arm, limit.base, "us")
        if limit.base == LITELLM or not pairs:
            continue
        estimate = intervals.ratio(pairs)
        if estimate.half_width > NARROW * estimate.mean:
            return True
    return False


def report_workload(workload: Workload, arms: list[str], done: rounds.Rounds, result: Result) -> None:
    """CPU of each arm, ratios with their limits, and control's share."""
    for name in arms:
        result.show(f"{name}: CPU for each {workload.name}", intervals.mean(done.values(name, "us")), "us")
        if aside := done.values(name, "aside_us_a_record"):
            result.show(f"{name}: control's CPU for each record ({workload.name})", intervals.mean(aside), "us")
    promised = {(limit.arm, limit.base): limit for limit in workload.limits}
    for arm in (BARE, *REDACTION):
        for base in PEERS:
            if arm == base:
                continue
            pairs = done.pairs(arm, base, "us")
            if not pairs:
                continue
            what = f"{arm} / {base}, {workload.name}"
            limit = promised.get((arm, base))
            if limit:
                result.at_most(what, intervals.ratio(pairs), limit.ceiling, "x")
            else:
                result.show(what, intervals.ratio(pairs), "x")
    if done.repeated:
        result.remarks.append(f"{workload.name}: {done.repeated} rounds fell behind and were repeated.")
