"""The machine: which core does what, how busy others keep it, and the facts a figure is read with."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """The two cores of a run: one for what is measured, the other for the load and the stub upstream."""

    serving: int
    load: int


def cores() -> Cores:
    """The first two cores this process may use; one core does both jobs where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1 % len(allowed)])


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Children started in this block stay on `core`: affinity is inherited (sched_setaffinity(2))."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit() -> int:
    """Open as many files as the hard limit allows; gives that limit. Children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@dataclass(frozen=True)
class Ticks:
    """Clock ticks of all cores since boot, from /proc/stat: in all, and those a hypervisor gave to others."""

    total: int
    stolen: int

    def stolen_since(self, before: Ticks) -> float:
        """Share of the time since `before` that was stolen, 0 to 1."""
        return (self.stolen - before.stolen) / max(1, self.total - before.total)


def ticks() -> Ticks:
    """Read /proc/stat; columns as in proc(5)."""
    columns = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return Ticks(total=sum(columns[:8]), stolen=columns[7])


def fixed_loop_ms() -> float:
    """Time of a fixed piece of arithmetic: the same on a quiet machine, larger when the core is shared."""
    begin = time.perf_counter()
    total = 0
    for i in range(200_000):
        total += i * i % 7
    return (time.perf_counter() - begin) * 1000


def facts() -> dict[str, object]:
    """What a reader of a figure wants to know about the machine, now."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
        "fixed_loop_ms": round(fixed_loop_ms(), 1),
        "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
    }
