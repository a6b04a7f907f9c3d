"""Recorded runs given again with no model there: every byte, every chunk, the time of a step; one character changed.

Everything is in this process but the disk: a client over loopback, the gateway, and the journal with its commits.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Final

from bench import intervals, native, rounds
from bench.arm import STUB_MODEL, Arm, Target
from bench.gateway import GENEROUS, Task, gateway
from bench.options import Options
from bench.replayed_runs import TASK, agent, ask, modelled
from bench.report import Result
from bench.suites.cpu import WORKLOADS, measure_once, requests_a_run
from tests.gateway.harness import RunningGateway
from tests.runs.framework_agents import AGENTS, CALLED, QUESTION
from tests.runs.through_gateway import journaled
from trimtab import replay
from trimtab.gateway.runs.recorded_runs import RecordedRuns
from trimtab.gateway.runs.served import bytes_of
from trimtab.journal.requests import canonical

FOLDER: Final = Path(__file__).resolve().parents[1] / "out"
RUNS, TURNS = 200, 8
STEP_LIMIT_MS: Final = 2.0
KINDS: Final = ("own", "pydantic-ai", "langgraph", "openai-agents")
MUTATIONS: Final = 5000
LOCATED: Final = 0.999
MUTATED_RUNS, MUTATED_TURNS = 10, 12
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789 .,"
NAMED: Final = re.compile(r"step ([0-9]+) ")


def run(options: Options, result: Result) -> None:
    """Each part by itself."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="replay-", dir=FOLDER) as folder:
        for arm, measure in {"raw": replays, "agents": agents, "mutations": mutations}.items():
            if options.wants(arm):
                place = Path(folder) / arm
                place.mkdir()
                asyncio.run(measure(place, options, result))
    if options.wants("cost"):
        cost(options, result)


async def replays(folder: Path, options: Options, result: Result) -> None:
    """Runs of raw HTTP, recorded and then given again."""
    count = 10 if options.quick else RUNS
    options.tell(f"replay: {count} runs are recorded")
    async with modelled(folder, options.seed) as (gateway, model):
        first = [await agent(gateway, number, TURNS, x_trimtab_run=f"r-{number}") for number in range(count)]
        await model.leave()
        options.tell("replay: they are given again")
        steps = sum(map(len, first))
        other, unlike, took_s = 0, 0, 0.0
        for number, recorded in enumerate(first):
            begun_s = time.perf_counter()
            again = await agent(gateway, number, TURNS, x_trimtab_replay=f"r-{number}")
            took_s += time.perf_counter() - begun_s
            other += [one.body for one in again] != [one.body for one in recorded]
            unlike += sum(1 for one, two in zip(recorded, again, strict=False) if one != two)
    result.equal("runs of raw HTTP that a replay gave otherwise", other, 0, n=count)
    result.equal("answers with other bytes, status or chunks", unlike, 0, n=steps)
    result.equal("calls that reached a model", model.asked, steps, n=2 * steps)
    result.worst("time of a replayed step, client included", took_s / steps * 1e3, STEP_LIMIT_MS, "ms", n=steps)


async def agents(folder: Path, options: Options, result: Result) -> None:
    """Agents of the SDK, by itself and inside three frameworks, called again over their records."""
    each = 2 if options.quick else RUNS // 5
    other, unlike = 0, 0
    async with journaled(folder) as world:
        with world.runtime():
            options.tell(f"replay: {each} runs of each kind of agent are recorded")
            first = {
                f"{kind}-{number}": await AGENTS[kind].options(id=f"{kind}-{number}")(f"{QUESTION} {number}", world.url)
                for kind in KINDS
                for number in range(each)
            }
            asked, called = world.asked(), dict(CALLED)
            await world.upstream.__aexit__()
            options.tell("replay: they are called again")
            for run, said in first.items():
                kind = run.rpartition("-")[0]
                other += await replay(run, AGENTS[kind], url=world.url) != said
                unlike += world.steps(world.runs()[0]) != world.steps(run)
    result.equal("agents whose replay ended otherwise", other, 0, n=len(first))
    result.equal("agents whose replay asked for something else", unlike, 0, n=len(first))
    result.equal("calls of models and tools in replays", world.asked() - asked + (called != CALLED), 0, n=len(first))


async def mutations(folder: Path, options: Options, result: Result) -> None:
    """One character of a recorded request is changed: the divergence must name its step."""
    count = 200 if options.quick else MUTATIONS
    draw = random.Random(options.seed)
    requests: list[tuple[str, bytes]] = []
    async with modelled(folder, options.seed) as (gateway, model):
        for number in range(MUTATED_RUNS):
            await agent(gateway, number, MUTATED_TURNS, x_trimtab_run=f"r-{number}")
        await model.leave()
        found = [(f"r-{number}", gateway.journal.log(f"r-{number}")) for number in range(MUTATED_RUNS)]
        places = {(run, step.intent.request): step.seq for run, log in found for step in log.steps}
        for run, log in found:
            load = RecordedRuns(gateway.journal).loader(run)
            requests += [(run, await bytes_of(step.intent.input, load)) for step in log.steps]
        options.tell(f"replay: {count} mutations")
        right = sum([await _located(gateway, draw, requests, places) for _ in range(count)])
    result.worst("changed characters that were not located", (count - right) / count, 1 - LOCATED, n=count)


async def _located(
    gateway: RunningGateway, draw: random.Random, requests: list[tuple[str, bytes]], places: dict[tuple[str, str], int]
) -> bool:
    run, body = draw.choice(requests)
    seq = places[run, canonical("model", "chat_completions", body).digest]
    said = await ask(gateway, _changed(draw, body, run, places), x_trimtab_replay=run, x_trimtab_step=TASK)
    named = NAMED.search(said.body.decode())
    return said.status == 409 and named is not None and int(named[1]) == seq


def _changed(draw: random.Random, body: bytes, run: str, places: dict[tuple[str, str], int]) -> bytes:
    """The request with one character changed so that it is JSON still, and another request."""
    text = body.decode()
    while True:
        at = draw.randrange(len(text))
        other = f"{text[:at]}{draw.choice(LETTERS)}{text[at + 1 :]}".encode()
        try:
            json.loads(other)
        except ValueError:
            continue
        if (run, canonical("model", "chat_completions", other).digest) not in places:
            return other


def cost(options: Options, result: Result) -> None:
    """CPU and throughput of a call of a run beside the same call of none; keeper's CPU counts."""
    [workload, *_] = WORKLOADS
    task = Task(settings=f'{GENEROUS}\nredaction = "full"')
    with native.stub() as port, gateway("replay", {STUB_MODEL: port}, {"bench": task}) as running:
        plain = running.arm("without a run", "bench")
        target = running.target("bench")
        of_run = Target(target.port, target.model, target.key, headers=("x-trimtab-run: bench",))
        arms = {
            "without a run": plain,
            "of a run": Arm("of a run", of_run, running.serving, running.aside, running.settle),
        }
        requests = {name: requests_a_run(workload, arm, options) for name, arm in arms.items()}
        plan = options.plan(most=20)
        done = rounds.interleave(
            list(arms),
            lambda name: measure_once(workload, arms[name], requests[name]),
            plan,
            lambda done: False,
            options.tell,
        )
    for name in arms:
        result.show(f"{name}: CPU of gateway and keeper for a call", intervals.mean(done.values(name, "us")), "us")
        result.show(f"{name}: calls a second, 64 at once", intervals.mean(done.values(name, "rps")))
        result.show(f"{name}: median latency", intervals.mean(done.values(name, "ttft_p50_us")), "us")
