"""Copies of a demo model that are hardly another, and checks of a server's identity under load."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from msgspec.structs import replace

from bench.options import Options
from tests.demo import altered
from tests.engine.vllm_server import vllm_environment
from trimtab.assemble.identity import interviewing
from trimtab.clock import SystemClock
from trimtab.declare.project import Model
from trimtab.demo.app import MODELS
from trimtab.errors import IdentityUntested
from trimtab.lock.identity import HITS, Standing, follow
from trimtab.lock.identity_baseline import Baseline, Server, texts_of
from trimtab.lock.identity_probes import LOAD, TEXT, Form
from trimtab.lock.identity_rungs import TEXT_REFERENCE, Pinned, Rung
from trimtab.processes.identity_ask import Interview, examine
from trimtab.processes.identity_learn import Learned, take_baseline

NAME = "jobs-small"
TUNE = Path(__file__).parent / "models" / "tune.py"
BUSY = 6
"""Other requests that are always under way while checks are made."""


def tuned(folder: Path, steps: int) -> Path:
    """A copy after so many steps of AdamW on all weights, or without torch on the output layer; gives the folder."""
    python = vllm_environment() / "bin" / "python"
    if not python.exists():
        return altered.tuned(folder, steps)
    command = [str(python), str(TUNE), str(MODELS / NAME), str(folder / NAME), "--steps", str(steps)]
    environment = {"PYTHONPATH": str(MODELS.parents[2]), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return folder


def other(folder: Path) -> Path:
    """Another model under the name of the first."""
    (folder / NAME).symlink_to(MODELS / "jobs-mid", target_is_directory=True)
    return folder


@dataclass(frozen=True)
class Subject:
    """A server whose identity is tested."""

    url: str
    engine: str = "other"

    @property
    def model(self) -> Model:
        """As a project would declare it."""
        return Model(NAME, NAME, (self.url,), engine=self.engine)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Counted:
    """Of so many trials: how many alarms there were, how many checks were hits, of how many, and what they showed."""

    trials: int
    alarms: int
    hits: int
    checks: int
    shown: str


def learn(subject: Subject) -> Learned:
    """The baseline of a server, with texts too, whether or not it needs them."""

    async def work() -> Learned:
        async with interviewing([subject.model], SystemClock()) as interview:
            learned = await take_baseline(interview, subject.model)
            texts = await interview.ask_all(subject.model, subject.url, Form(), TEXT * TEXT_REFERENCE)
            kept = tuple(texts_of(probe.prompt, texts[probe]) for probe in TEXT)
            return learned._replace(baseline=replace(learned.baseline, texts=kept))

    return asyncio.run(work())


def only(baseline: Baseline, rung: Rung) -> Baseline:
    """A baseline by which this rung alone tests."""
    kept = {"exact": baseline.exact, "first": baseline.first, "texts": baseline.texts}
    needed = {"exact": "exact", "first_token": "first", "texts": "texts"}[rung]
    return replace(baseline, server=Server(), **{name: value if name == needed else () for name, value in kept.items()})


def trials(
    subject: Subject, baseline: Baseline, count: int, options: Options, identity: Pinned | None = None
) -> Counted:
    """So many times: checks until one is good or two in a row are hits, all of them under load."""

    async def work() -> Counted:
        alarms, seen, shown = 0, Counter[bool](), ""
        async with interviewing([subject.model], SystemClock()) as interview, under_load(interview, subject):
            for number in range(count):
                standing = Standing()
                for again in range(HITS):
                    draw = Random(f"{options.seed}/{number}/{again}")
                    found = await examine(interview, subject.model, subject.url, baseline, identity or Pinned(), draw)
                    standing, _ = follow(standing, found, 0)
                    seen[found.hit is not None] += 1
                    if found.hit is None:
                        break
                if standing.state == "changed":
                    alarms += 1
                    shown = f"{standing.rung}: {standing.before} -> {standing.after}; {standing.detail}"
        return Counted(count, alarms, seen[True], seen.total(), shown)

    counted = asyncio.run(work())
    options.tell(
        f"identity: {counted.alarms} alarms in {counted.trials} trials, {counted.hits} hits in {counted.checks}"
    )
    return counted


@contextlib.asynccontextmanager
async def under_load(interview: Interview, subject: Subject) -> AsyncIterator[None]:
    """Other requests, of other lengths, are always under way."""

    async def busy(place: int) -> None:
        while True:
            with contextlib.suppress(IdentityUntested):
                await interview.ask(subject.model, subject.url, Form(), LOAD[place % len(LOAD)])

    tasks = [asyncio.ensure_future(busy(place)) for place in range(BUSY)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def demo(folder: Path | None = None) -> Iterator[Subject]:
    """The demo engine with the model, or with the copy of it in a folder."""
    command = [sys.executable, "-m", "trimtab.demo.server", "--port", "0", "--model", NAME]
    command += ["--folder", str(folder)] if folder else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Subject(process.stdout.readline().split('"url": "')[1].split('"')[0])
        finally:
            process.terminate()
            process.stdout.read()
            process.wait(20)
