"""Streams of plain text that are interrupted amid: by reset connections, and by SIGKILL of a real vLLM.

`cuts`: a proxy before one vLLM resets connections after a random byte of the answer, some streams' twice; its ports are
the replicas, many, and calls that nothing happens to come in between, so that no breaker opens.
`kills`: two vLLMs are the replicas; one is killed amid 32 streams of its own, while the other has as many; then it
comes back, and the other one is next. Server and engine die at once, but every third time the engine alone: its server
then ends the streams with status 200 and [DONE], as if they were whole.

A stream that ends whole is held against the answer that one vLLM gives, undisturbed, to the same request at temperature
0. Where it differs, the gap of the two likeliest tokens there says whether that was a near tie; what a server makes of
a text and not of its own tokens (the same text in other tokens) differs too. `--rounds` is the number of kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench import chat, children, cutting, interrupted, machine
from bench.arm import Target
from bench.gateway import Gateway, Served, Task, gateway
from bench.interrupted import Seen, Uncut
from bench.intervals import Estimate
from bench.options import Options
from bench.report import Result
from bench.vllm import Replica
from trimtab.statistics.intervals import wilson

MODEL = Path(__file__).resolve().parents[2] / "src" / "trimtab" / "demo" / "models" / "jobs-small"
NAME = "jobs-small"
PORTS = 12
CUT_STREAMS, CUT_QUICK, AT_ONCE = 1_000, 60, 16
CUT_REQUESTS, CUT_TOKENS = 120, (40, 160)
CUT_TWICE_ONE_IN = 10
GOOD_BETWEEN = 2
SPARE, PASSES = 8, 5
"""One more stream for each so many, and further passes for those that are missing: a busy server puts several tokens
into one event, so that an answer may be shorter than the cut that was meant for it.
"""
KILLS, KILLS_QUICK = 30, 2
STREAMS_EACH = 32
KILL_TOKENS = (300, 500)
KILLED_WITHIN = (0.05, 0.7)
"""When the kill comes, as a part of the tokens that the victim would make."""
KILL_LIMIT_S = 600.0
WHOLE = 0.95
TOLD_DIFFERENCES = 20
BACK_LIMIT_S = 180.0
PATIENT = (
    'deadline = { connect = "10s", first_token = "300s", gap = "300s", total = "900s" }\nretry = { attempts = 4 }\n'
    'redaction = "digest"'
)


def run(options: Options, result: Result) -> None:
    """Both parts, each on a project of its own."""
    for name, part in (("cuts", cuts), ("kills", kills)):
        if options.wants(name):
            part(options, result)


def project(name: str, ports: Sequence[int]) -> contextlib.AbstractContextManager[Gateway]:
    """A gateway before replicas of one pinned model."""
    served = Served(tuple(ports), NAME, engine="vllm")
    return gateway(f"resume-{name}", {NAME: served}, {"write": Task(NAME, PATIENT)})


def cuts(options: Options, result: Result) -> None:
    """Connections reset after random bytes."""
    streams = options.size(CUT_STREAMS, CUT_QUICK)
    with Replica(MODEL, NAME) as vllm, cutter(vllm.port) as ports, project("cuts", ports) as opened:
        options.tell("resume: the uncut answers")
        asked = interrupted.bodies(options.size(CUT_REQUESTS, 20), options.seed, CUT_TOKENS)
        server = Target(vllm.port, NAME)
        whole = asyncio.run(interrupted.uncut(server, asked))
        options.tell(f"resume: {streams} streams that are cut")
        seen: list[Seen] = []
        for _ in range(PASSES):
            missing = streams - len(struck(ports, len(seen)))
            meant = range(len(seen), len(seen) + missing + missing // SPARE)
            seen += asyncio.run(cut_streams(opened.target("write"), whole, meant, options.seed))
        opened.settle()
        for one in seen:
            interrupted.check_record(one, opened)
        hit, done = struck(ports, len(seen)), cutting.cuts(ports[0])
        result.equal("connections reset: streams missing of those to be cut", max(0, streams - len(hit)), 0, n=len(hit))
        result.tell_value("connections reset, some streams' twice", sum(map(len, done.values())))
        report("connections reset", [seen[number] for number in hit], server, options, result)


@contextlib.contextmanager
def cutter(upstream_port: int) -> Iterator[list[int]]:
    """bench.cutting before a server; gives its ports."""
    ports = [children.free_port() for _ in range(PORTS)]
    command = [sys.executable, "-m", "bench.cutting", upstream_port, *ports]
    with children.running(command, "cutting", machine.cores().load, ports[-1]):
        yield ports


def struck(ports: Sequence[int], streams: int) -> list[int]:
    """The numbers of the streams, of so many, that were really cut."""
    numbers = {int(name.split("-")[1]) for name in cutting.cuts(ports[0])}
    return [number for number in range(streams) if number in numbers]


async def cut_streams(target: Target, whole: Sequence[Uncut], numbers: Sequence[int], seed: int) -> list[Seen]:
    """The streams of these numbers, each cut somewhere, with good short answers in between."""
    draw = random.Random(f"{seed}/cuts/{numbers[0] if numbers else 0}")

    def place(one: Uncut) -> str:
        places = [draw.randrange(one.size)]
        if draw.randrange(CUT_TWICE_ONE_IN) == 0:
            places.append(draw.randrange(one.size - places[0]))
        return "-".join(map(str, places))

    planned = [(each := whole[number % len(whole)], f"cut-{number}-{place(each)}") for number in numbers]

    async def one(plan: tuple[Uncut, str]) -> Seen:
        seen = await interrupted.watch(target, *plan)
        for _ in range(GOOD_BETWEEN):
            await interrupted.ask(target, {**plan[0].body, "max_tokens": 1})
        return seen

    return await interrupted.each(planned, AT_ONCE, one)


def kills(options: Options, result: Result) -> None:
    """One of two vLLMs killed, again and again, each in turn."""
    rounds = options.rounds or options.size(KILLS, KILLS_QUICK)
    both_seats = f"--max-num-seqs={2 * STREAMS_EACH}"
    with contextlib.ExitStack() as running:
        replicas = [running.enter_context(Replica(MODEL, NAME, both_seats)) for _ in range(2)]
        opened = running.enter_context(project("kills", [one.port for one in replicas]))
        server = Target(replicas[0].port, NAME)
        asked = interrupted.bodies(5 * STREAMS_EACH // 2, options.seed, KILL_TOKENS)
        asked = [body for body in asked if "logit_bias" in body][: 2 * STREAMS_EACH]
        whole = asyncio.run(interrupted.uncut(server, asked, at_once=STREAMS_EACH))
        draw = random.Random(f"{options.seed}/kills")
        undisturbed = asyncio.run(storm(opened.target("write"), whole))
        tokens_each = sum(one.body["max_tokens"] for one in whole) / len(replicas)
        seen: list[Seen] = []
        for number in range(rounds):
            victim = replicas[number % 2]
            goal = victim.generated() + tokens_each * draw.uniform(*KILLED_WITHIN)
            blow = partial(strike, victim, goal, engine_only=number % 3 == 1)
            seen += asyncio.run(storm(opened.target("write"), whole, blow))
            options.tell(f"resume: kill {number + 1} of {rounds}: {counted(seen[-2 * STREAMS_EACH :])}")
            victim.start()
            back = partial(in_use, opened, whole[0])
            children.await_true(back, BACK_LIMIT_S, "both replicas in use again", every_s=0.5)
        opened.settle()
        for one in seen:
            interrupted.check_record(one, opened)
        hit = [one for one in seen if one.causes[:1] != ("ok",)]
        noise = sum(one.outcome != "equal" for one in undisturbed)
        result.tell_value("SIGKILL: kills", rounds)
        result.tell_value("SIGKILL: streams interrupted at each kill, mean", len(hit) / rounds, n=rounds)
        result.tell_value("undisturbed streams that differ, for comparison", noise, n=len(undisturbed))
        report("SIGKILL", hit, server, options, result)
        spared = [one for one in seen if one.causes[:1] == ("ok",)]
        result.equal("SIGKILL: streams of the other vLLM that were not whole", _count(spared, "silent", "error"), 0)


async def storm(target: Target, whole: Sequence[Uncut], blow: Callable[[], None] | None = None) -> list[Seen]:
    """All streams at once, and a blow amid them."""
    striking = None if blow is None else asyncio.create_task(asyncio.to_thread(blow))
    seen = await interrupted.each(whole, len(whole), lambda one: interrupted.watch(target, one, "nobody"))
    if striking is not None:
        await striking
    return seen


def strike(victim: Replica, goal: float, *, engine_only: bool) -> None:
    """Kills a vLLM as soon as it has made so many tokens."""
    children.await_true(lambda: victim.generated() >= goal, KILL_LIMIT_S, f"{goal:.0f} tokens of the victim's")
    victim.kill(engine_only=engine_only)


def in_use(opened: Gateway, one: Uncut) -> bool:
    """Whether the gateway uses every replica; a short call gives one that has come back the chance to show it."""
    asyncio.run(interrupted.ask(opened.target("write"), {**one.body, "max_tokens": 1}))
    return all(replica["state"] == "closed" for replica in opened.status()["board"]["replicas"])


def counted(seen: Sequence[Seen]) -> dict[str, int]:
    """How many ended in which way."""
    return dict(Counter(one.outcome for one in seen))


def _count(seen: Sequence[Seen], *outcomes: str) -> int:
    return sum(one.outcome in outcomes for one in seen)


def report(how: str, seen: Sequence[Seen], server: Target, options: Options, result: Result) -> None:
    """How interrupted streams ended, the differences one by one, and what the record has wrong."""
    if not seen:
        result.equal(f"{how}: interrupted streams", 0, 1)
        return
    equal = _count(seen, "equal")
    share = Estimate(equal / len(seen), *wilson(equal, len(seen)), len(seen))
    what = f"{how}: one whole stream, equal to the uncut one"
    if options.quick:
        result.show(what, share)
    else:
        result.at_least(what, share, WHOLE)
    result.equal(f"{how}: silently truncated", _count(seen, "silent"), 0, n=len(seen))
    result.tell_value(f"{how}: whole, but different", _count(seen, "different"), n=len(seen))
    result.tell_value(f"{how}: typed errors", _count(seen, "error"), n=len(seen))
    resumed = [one for one in seen if one.seams]
    result.tell_value(f"{how}: went on after content, with a seam", len(resumed), n=len(seen))
    result.tell_value(f"{how}: with two seams or more", sum(len(one.seams) > 1 for one in resumed), n=len(seen))
    wrong = [(one.said.call, words) for one in seen for words in one.wrong]
    result.equal(f"{how}: records that disagree with the client or themselves", len(wrong), 0, n=len(seen))
    odd = [one for one in seen if one.outcome == "equal" and tokens(one.said) != tokens(one.uncut.said)]
    result.tell_value(f"{how}: equal, with another count of tokens", len(odd), n=equal)
    differing = [one for one in seen if one.outcome == "different"]
    result.raw[how] = {
        "outcomes": counted(seen),
        "codes": dict(Counter(one.said.code for one in seen if one.said.code)),
        "causes": dict(Counter(" ".join(one.causes) for one in seen)),
        "differences": asyncio.run(differences(server, differing)),
        "silent": [shown(one) for one in seen if one.outcome == "silent"],
        "wrong": wrong,
    }
    result.remarks += remarks(how, result.raw[how])


def tokens(said: chat.Said) -> tuple[int, int]:
    """Tokens of the prompt, and those that were made."""
    return said.usage.get("prompt_tokens", 0), said.usage.get("completion_tokens", 0)


async def differences(server: Target, seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """Each difference with its call."""
    found = await interrupted.each(seen, AT_ONCE, lambda one: interrupted.difference(server, one))
    return [{"call": one.said.call, **asdict(each)} for one, each in zip(seen, found, strict=True)]


def shown(one: Seen) -> dict[str, Any]:
    """A stream that ended as none may, for whoever looks for the reason."""
    return {"said": asdict(one.said), "expected": one.uncut.said.text, "causes": one.causes, "seams": one.seams}


def remarks(how: str, raw: dict[str, Any]) -> list[str]:
    """Codes, and the differences from the narrowest gap to the widest."""
    told = [f"{how}: errors {raw['codes']}."] if raw["codes"] else []
    listed = sorted(raw["differences"], key=lambda one: -1.0 if one["gap"] is None else one["gap"])
    if listed:
        more = f" and {len(listed) - TOLD_DIFFERENCES} more" if len(listed) > TOLD_DIFFERENCES else ""
        words = (
            "differences, in characters after the seam (gap of the two likeliest tokens there, in nats; whether the"
            " text before the seam is read as other tokens than it was made of)"
        )
        told.append(f"{how}: {words}: {', '.join(map(place_of, listed[:TOLD_DIFFERENCES]))}{more}.")
    return told


def place_of(one: dict[str, Any]) -> str:
    """A difference in a few words."""
    after = "no seam" if one["after_seam"] is None else f"{one['after_seam']}"
    gap = "?" if one["gap"] is None else f"{one['gap']:.3f}"
    return f"{after} ({gap}{', other tokens' if one['other_tokens'] else ''})"
