"""10,000 answers that the upstream breaks off: not one may look whole to a client.

Cuts fall on a random byte of streamed and whole answers, by FIN, by RST, by a well-formed end of the HTTP body without
[DONE], and by an error event followed by [DONE]. An answer is loud if its status is an error, if it holds an error
event and no [DONE], or if its HTTP framing is visibly broken. It is silent if a client that checks only framing, or
only [DONE], would take it for whole. The direct arm shows how much of that a client would see without a gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench import client
from bench.arm import Target
from bench.gateway import Task, gateway
from bench.lanes import LANES, Fault, Scripted, lane, scripted_upstream, spread
from bench.options import Options
from bench.peers.nginx import nginx
from bench.report import Result

CUTS = 10_000
ANSWER_CHUNKS = 12
KINDS = (("fin", True), ("rst", True), ("tidy", True), ("error", True), ("fin", False), ("rst", False))
ONE_ATTEMPT = 'deadline = { connect = "5s", first_token = "60s", gap = "60s" }\nretry = { attempts = 1 }'


def run(options: Options, result: Result) -> None:
    """The same seeded cuts on each arm."""
    cuts = options.size(CUTS, 300)
    with contextlib.ExitStack() as running:
        upstream = running.enter_context(scripted_upstream())
        ways = {"direct": [Target(port) for port in upstream.ports]}
        if options.wants("nginx"):
            ways["nginx"] = [running.enter_context(nginx(upstream.ports[0])).target] * LANES
        if options.wants("trimtab"):
            tasks = {f"cut-{i}": Task(lane(i), ONE_ATTEMPT) for i in range(LANES)}
            opened = running.enter_context(gateway("truncation", upstream.models, tasks))
            ways["trimtab"] = [opened.target(task) for task in tasks]
        for name, targets in ways.items():
            report_arm(name, targets, upstream, cuts, options.seed, result)


def report_arm(name: str, targets: Sequence[Target], upstream: Scripted, cuts: int, seed: int, result: Result) -> None:
    """Inject the cuts on one arm and say how they ended."""
    seen: Counter[tuple[str, str]] = Counter()
    asyncio.run(spread(faults(name, cuts, seed, seen), targets))
    silent = sum(count for (_, how), count in seen.items() if how == "silent")
    injected = sum(1 for script in upstream.log() if script.startswith(f"{name}-cut"))
    result.raw[name] = {f"{kind}: {how}": count for (kind, how), count in sorted(seen.items())}
    result.remarks.append(f"{name}: " + ", ".join(f"{how} {count:,}" for how, count in result.raw[name].items()) + ".")
    if name == "trimtab":
        result.equal(f"{name}: silent truncations", silent, 0, n=injected)
        result.equal(f"{name}: cuts that reached the upstream", injected, cuts)
    else:
        result.tell_value(f"{name}: silent truncations", silent, n=injected)


def faults(name: str, cuts: int, seed: int, seen: Counter[tuple[str, str]]) -> list[Fault]:
    """Calls whose answers will be cut; each counts (kind of cut, how it ended for the client) in `seen`."""
    chance = random.Random(seed)

    def fault(number: int) -> Fault:
        how, stream = KINDS[number % len(KINDS)]
        script: dict[str, Any] = {"id": f"{name}-cut{number}", "act": "cut", "how": how, "chunks": ANSWER_CHUNKS}
        script["at"] = chance.randrange(1 << 20)

        async def cut(target: Target) -> None:
            answer = await client.ask(target, client.scripted(target, script, stream=stream))
            seen[f"{how} in a {'stream' if stream else 'whole answer'}", ending(answer, stream)] += 1

        return cut

    return [fault(number) for number in range(cuts)]


def ending(answer: client.Answer, stream: bool) -> str:
    """How a cut answer ended for its client: `silent`, or in which loud way."""
    if answer.hangs:
        return "hangs"
    if answer.status >= 400:
        return f"status {answer.status}"
    if stream and answer.done_marker:
        return "silent"
    if not answer.whole:
        return "error event" if answer.error_code else "broken framing"
    return "silent"
