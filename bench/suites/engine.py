"""Tokens per second of a real vLLM through the gateway over direct: 16 streams, ABAB pairs.

vLLM (CPU) has one core for itself; gateway and load client share the other in both arms, so that the client costs the
same in both. Every request generates exactly the same number of tokens (ignore_eos), counted from the usage that the
engine reports, never from chunks. Each pair gives one ratio; pairs go on until the interval is narrow.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

from bench import arm as arms
from bench import intervals, machine, native, rounds
from bench.arm import STUB_MODEL, Target
from bench.gateway import Task, gateway
from bench.options import Options
from bench.peers.nginx import nginx
from bench.report import Result
from tests.engine.vllm_server import running_vllm

MODEL = Path(__file__).resolve().parents[2] / "src" / "trimtab" / "demo" / "models" / "jobs-small"
STREAMS = 16
WAVES = 4
TOKENS = 128
FLOOR = 0.97
NARROW = 0.015
DIRECT = "direct"


def run(options: Options, result: Result) -> None:
    """Pairs of direct and through until the interval is narrow."""
    with contextlib.ExitStack() as running:
        with machine.on_core(machine.cores().serving):
            url = running.enter_context(running_vllm(MODEL, STUB_MODEL)).url
        port = urlsplit(url).port or 80
        ways = {DIRECT: arms.direct(port)}
        core = machine.cores().load
        if options.wants("nginx"):
            ways["nginx"] = running.enter_context(nginx(port, core=core))
        if options.wants("trimtab"):
            opened = running.enter_context(gateway("engine", {STUB_MODEL: port}, {"bench": Task()}, core=core))
            ways["trimtab"] = opened.arm("trimtab", "bench")
        for way in ways.values():
            measure(way)
        plan = options.plan(most=120)
        done = rounds.interleave(list(ways), lambda name: measure(ways[name]), plan, wide, options.tell)
    result.raw = {"rounds": done.done}
    for name in ways:
        result.show(f"{name}: tokens/s, {STREAMS} streams", intervals.mean(done.values(name, "tokens_per_s")))
    for name in ways:
        if name == DIRECT:
            continue
        through = intervals.ratio(done.pairs(name, DIRECT, "tokens_per_s"))
        if name == "trimtab":
            result.at_least(f"{name} / {DIRECT}, tokens/s", through, FLOOR)
        else:
            result.show(f"{name} / {DIRECT}, tokens/s", through)


def measure(way: arms.Arm) -> dict[str, float]:
    """Some waves of 16 streams; every request must bring all its tokens."""
    body = engine_body(way.target)
    requests = STREAMS * WAVES
    done = native.load(way.target, body, connections=STREAMS, requests=requests, limit_s=300)
    if native.failures(done) or done["completion_tokens"] != requests * TOKENS:
        raise RuntimeError(f"{way.name} failed: {done}")
    way.settle()
    return {"tokens_per_s": done["completion_tokens"] / done["secs"], "ttft_p50_ms": done["ttft_us"]["p50"] / 1000}


def engine_body(target: Target) -> Path:
    """A streamed request that always generates TOKENS tokens."""
    return native.chat_body(target.model, chunks=TOKENS, fields={"ignore_eos": True})


def wide(done: rounds.Rounds) -> bool:
    """Whether an interval is still wider than it may be."""
    names = {name for one in done.done for name in one} - {DIRECT}
    judged = names & {"trimtab"} or names
    ratios = (intervals.ratio(done.pairs(name, DIRECT, "tokens_per_s")) for name in judged)
    return any(ratio.half_width > NARROW for ratio in ratios)
