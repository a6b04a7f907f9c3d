"""Time to first token that the gateway adds: 16 streams of 50 chunks/s, through it and direct, on the C stub.

TTFT is the client's: from just before it sends the request to the first byte of the answer's body. The stub answers at
once with head and first chunk, so what remains is the way. Each round gives the difference of the two medians.
"""

from __future__ import annotations

import contextlib

from bench import arm as arms
from bench import intervals, native, rounds
from bench.arm import STUB_MODEL
from bench.gateway import Task, gateway
from bench.options import Options
from bench.peers.nginx import nginx
from bench.report import Result

STREAMS = 16
CHUNKS = 25
PACE_US = 20_000
WAVES = 8
CEILING_MS = 1.0
NARROW_MS = 0.1
DIRECT = "direct"


def run(options: Options, result: Result) -> None:
    """Interleaved rounds of direct, nginx and Trimtab."""
    with contextlib.ExitStack() as running:
        port = running.enter_context(native.stub())
        ways = {DIRECT: arms.direct(port)}
        if options.wants("nginx"):
            ways["nginx"] = running.enter_context(nginx(port))
        if options.wants("trimtab"):
            opened = running.enter_context(gateway("ttft", {STUB_MODEL: port}, {"bench": Task()}))
            ways["trimtab"] = opened.arm("trimtab", "bench")
        plan = options.plan(most=60)
        done = rounds.interleave(list(ways), lambda name: measure(ways[name]), plan, wide, options.tell)
    result.raw = {"rounds": done.done}
    result.show(f"{DIRECT}: TTFT p50", intervals.mean(done.values(DIRECT, "ttft_p50_ms")), "ms")
    for name in ways:
        if name == DIRECT:
            continue
        added = intervals.difference(done.pairs(name, DIRECT, "ttft_p50_ms"))
        what = f"{name}: added TTFT p50, {STREAMS} streams of 50 chunks/s"
        if name == "trimtab":
            result.at_most(what, added, CEILING_MS, "ms")
        else:
            result.show(what, added, "ms")


def measure(way: arms.Arm) -> dict[str, float]:
    """Some waves of streams, started evenly spread so that they do not march in step."""
    body = native.chat_body(way.target.model, size_bytes=1024, chunks=CHUNKS, pace_us=PACE_US)
    ramp_ms = CHUNKS * PACE_US // 1000
    done = native.load(way.target, body, connections=STREAMS, requests=STREAMS * WAVES, ramp_ms=ramp_ms)
    if native.failures(done):
        raise RuntimeError(f"{way.name} failed: {done}")
    way.settle()
    return {"ttft_p50_ms": done["ttft_us"]["p50"] / 1000, "ttft_p99_ms": done["ttft_us"]["p99"] / 1000}


def wide(done: rounds.Rounds) -> bool:
    """Whether Trimtab's interval is still too wide."""
    pairs = done.pairs("trimtab", DIRECT, "ttft_p50_ms")
    return bool(pairs) and intervals.difference(pairs).half_width > NARROW_MS
