"""SIGKILL of drivers and keeper at every boundary of runs of seven shapes, and SIGSTOP of drivers past their lease; of
gateway workers at random moments amid calls of runs; and how soon an order reaches an open call.

A boundary of a driver lies before each ask, behind each answer, and before and behind each act of a tool; one of keeper
before each commit, within it when everything is written but not committed, and behind it before anybody is told. All
of them are tried, again and again until there are as many as promised. Then the run is taken up to its end and looked
at from outside: what it gave, what its tools did, its log, its database and its bodies.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.durable_agents import SHAPES
from bench.killed_runs import Found, Victim, play, undisturbed
from bench.killed_workers import TOGETHER, killed_workers, stopped_calls
from bench.options import Options
from bench.report import Result

KILLS: Final = 2000
STOPS: Final = 200
QUICK: Final = 40
WORKER_KILLS: Final = 30
ORDERS: Final = 100
ORDER_LIMIT_S: Final = 1.0
LANES: Final = 4
RESUME_LIMIT_S: Final = 2.0
Point = tuple[str, Victim, int]


def run(options: Options, result: Result) -> None:
    """All journals lie on the disk that the benchmark is run on."""
    if options.wants("workers"):
        workers(options, result)
    if options.wants("orders"):
        orders(options, result)
    if options.wants("runs"):
        runs(options, result)


def workers(options: Options, result: Result) -> None:
    """SIGKILL of a gateway worker amid calls of runs."""
    with tempfile.TemporaryDirectory(prefix="trimtab-kills-") as folder:
        kills = options.size(WORKER_KILLS, 1)
        found = asyncio.run(killed_workers(Path(folder), kills, options.seed, options.tell))
    what = "SIGKILL of a gateway worker amid calls of runs"
    result.raw[what] = {"faults": found.faults[:50]}
    result.tell_value(f"{what}: kills, each amid {TOGETHER} streams", found.kills)
    result.tell_value(f"{what}: calls that broke off", found.broken, n=found.calls)
    result.equal(f"{what}: lost answers, damaged logs, calls not answered again", len(found.faults), 0, n=found.calls)


def orders(options: Options, result: Result) -> None:
    """How soon an order reaches an open call."""
    with tempfile.TemporaryDirectory(prefix="trimtab-kills-") as folder:
        took = asyncio.run(stopped_calls(Path(folder), options.size(ORDERS, 3)))
    result.worst("from an order to stop until the open stream has ended", max(took), ORDER_LIMIT_S, "s", n=len(took))


def runs(options: Options, result: Result) -> None:
    """SIGKILL and SIGSTOP of drivers, SIGKILL of keeper."""
    with tempfile.TemporaryDirectory(prefix="trimtab-kills-", dir=Path.cwd()) as folder:
        shapes = {shape: undisturbed(Path(folder) / shape, shape) for shape in SHAPES}
        driver = [(shape, "driver", at) for shape, (_, count, _) in shapes.items() for at in range(count)]
        keeper = [(shape, "keeper", at) for shape, (_, _, count) in shapes.items() for at in range(count)]
        stops = [(shape, "stopped driver", at) for shape, _, at in driver]
        for name, points, count in (
            ("SIGKILL of the driver or of keeper", [*driver, *keeper], options.size(KILLS, QUICK)),
            ("SIGSTOP of the driver past its lease", stops, options.size(STOPS, QUICK // 4)),
        ):
            options.tell(f"kills: {name}, {count}")
            tell(name, result, tried(Path(folder), shapes, spread(points, count), options))


def spread(points: list[Any], count: int) -> Iterator[Point]:
    """All of them again and again until there are so many, or as many of them evenly."""
    for number in range(count if count < len(points) else math.ceil(count / len(points)) * len(points)):
        yield points[number * len(points) // count if count < len(points) else number % len(points)]


def tried(
    folder: Path, shapes: dict[str, tuple[Any, int, int]], points: Iterator[Point], options: Options
) -> list[Found]:
    """What came of each, some of them at a time."""
    scenes = [
        (folder / f"{number}", shape, victim, at, shapes[shape][0]) for number, (shape, victim, at) in enumerate(points)
    ]
    found = []
    with multiprocessing.get_context("fork").Pool(min(LANES, 2 * (os.cpu_count() or 1))) as pool:
        for one in pool.imap_unordered(scene, scenes, chunksize=4):
            found.append(one)
            if len(found) % 100 == 0:
                options.tell(f"{len(found)} of {len(scenes)}; faults: {sum(bool(each.faults) for each in found)}")
    return found


def scene(asked: tuple[Path, str, Victim, int, Any]) -> Found:
    """One of them."""
    return play(*asked)


def tell(name: str, result: Result, found: list[Found]) -> None:
    """What must hold of all of them."""
    killed = [one for one in found if one.killed]
    faults = Counter(kind_of(fault) for one in found for fault in one.faults)
    result.raw[name] = {
        "faults": [(one.shape, one.victim, one.at, one.faults) for one in found if one.faults][:50],
        "by shape and victim": dict(Counter(f"{one.shape}, {one.victim}" for one in killed)),
        "persons": sum(one.persons for one in killed),
    }
    result.tell_value(f"{name}: places", len(killed))
    for kind in ("lost results", "damaged stores", "writes repeated", "keyed effects amiss", "anything else"):
        result.equal(f"{name}: {kind}", faults[kind], 0, n=len(killed))
    result.tell_value(f"{name}: steps taken in all", sum(one.steps for one in found))
    result.tell_value(f"{name}: outcomes that a person was asked for", sum(one.persons for one in killed))
    resumes = sorted(one.resume_s for one in killed)
    if resumes:
        p95 = resumes[math.ceil(0.95 * len(resumes)) - 1]
        result.worst(f"{name}: resumed to its end, 95th percentile", p95, RESUME_LIMIT_S, "s", n=len(resumes))


def kind_of(fault: str) -> str:
    """What a fault is counted as."""
    for words, kind in (
        ("lost", "lost results"),
        ("damaged", "damaged stores"),
        ("happened", "writes repeated"),
        ("paid under", "keyed effects amiss"),
    ):
        if words in fault:
            return kind
    return "anything else"
