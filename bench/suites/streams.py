"""5,000 concurrent streams of 60 s at 2 chunks/s through one worker: errors, and the memory they take.

Every stream must arrive whole (content, finish, usage, [DONE], clean framing). Memory is the peak resident set of the
worker (VmHWM, started anew before the load), so what it already holds before the first stream counts too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

from bench import machine, meter, native
from bench.arm import STUB_MODEL, Arm
from bench.gateway import Task, gateway
from bench.options import Options
from bench.peers.nginx import nginx
from bench.report import Result

STREAMS = 5_000
CHUNKS_PER_S = 2
STREAM_S = 60
RAMP_MS = 10_000
FILES_A_STREAM = 2
BASE_MB = 120
STREAM_KB = 30
EVENTS_AFTER_CONTENT = 3  # finish, usage, [DONE]


def run(options: Options, result: Result) -> None:
    """The load once on each arm; the promises are Trimtab's."""
    streams, stream_s = options.size(STREAMS, 500), options.size(STREAM_S, 5)
    if machine.raise_file_limit() < FILES_A_STREAM * streams + 500:
        raise OSError(f"{FILES_A_STREAM * streams + 500} open files are needed: raise `ulimit -Hn`")
    with native.stub() as port:
        if options.wants("nginx"):
            with nginx(port) as arm:
                hold(arm, arm.serving(), streams, stream_s, result)
        if options.wants("trimtab"):
            with trimtab_arm(port) as (arm, workers):
                hold(arm, workers, streams, stream_s, result)


@contextlib.contextmanager
def trimtab_arm(port: int) -> Iterator[tuple[Arm, list[int]]]:
    """One worker that stores bodies in full, and that worker's process id."""
    with gateway("streams", {STUB_MODEL: port}, {"bench": Task()}) as running:
        yield running.arm("trimtab", "bench"), running.pids("gateway")


def hold(arm: Arm, workers: Collection[int], streams: int, stream_s: int, result: Result) -> None:
    """Open all streams over the ramp, let each run its time, and count what went wrong."""
    chunks = CHUNKS_PER_S * stream_s
    body: Path = native.chat_body(arm.target.model, size_bytes=1024, chunks=chunks, pace_us=1_000_000 // CHUNKS_PER_S)
    idle_bytes = meter.peak_memory_bytes(workers)
    meter.forget_peak_memory(workers)
    before = meter.cpu(workers)
    done = native.load(
        arm.target,
        body,
        connections=streams,
        requests=streams,
        ramp_ms=min(RAMP_MS, stream_s * 500),
        limit_s=2 * stream_s + RAMP_MS / 1000,
    )
    peak_mb = meter.peak_memory_bytes(workers) / 1e6
    used = meter.cpu(workers) - before
    missing_events = streams * (chunks + EVENTS_AFTER_CONTENT) - done["events"]
    result.raw[arm.name] = {"load": done, "idle_mb": idle_bytes / 1e6, "peak_mb": peak_mb, "cpu_s": used.total_s}
    what = f"{streams:,} streams of {stream_s} s"
    promised = arm.name == "trimtab"
    if promised:
        result.equal(f"{arm.name}: streams that failed, {what}", native.failures(done), 0, n=streams)
        result.equal(f"{arm.name}: events missing, {what}", missing_events, 0, n=done["events"])
        ceiling = BASE_MB + streams * STREAM_KB / 1000
        result.worst(f"{arm.name}: peak memory of the worker, {what}", peak_mb, ceiling, "MB")
    else:
        result.tell_value(f"{arm.name}: streams that failed, {what}", native.failures(done), n=streams)
        result.tell_value(f"{arm.name}: peak memory, {what}", peak_mb, "MB")
    result.tell_value(f"{arm.name}: chunk under way, p50", done["chunk_us"]["p50"] / 1000, "ms")
    result.tell_value(f"{arm.name}: chunk under way, p99", done["chunk_us"]["p99"] / 1000, "ms")
    result.tell_value(f"{arm.name}: share of the core used", used.total_s / done["secs"] * 100, "%")
