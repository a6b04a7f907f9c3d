"""A bad lock as a canary on the demo: how many users it reaches before it is rolled back by itself; copies for nobody.

`canary`: each planted change is committed with its lock on a branch and begun as a canary while the demo serves users,
each with three calls in one conversation. `harmless`: changes that do no harm, which must stay. `shadow`: 10,000 calls
beside a candidate that answers with tool calls, errors and broken streams. `harm`: simulated users, how many of them
are reached before an alarm, and how often a candidate that is worse by just the margin has one.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from urllib.parse import urlsplit

from bench.options import Options
from bench.parts import run_parts
from bench.report import Result
from bench.suites.evals import Edit, demo_at, edited, everywhere, told, trimtab
from tests.acceptance.running import running_trimtab
from tests.demo.running import running_demo
from tests.gateway.rolling import trials
from tests.lock.repositories import BARE, commit
from trimtab.demo.traffic import Requests
from trimtab.signals.canary import MEASURES
from trimtab.statistics.harm import HarmRunning, HarmTest

EXTRACT: Final = "tasks/extract/task.toml"
PORTS: Final = everywhere(
    edited("trimtab.toml", "127.0.0.1:8400", "127.0.0.1:0"), edited("trimtab.toml", "127.0.0.1:8401", "127.0.0.1:0")
)
PLANTED: Final[dict[str, Edit]] = {
    "extract, answers cut at 16 tokens": edited(EXTRACT, "max_output_tokens = 64", "max_output_tokens = 16"),
    "extract, temperature 1.5": edited(EXTRACT, "temperature = 0.0", "temperature = 1.5"),
}
HARMLESS: Final[dict[str, Edit]] = {
    "extract, room for 65 tokens": edited(EXTRACT, "max_output_tokens = 64", "max_output_tokens = 65"),
}
EXPOSED: Final = 200
"""The most users that a canary may reach, as declared."""
SHARE: Final = "25%"
USERS: Final = 1200
"""Users at most, before an arm is given up."""
CALLS_OF_A_USER: Final = 3
AT_ONCE: Final = 4
TRIALS: Final = 10_000
LOSSES: Final = (0.98, 0.2, 0.1, 0.05)
GOOD: Final = 0.98
OTHERS: Final = 3
"""Calls in force for each of the candidate's, at a share of 25 %."""
MARGIN: Final = 0.02
ALPHA: Final = 0.05


def run(options: Options, result: Result) -> None:
    """The demo engine serves both locks, on the same cores."""
    with tempfile.TemporaryDirectory(prefix="trimtab-rollout-") as folder, ExitStack() as held:
        engine = cache(lambda: held.enter_context(running_demo()))
        parts: dict[str, Callable[[Result], None]] = {
            "harm": partial(harm, options),
            "shadow": partial(shadow, options, Path(folder)),
            "canary": lambda found: canaries(options, Path(folder) / "bad", engine(), found),
            "harmless": lambda found: harmless(options, Path(folder) / "good", engine(), found),
        }
        run_parts(options, result, parts)


def shadow(options: Options, folder: Path, result: Result) -> None:
    """Every client gets what is in force says, and the server in force is asked once for each."""
    number = options.size(TRIALS, 500)
    (folder / "shadow").mkdir()
    found = asyncio.run(trials(folder / "shadow", number, options.seed))
    result.equal("answers with anything of a shadow's", found.leaked, 0, n=number)
    result.equal("calls to the server in force", found.asked_in_force, number, n=number)
    result.tell_value("calls that were copied", found.copied, n=number)
    result.tell_value("copies dropped at the bound", found.dropped, n=number)


def harm(options: Options, result: Result) -> None:
    """Users of a task with one figure of four in trouble; 98 of 100 calls in force go well."""
    rounds, most = options.size(500, 50), options.size(5_000, 1_000)
    draw = random.Random(options.seed)
    for loss in LOSSES:
        found = [users_until_alarm(draw, loss, most) for _ in range(rounds)]
        name = f"{100 * loss:.0f} points worse: users until the alarm"
        result.tell_value(f"{name}, median", median(found), "users", n=rounds)
        result.tell_value(f"{name}, 90th percentile", quantiles(found, n=10)[-1], "users", n=rounds)
    alarms = sum(users_until_alarm(draw, MARGIN, EXPOSED) < EXPOSED for _ in range(rounds))
    result.worst(
        f"worse by just the margin: share with an alarm within {EXPOSED} users", alarms / rounds, ALPHA, n=rounds
    )


def users_until_alarm(draw: random.Random, loss: float, most: int) -> int:
    """How many users of the candidate were seen at the alarm, each against three in force; `most` without one."""
    test, running = HarmTest(MARGIN), HarmRunning()
    for user in range(1, most):
        base = sum(draw.random() < GOOD for _ in range(OTHERS)) / OTHERS
        running = test.step(running, (draw.random() < GOOD - loss) - base)
        if running.p_value <= ALPHA / len(MEASURES):
            return user
    return most


def canaries(options: Options, folder: Path, engine: str, result: Result) -> None:
    """Each planted change in a project of its own."""
    for number, (name, edit) in enumerate(PLANTED.items()):
        options.tell(f"rollout: {name}")
        ended = canary(branched(folder / str(number), engine, edit), options.seed + number)
        rollout = result.raw[name] = ended["rollout"]
        result.equal(f"{name}: rolled back by itself", rollout["state"] == "rolled_back", 1)
        result.worst(f"{name}: users reached", ended["exposed"]["reached"], EXPOSED - 1, "users")
        result.tell_value(f"{name}: seconds", (rollout["ended_ns"] - rollout["began_ns"]) / 1e9)


def harmless(options: Options, folder: Path, engine: str, result: Result) -> None:
    """Changes that do no harm reach all the users that they may."""
    for number, (name, edit) in enumerate(HARMLESS.items()):
        options.tell(f"rollout: {name}")
        ended = canary(branched(folder / str(number), engine, edit), options.seed + len(PLANTED) + number)
        rollout = result.raw[name] = ended["rollout"]
        result.equal(f"{name}: rolled back", rollout["state"] == "rolled_back", 0)
        result.equal(f"{name}: users reached", ended["exposed"]["reached"], EXPOSED)


def branched(root: Path, engine: str, edit: Edit) -> Path:
    """The demo in a repository, and the change with its lock on the branch `tried`."""
    project = demo_at(root, engine)
    PORTS(project)
    commit(project, "Ports of its own")
    git(project, "branch", "kept")
    git(project, "checkout", "-q", "-b", "tried")
    edit(project)
    if trimtab(project, "lock").returncode != 0:
        raise RuntimeError("the change cannot be locked")
    commit(project, "A change")
    git(project, "checkout", "-q", "kept")
    return project


def git(project: Path, *words: str) -> None:
    """Git, in the project."""
    subprocess.run(["git", "-C", str(project), *words], check=True, env=BARE)


def canary(project: Path, seed: int) -> Any:
    """The rollout as it stands when it has ended, or when it reached all it may and as many users as are planned."""
    with running_trimtab(project) as running:
        words = ("rollout", "start", "--rev", "tried", "--canary", SHARE, "--exposed", str(EXPOSED), "--json")
        began = told(trimtab(project, *words, "--without-evaluation", "it is planted"))["rollout"]
        state = began
        with asked(running.url, seed, began["rollout"]["tasks"]) as users:
            for user in users:
                if user % 40 == 0:
                    state = told(trimtab(project, "rollout", "status", "--json"))["rollout"]
                is_over = state["rollout"]["state"] != "running" or state["exposed"]["reached"] >= EXPOSED
                if is_over or user >= USERS:
                    break
        time.sleep(3)
        return told(trimtab(project, "rollout", "status", "--json"))["rollout"]


@contextmanager
def asked(gateway: str, seed: int, tasks: list[str]) -> Iterator[Iterator[int]]:
    """Users one after another, some at a time, each with a conversation of calls of `tasks`; yields how many began."""
    bodies = (body for task, body in Requests(seed) if task in tasks)
    address = urlsplit(gateway)

    def converse(user: int, calls: list[bytes]) -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        for body in calls:
            headers = {"content-type": "application/json", "x-trimtab-conversation": f"conversation-{user}"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            connection.getresponse().read()
        connection.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:

        def users() -> Iterator[int]:
            for first in itertools.count(0, AT_ONCE):
                some = range(first, first + AT_ONCE)
                list(threads.map(converse, some, [list(itertools.islice(bodies, CALLS_OF_A_USER)) for _ in some]))
                yield first

        yield users()
