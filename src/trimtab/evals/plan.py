"""What an evaluation will ask, decided before the first call and the same whenever it is decided again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.sample import Arm

FORMAT_VERSION: Final = 1
SEED_BITS: Final = 31
"""Engines take seeds of so many bits."""


class ArmPlan(Struct, frozen=True):
    """One of what is compared: where its declaration comes from, and the digests of its lock and its snapshot."""

    arm: Arm
    source: str
    lock: str = ""
    snapshot: str = ""


class Cell(Struct, frozen=True):
    """One call that is to be made: a sample of a case by an arm. Both arms have the same seed."""

    arm: Arm
    case: str
    number: int
    seed: int


class Plan(Struct, frozen=True):
    """An evaluation before its first call.

    `suite` has what the command line changed in it already. `order` are the ids of the cases in the order in which
    they are asked, `cases` the digest of their content and `data_set` where they come from. `judges` are the pins of
    judging models by name. What follows from chance follows from `suite.seed`. `suite_arm` is the arm whose suite,
    cases and judges it has.
    """

    id: str
    task: str
    at_ns: int
    suite: Evals
    data_set: str
    cases: str
    order: tuple[str, ...]
    arms: tuple[ArmPlan, ...]
    early: bool = False
    judges: dict[str, str] = {}
    packages: dict[str, str] = {}
    trimtab: str = ""
    version: int = FORMAT_VERSION
    suite_arm: Arm = "candidate"

    @property
    def calls(self) -> int:
        """How many calls it makes, if none has to be repeated."""
        return len(self.order) * self.suite.samples * len(self.arms)

    @property
    def names(self) -> tuple[Arm, ...]:
        """Its arms by name."""
        return tuple(each.arm for each in self.arms)


def order_of(
    ids: Sequence[str], seed: int, most: int | None = None, groups: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The cases in a random order that follows from the seed alone, however they are ordered; at most `most`.

    So the first n are a random sample of all, which is what stopping early and a budget need. Those of a group (by id;
    empty or missing: by itself) stand together, since a group tells something only once all of it is there.
    """
    found = sorted(ids)
    random.Random(f"trimtab cases {seed}").shuffle(found)  # noqa: S311 - a sample, not a secret
    found = found[:most]
    of = {case: (groups or {}).get(case) or case for case in found}
    first = {group: place for place, group in reversed(list(enumerate(of.values())))}
    return tuple(sorted(found, key=lambda case: first[of[case]]))


def cells(plan: Plan) -> Iterator[Cell]:
    """Every call of a plan, case by case; the arms of a sample are asked one after the other, in random order."""
    for case in plan.order:
        for number in range(plan.suite.samples):
            seed = seed_of(plan.suite.seed, case, number)
            arms = plan.names if seed % 2 else plan.names[::-1]
            yield from (Cell(arm, case, number, seed) for arm in arms)


def seed_of(suite: int, case: str, number: int) -> int:
    """The seed that a sample is asked with: 31 bits of the sha256 of the suite's seed, the case and its number."""
    text = "\n".join(("trimtab sample 1", str(suite), str(number), case))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> (32 - SEED_BITS)


def plan_digest(plan: Plan) -> str:
    """`sha256:` of all that decides what is asked and how it is marked: two plans with one digest are the same work."""
    return _digest(replace(plan, id="", at_ns=0, suite=_as_work(plan.suite)))


def suite_digest(suite: Evals) -> str:
    """`sha256:` of a suite, without when and how fast it runs; Python scorers stand in it by their files' digests."""
    return _digest(_as_work(suite))


def _as_work(suite: Evals) -> Evals:
    return replace(suite, concurrency=1, budget_usd=None, schedule=None, online=None)


def _digest(value: Struct) -> str:
    return f"sha256:{hashlib.sha256(msgspec.json.encode(value, order='sorted')).hexdigest()}"
