"""Decides an evaluation before its first call: which cases, in which arms, and whether that can be asked at all."""

from __future__ import annotations

import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from trimtab import __version__
from trimtab.assemble.evaluation_side import Side
from trimtab.clock import Clock
from trimtab.declare.evaluating import Evals
from trimtab.declare.project import Task
from trimtab.errors import EvaluationRefused
from trimtab.evals.cases import Cases, misfits, read_cases
from trimtab.evals.plan import ArmPlan, Plan, order_of
from trimtab.evals.sample import Arm
from trimtab.ids import IdSource
from trimtab.lock.diff import Difference, differences
from trimtab.lock.history import dependents
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import resolve

PACKAGES: Final = ("jinja2", "msgspec", "jsonschema-rs", "numpy")
"""What rendering and marking depend on, besides us."""
LOOK_S: Final = 2.0
"""How long a replica may take to let us in before the first call."""
MOST_TOLD: Final = 5
BEHAVES: Final = frozenset({"prompts", "sampling", "context", "schemas", "policies", "models", "tools", "retrieval"})
"""Sections of a lock whose entries change what a task answers. Data does not by itself: an entry that was made of it
has its digest."""
DEMO_MODELS: Final = frozenset({"jobs-small", "jobs-mid"})


class Options(Struct, frozen=True):
    """What a person may change of a suite for one evaluation; None leaves it as it is. `cases` is at most how many."""

    samples: int | None = None
    cases: int | None = None
    budget_usd: float | None = None
    concurrency: int | None = None
    is_early: bool = False


@dataclass(frozen=True)
class Prepared:
    """An evaluation that can begin: its plan, its cases, and its sides."""

    plan: Plan
    cases: Cases
    sides: Mapping[Arm, Side]

    @property
    def base(self) -> Side | None:
        """What is compared with, if anything is."""
        return self.sides.get("base")

    @property
    def candidate(self) -> Side:
        """What is evaluated."""
        return self.sides["candidate"]

    @property
    def suite_side(self) -> Side:
        """Where suite, cases and the files of scorers come from."""
        return self.sides[self.plan.suite_arm]

    @property
    def changes(self) -> tuple[Difference, ...]:
        """In what the arms differ that bears on the task."""
        return () if self.base is None else changes_of(self.plan.task, self.base, self.candidate)


def prepare(
    task: str, sides: Mapping[Arm, Side], options: Options, clock: Clock, ids: IdSource, suite_arm: Arm = "candidate"
) -> Prepared:
    """The evaluation of a task. Raises `EvaluationRefused` where it cannot be asked, `DataInvalid`."""
    declared = {arm: _task(task, side, arm) for arm, side in sides.items()}
    suite = _suite(declared[suite_arm], options)
    cases = read_cases(sides[suite_arm].root, declared[suite_arm], suite)
    mistakes = (*cases.mistakes, *(one for each in declared.values() for one in misfits(cases, each, suite)))
    if mistakes:
        told = "; ".join(dict.fromkeys(map(str, mistakes[:MOST_TOLD])))
        more = f"; and {len(mistakes) - MOST_TOLD} more" if len(mistakes) > MOST_TOLD else ""
        raise EvaluationRefused(task=task, detail=f"its cases have mistakes, mend them first: {told}{more}")
    groups = {case.id: case.group for case in cases.cases}
    now = clock.wall_ns()
    plan = Plan(
        id=ids.new(now),
        task=task,
        at_ns=now,
        suite=suite,
        data_set=cases.data_set,
        cases=cases.digest,
        order=order_of(list(groups), suite.seed, options.cases, groups),
        arms=tuple(ArmPlan(arm, one.source, one.snapshot.lock_id, one.snapshot.digest) for arm, one in sides.items()),
        early=options.is_early,
        judges=judges_of(task, suite, sides[suite_arm]),
        packages=packages(),
        trimtab=__version__,
        suite_arm=suite_arm,
    )
    return Prepared(plan, cases, sides)


def _task(name: str, side: Side, arm: Arm) -> Task:
    found = side.project.tasks.get(name)
    if found is None:
        known = ", ".join(sorted(side.project.tasks)) or "none"
        raise EvaluationRefused(task=name, detail=f"the {arm} ({side.source}) has no such task; it has {known}")
    return found


def _suite(task: Task, options: Options) -> Evals:
    if task.evals is None:
        detail = f"tasks/{task.name}/task.toml has no suite; write evals = {{ scorers = [...] }} and a cases.jsonl"
        raise EvaluationRefused(task=task.name, detail=detail)
    asked = {
        "samples": options.samples,
        "budget_usd": options.budget_usd,
        "concurrency": options.concurrency,
    }
    return replace(task.evals, **{name: value for name, value in asked.items() if value is not None})


def judges_of(task: str, suite: Evals, side: Side) -> dict[str, str]:
    """The judging models of a task's suite, by name, with what they are pinned to. Raises `EvaluationRefused`."""
    found = {}
    for scorer in suite.scorers:
        if not scorer.model:
            continue
        model = side.snapshot.models.get(scorer.model)
        if model is None:
            detail = f"its scorer {scorer.name} asks the model {scorer.model}, which {side.source} does not declare"
            raise EvaluationRefused(task=task, detail=detail)
        found[scorer.model] = f"{model.served_name}@{model.revision}" if model.revision else model.served_name
    return found


def packages() -> dict[str, str]:
    """The versions of what takes part here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def lock_of(side: Side) -> Lock:
    """What a side resolves to, also where there is no lock beside it."""
    return side.pins if side.pins is not None else resolve(side.project, None).lock


def changes_of(task: str, base: Side, candidate: Side) -> tuple[Difference, ...]:
    """The differences between two sides that bear on a task's answers."""
    before, after = lock_of(base), lock_of(candidate)
    return tuple(one for one in differences(before, after) if task in touched(one.key, before, after))


def touched(key: str, before: Lock, after: Lock) -> set[str]:
    """The tasks whose answers a lock entry bears on, in either lock."""
    section, _, name = key.partition("/")
    if section not in BEHAVES:
        return set()
    found: set[str] = set()
    for lock in (before, after):
        if name == "(defaults)":
            found |= {each for each, one in lock.of("policies").items() if "model" in one.pinned}
        one = next((each for each in lock.entries if each.key == key), None)
        found |= set(dependents(lock, one)) if one is not None else set()
    return found


def unreachable(prepared: Prepared) -> str:
    """Which model has no replica that lets us in, and what to do; empty where all have one."""
    for arm, side in prepared.sides.items():
        task = side.snapshot.tasks[prepared.plan.task]
        for name in (task.models[0], *(one for one in prepared.plan.judges if arm == prepared.plan.suite_arm)):
            model = side.snapshot.models[name]
            why = _away(model.replicas)
            if why:
                is_demo = model.served_name in DEMO_MODELS
                remedy = "start `trimtab up --demo` in the folder above it" if is_demo else "start its servers"
                return f"no replica of model {name} of the {arm} lets us in ({why}); {remedy}"
    return ""


def _away(replicas: Sequence[str]) -> str:
    """Why the first of the replicas does not let us in, where none does."""
    first = ""
    for url in replicas:
        why = _failure(url)
        if not why:
            return ""
        first = first or why
    return first


def _failure(url: str) -> str:
    place = urlsplit(url)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        with socket.create_connection((place.hostname or "", port), timeout=LOOK_S):
            return ""
    except OSError as failure:
        return f"{url}: {failure.strerror or failure}"
