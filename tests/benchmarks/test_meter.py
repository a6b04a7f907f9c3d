"""CPU and memory of a tree of processes, on children that do a known thing."""

import os
import subprocess
import sys
from pathlib import Path

from bench import meter

SPIN = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
NEST = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {SPIN!r}])"


def test_cpu_of_a_tree_counts_grandchildren() -> None:
    """A grandchild that spins for 0.3 s of CPU shows at its grandparent's tree, within start-up and clock grain."""
    with subprocess.Popen([sys.executable, "-c", NEST], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        pids = meter.tree(child.pid)
        used = meter.cpu(pids)
        child.stdin.write(b"\n")
        child.stdin.close()
        child.wait()
    assert len(pids) == 2
    assert 0.25 <= used.total_s < 1.5


def test_a_process_that_is_gone_counts_as_nothing() -> None:
    """A pid that no longer exists adds no CPU and raises nothing."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert meter.cpu([child.pid]).total_s == 0


def test_peak_memory_is_at_least_what_is_resident_now() -> None:
    """The peak resident set of this process is no less than its resident set (statm counts pages)."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert meter.peak_memory_bytes([os.getpid()]) >= resident
