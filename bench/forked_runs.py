"""Forks without a change at each step of recorded runs: what came before is the same, and no model is asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from bench.replayed_runs import Model, agent, modelled
from tests.gateway.harness import RunningGateway
from trimtab.console.run_desk import Wanted
from trimtab.journal.entries import digest_of, encode
from trimtab.journal.reading import entries_of
from trimtab.processes.run_acts import forked

NOBODY: Final = bytes(32)


class Forked(NamedTuple):
    """What was seen of forks: how many, how many entries came before them, those that differ, and calls of models
    before and behind the fork that were made.
    """

    forks: int = 0
    entries: int = 0
    other: int = 0
    unserved: int = 0
    live_before: int = 0
    live: int = 0


async def forked_everywhere(folder: Path, seed: int, runs: int, turns: int, least: int = 0) -> Forked:
    """Records runs of raw HTTP and forks each at every step; the program does all of it again in each fork.

    `least` is the first run's number.
    """
    seen = Forked()
    async with modelled(folder, seed) as (gateway, model):
        for number in range(least, least + runs):
            said = await agent(gateway, number, turns, x_trimtab_run=f"r-{number}")
            for place in gateway.journal.log(f"r-{number}").steps:
                seen = _plus(seen, await _fork(gateway, model, number, turns, place.seq, len(said)))
    return seen


async def _fork(gateway: RunningGateway, model: Model, number: int, turns: int, at: int, calls: int) -> Forked:
    journal, fork, origin = gateway.journal.keeper.blocking, f"f-{number}-{at}", f"r-{number}"
    forked(journal, Wanted(origin, fork, at), 1)
    before = model.asked
    await agent(gateway, number, turns, x_trimtab_run=fork)
    asked = model.asked - before
    there, here = entries_of(journal, origin), entries_of(journal, fork)
    copied = [(one, two) for one, two in zip(there, here, strict=False) if 1 < one.seq < at]
    other = sum(_content(one.seq, encode(one.entry)) != _content(two.seq, encode(two.entry)) for one, two in copied)
    log = gateway.journal.log(fork)
    live = sum(step.seq >= at for step in log.steps)
    recorded = sum(step.seq < at for step in log.steps)
    return Forked(1, len(copied), other, calls - live - recorded, asked - live, live)


def _content(seq: int, content: bytes) -> bytes:
    """The digest of an entry by itself, since those of a fork follow upon another beginning."""
    return digest_of(NOBODY, seq, content)


def _plus(one: Forked, other: Forked) -> Forked:
    return Forked(*(a + b for a, b in zip(one, other, strict=True)))
