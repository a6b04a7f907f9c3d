"""The real demo engine, its model swapped for copies that are hardly another: found each time, never without a swap.

`python -m bench identity` makes the full counts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from tests.demo.altered import rounded, tuned
from tests.demo.running import running_demo
from trimtab.assemble.identity import interviewing
from trimtab.clock import SystemClock
from trimtab.declare.project import Model
from trimtab.errors import IdentityUntested
from trimtab.lock.identity import Check
from trimtab.lock.identity_baseline import Baseline
from trimtab.lock.identity_probes import LOAD, Form
from trimtab.lock.identity_rungs import Pinned, Rung
from trimtab.processes.identity_ask import Interview, examine
from trimtab.processes.identity_learn import Learned, take_baseline

CHECKS = 20
STEPS = 3
SWAPS: dict[str, Callable[[Path], Path]] = {"rounded": rounded, "tuned": lambda folder: tuned(folder, STEPS)}


def model_at(url: str) -> Model:
    return Model("small", "jobs-small", (url,))


@contextlib.asynccontextmanager
async def under_load(interview: Interview, model: Model) -> AsyncIterator[None]:
    """Six other requests of other lengths are always under way."""

    async def busy(place: int) -> None:
        while True:
            with contextlib.suppress(IdentityUntested):
                await interview.ask(model, model.replicas[0], Form(), LOAD[place % len(LOAD)])

    tasks = [asyncio.ensure_future(busy(place)) for place in range(6)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def checks(url: str, baseline: Baseline, count: int) -> list[Check]:
    """So many checks under load."""

    async def work() -> list[Check]:
        model = model_at(url)
        async with interviewing([model], SystemClock()) as interview, under_load(interview, model):
            return [
                await examine(interview, model, url, baseline, Pinned(served_model="jobs-small"), Random(number))
                for number in range(count)
            ]

    return asyncio.run(work())


@pytest.fixture(scope="module")
def original() -> Iterator[str]:
    with running_demo("--model", "jobs-small") as url:
        yield url


@pytest.fixture(scope="module")
def learned(original: str) -> Learned:
    async def work() -> Learned:
        async with interviewing([model_at(original)], SystemClock()) as interview:
            return await take_baseline(interview, model_at(original))

    return asyncio.run(work())


def rungs_hit(found: list[Check]) -> set[Rung | None]:
    return {one.hit and one.hit.rung for one in found}


def test_the_same_model_is_the_same(original: str, learned: Learned) -> None:
    """Exactly, and by first tokens, under load."""
    by_first_tokens = replace(learned.baseline, exact=())
    assert rungs_hit(checks(original, learned.baseline, CHECKS)) == {None}
    assert rungs_hit(checks(original, by_first_tokens, CHECKS)) == {None}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_copy_is_found(swap: str, learned: Learned, tmp_path: Path) -> None:
    """Rounded to bfloat16, or after three steps of tuning the last layer: in every check, by either rung."""
    by_first_tokens = replace(learned.baseline, exact=())
    with running_demo("--model", "jobs-small", "--folder", str(SWAPS[swap](tmp_path))) as url:
        assert rungs_hit(checks(url, learned.baseline, CHECKS)) == {"exact"}
        assert rungs_hit(checks(url, by_first_tokens, 3)) == {"first_token"}
