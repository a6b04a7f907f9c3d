"""Answers under a schema, of engines that enforce it, weakly, or not at all: none that breaks it may be delivered.

Real vLLM with random weights (which finds whatever a grammar forgot) and with the trained demo model; and engines that
know nothing of schemas: the demo engine, and an upstream that spoils three answers in five (`bench.answering`). Eleven
schemas, each under three policies: `repair` asks the model again, at most twice; `reject` breaks a stream off; `held`
lets nothing out that is not whole and valid. Half of the calls are streams.

Clients validate what they get by themselves, on strictly parsed JSON. What is not delivered must be a typed error, and
a stream that ends in one has neither a finish reason nor [DONE]. The records say what the models made of it, how often
they were asked again, and what that cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import answering, children, contracted, machine, random_weights
from bench.contracted import POLICIES, Asked, Question
from bench.gateway import Served, gateway
from bench.intervals import Estimate
from bench.options import Options
from bench.report import Result
from bench.shapes import SHAPES, Shape
from bench.vllm import Replica
from trimtab.demo.jobs import JobGenerator
from trimtab.statistics.intervals import wilson

OUT = Path(__file__).resolve().parents[1] / "out"
TRAINED = Path(__file__).resolve().parents[2] / "src" / "trimtab" / "demo" / "models" / "jobs-small"
MODEL = "jobs"
CALLS = {"vllm-random": 1_056, "vllm-trained": 1_056, "demo": 660, "scripted": 1_452}
QUICK = 132
AT_ONCE = 16
TOKENS = 200
SPOILT = 0.6
MAX_LENGTH = "max-length"


def run(options: Options, result: Result) -> None:
    """Each engine in turn, with a project of its own."""
    arms = {"vllm-random": random_vllm, "vllm-trained": trained_vllm, "demo": demo, "scripted": scripted}
    for name, start in arms.items():
        if not options.wants(name):
            continue
        options.tell(f"contracts: {name}")
        with contextlib.ExitStack() as running:
            served, question = running.enter_context(start())
            opened = running.enter_context(gateway(f"contracts-{name}", {MODEL: served}, contracted.tasks(MODEL)))
            count = options.size(CALLS[name], QUICK)
            asked = asyncio.run(contracted.calls(opened, count, AT_ONCE, question, options.seed))
            wrong = contracted.read_records(asked, opened)
            refused = contracted.wrongly_refused(asked, opened)
        if name == "scripted":
            refused += stopped_wrongly(asked)
        result.equal(f"{name}: valid answers refused", len(refused), 0, n=len(asked))
        result.raw[f"{name}, refused"] = refused
        report(name, asked, wrong, result)


Arm = tuple[Served, Question]


@contextlib.contextmanager
def random_vllm() -> Iterator[Arm]:
    """A vLLM of random weights."""
    folder = random_weights.write(OUT / "models" / "random-small", seed=0)
    with Replica(folder, MODEL) as vllm:
        yield Served((vllm.port,), MODEL, "vllm"), spoken


@contextlib.contextmanager
def trained_vllm() -> Iterator[Arm]:
    """A vLLM of the demo's trained model."""
    with Replica(TRAINED, MODEL) as vllm:
        yield Served((vllm.port,), MODEL, "vllm"), spoken


@contextlib.contextmanager
def demo() -> Iterator[Arm]:
    """The demo engine, with the same trained model."""
    port = children.free_port()
    command = [sys.executable, "-m", "trimtab.demo.server", "--port", port, "--model", TRAINED.name]
    with children.running(command, "demo", machine.cores().load, port):
        yield Served((port,), TRAINED.name), spoken


@contextlib.contextmanager
def scripted() -> Iterator[Arm]:
    """An upstream that spoils its answers."""
    port = children.free_port()
    with children.running([sys.executable, "-m", "bench.answering", port], "answering", machine.cores().load, port):
        yield Served((port,), MODEL), spoilt


def spoken(shape: Shape, number: int) -> dict[str, Any]:
    """A job of the trained model's: the one that the shape is of where there is one, else any."""
    messages = JobGenerator(number).sample("extract" if shape.name == "extract" else None).messages
    return {"messages": messages, "temperature": 1, "seed": number, "max_tokens": TOKENS}


def spoilt(shape: Shape, number: int) -> dict[str, Any]:
    """What the scripted upstream understands."""
    script = {"shape": shape.name, "seed": number, "wrong": SPOILT}
    return {"messages": [{"role": "user", "content": json.dumps(script)}]}


def stopped_wrongly(asked: Sequence[Asked]) -> list[str]:
    """Calls of the scripted upstream that got an error although its first answer was valid."""
    found = []
    for one in asked:
        script = json.loads(one.body["messages"][0]["content"])
        text, _ = answering.made(script, turns=1)
        if one.said.end != "whole" and contracted.valid(text, SHAPES[one.shape].schema):
            found.append(f"{one.said.call} ({one.shape}, {one.policy}): {text}")
    return found


def share(count: int, n: int) -> Estimate:
    """A proportion with Wilson's interval."""
    return Estimate(count / n, *wilson(count, n), n) if n else Estimate(0.0, 0.0, 1.0, 0)


def report(arm: str, asked: Sequence[Asked], wrong: Sequence[str], result: Result) -> None:
    """What clients saw on one arm, and what it cost."""
    delivered = [one for one in asked if one.said.end == "whole"]
    broken = [one for one in delivered if not one.valid]
    result.equal(f"{arm}: invalid answers delivered", len(broken), 0, n=len(delivered))
    neither = [one for one in asked if one.said.end == "neither"]
    result.equal(f"{arm}: answers that are neither whole nor a typed error", len(neither), 0, n=len(asked))
    other = [one for one in asked if one.said.code not in ("", "output_invalid")]
    result.equal(f"{arm}: errors of another kind than output_invalid", len(other), 0, n=len(asked))
    result.equal(f"{arm}: records that disagree with the client", len(wrong), 0, n=len(asked))
    seen = verdicts([one for one in asked if one.policy != "repair"])
    total = sum(seen.values())
    result.show(f"{arm}: the model's answers that are invalid", share(seen["invalid"], total))
    result.show(f"{arm}: the model's answers that run into their limit on tokens", share(seen["truncated"], total))
    longest = verdicts([one for one in asked if one.policy != "repair" and one.shape == MAX_LENGTH])
    result.show(f"{arm}: the same for maxLength alone, invalid", share(longest["invalid"], sum(longest.values())))
    for policy in POLICIES:
        under = [one for one in asked if one.policy == policy]
        good = sum(one.said.end == "whole" and one.valid for one in under)
        result.show(f"{arm}, {policy}: delivered, and valid", share(good, len(under)))
    report_repairs(arm, [one for one in asked if one.policy == "repair"], result)
    result.raw[arm] = {
        "codes": contracted.codes(asked),
        "by_shape": by_shape(asked),
        "failing": Counter(place for one in asked for place in one.record.get("failing", ())).most_common(30),
        "broken": [one.said.text for one in broken],
        "neither": [one.record for one in neither],
        "wrong": list(wrong),
        "other": [(one.shape, one.said.code, one.record.get("detail")) for one in other],
    }


def report_repairs(arm: str, asked: Sequence[Asked], result: Result) -> None:
    """How many were asked again, how many of these came out valid, and what that cost."""
    again = [one for one in asked if one.record.get("repairs")]
    result.show(f"{arm}, repair: calls whose model was asked again", share(len(again), len(asked)))
    mended = sum(one.said.end == "whole" for one in again)
    result.show(f"{arm}, repair: of these, repaired", share(mended, len(again)))
    for kind in ("input", "output"):
        added = sum(one.added.get(kind, 0) for one in again)
        total = sum((one.record.get("usage") or {}).get(kind, 0) for one in asked)
        result.tell_value(f"{arm}, repair: {kind} tokens of repairs, of all", added / max(1, total), n=len(asked))
    cost = sum(one.record.get("cost_pusd") or 0 for one in asked)
    added = sum(one.added.get("pusd", 0) for one in again)
    if cost > added:
        result.tell_value(f"{arm}, repair: cost added to that of one answer each", 100 * added / (cost - added), "%")


def verdicts(asked: Sequence[Asked]) -> Counter[str]:
    """What the models' answers were found to be, where they were not asked again."""
    return Counter(str(one.record.get("verdict", "")) for one in asked)


def by_shape(asked: Sequence[Asked]) -> dict[str, dict[str, int]]:
    """For each shape and policy, how many calls ended in which way."""
    found: dict[str, Counter[str]] = {}
    for one in asked:
        ended = "delivered" if one.said.end == "whole" else one.record.get("verdict") or one.said.code or "neither"
        found.setdefault(f"{one.shape}, {one.policy}", Counter())[str(ended)] += 1
    return {name: dict(counts) for name, counts in sorted(found.items())}
