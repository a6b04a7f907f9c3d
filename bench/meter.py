"""What a tree of processes uses: CPU seconds and resident memory, from /proc."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bench.machine import TICKS_PER_S

GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Cpu:
    """CPU seconds spent, in user code and in the kernel."""

    user_s: float = 0.0
    system_s: float = 0.0

    @property
    def total_s(self) -> float:
        """User and system together."""
        return self.user_s + self.system_s

    def __add__(self, other: Cpu) -> Cpu:
        return Cpu(self.user_s + other.user_s, self.system_s + other.system_s)

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user_s - other.user_s, self.system_s - other.system_s)


def tree(root: int) -> list[int]:
    """`root` and all its living descendants, parents first."""
    found = [root]
    for pid in found:
        with contextlib.suppress(*GONE):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(*GONE):
                    found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def cpu(pids: Collection[int]) -> Cpu:
    """utime + stime of `pids` (all threads, dead ones too), 10 ms grain; a process that is gone counts as zero."""
    used = Cpu()
    for pid in pids:
        with contextlib.suppress(*GONE):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += Cpu(int(fields[11]) / TICKS_PER_S, int(fields[12]) / TICKS_PER_S)
    return used


def forget_peak_memory(pids: Collection[int]) -> None:
    """Start the peak of `peak_memory_bytes` anew (proc(5), clear_refs 5)."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_memory_bytes(pids: Collection[int]) -> int:
    """Sum of the peak resident set sizes (VmHWM) of `pids`."""
    total = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return total
