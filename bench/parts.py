"""Benchmarks of several parts, which `--arms` runs alone: what the others found before stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from bench import machine
from bench.options import Options
from bench.report import Result, add_arm, with_earlier_arms


def run_parts(options: Options, whole: Result, parts: Mapping[str, Callable[[Result], None]]) -> None:
    """Runs the parts that are wanted; each puts what it finds into a result of its own, and is saved at once."""
    with_earlier_arms(whole)
    for name, find in parts.items():
        if not options.wants(name):
            continue
        options.tell(f"{whole.benchmark}: {name}")
        found = Result(name, "", whole.command, options.quick, machine.facts())
        began = time.monotonic()
        find(found)
        found.machine["minutes"] = (time.monotonic() - began) / 60
        add_arm(whole, found, list(parts))
