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
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench import arm as arms
from bench import children, client, machine
from bench.arm import Target
from bench.gateway import Task, gateway
from bench.options import Options
from bench.peers.nginx import nginx
from bench.report import Result

CUTS = 10_000
AT_ONCE = 50
ANSWER_CHUNKS = 12
KINDS = (("fin", True), ("rst", True), ("tidy", True), ("error", True), ("fin", False), ("rst", False))
ONE_ATTEMPT = 'deadline = { connect = "5s", first_token = "60s", gap = "60s" }\nretry = { attempts = 1 }'


@contextlib.contextmanager
def scripted_upstream() -> Iterator[int]:
    """bench.scripted on the load core; gives its port."""
    port = children.free_port()
    command = [sys.executable, "-m", "bench.scripted", port]
    with children.running(command, "scripted", machine.cores().load, port):
        yield port


def run(options: Options, result: Result) -> None:
    """The same seeded cuts on each arm."""
    cuts = options.size(CUTS, 300)
    with contextlib.ExitStack() as running:
        port = running.enter_context(scripted_upstream())
        ways = {"direct": arms.direct(port)}
        if options.wants("nginx"):
            ways["nginx"] = running.enter_context(nginx(port))
        if options.wants("trimtab"):
            opened = running.enter_context(gateway("truncation", {"stub": port}, {"bench": Task(settings=ONE_ATTEMPT)}))
            ways["trimtab"] = opened.arm("trimtab", "bench")
        for name, way in ways.items():
            seen = asyncio.run(inject(way.target, cuts, options.seed))
            silent = sum(count for (_, ending), count in seen.items() if ending == "silent")
            result.raw[name] = {f"{kind}: {ending}": count for (kind, ending), count in sorted(seen.items())}
            what = f"{name}: silent truncations"
            if name == "trimtab":
                result.equal(what, silent, 0, n=cuts)
            else:
                result.tell_value(what, silent, n=cuts)
            result.remarks.append(f"{name}: " + ", ".join(f"{k} {v:,}" for k, v in result.raw[name].items()) + ".")


async def inject(target: Target, cuts: int, seed: int) -> Counter[tuple[str, str]]:
    """Ask for `cuts` answers that will be cut; counts (kind of cut, how it ended for the client)."""
    chance = random.Random(seed)
    scripts: list[tuple[dict[str, Any], bool]] = []
    for number in range(cuts):
        how, stream = KINDS[number % len(KINDS)]
        script = {"id": f"cut{number}", "act": "cut", "how": how, "at": chance.randrange(1 << 20)}
        scripts.append((script | {"chunks": ANSWER_CHUNKS}, stream))
    seen: Counter[tuple[str, str]] = Counter()
    waiting = iter(scripts)

    async def one_client() -> None:
        for script, stream in waiting:
            answer = await client.ask(target, client.scripted(target, script, stream=stream))
            kind = f"{script['how']} in a {'stream' if stream else 'whole answer'}"
            seen[kind, ending(answer, stream)] += 1

    await asyncio.gather(*(one_client() for _ in range(AT_ONCE)))
    return seen


def ending(answer: client.Answer, stream: bool) -> str:
    """How a cut answer ended for its client: `silent`, or in which loud way."""
    if answer.status >= 400:
        return f"status {answer.status}"
    if stream and answer.done_marker:
        return "silent"
    if not answer.whole:
        return "error event" if answer.error_code else "broken framing"
    return "silent"
