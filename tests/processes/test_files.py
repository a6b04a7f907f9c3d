"""The limit of open files."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

from trimtab.processes import files

RAISE = """
import json, resource, sys
from trimtab.processes import files
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2000))
got = [files.allow(100), files.allow(1500), files.allow(9000)]
print(json.dumps(got + [resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def test_soft_limit_is_raised_as_far_as_allowed() -> None:
    """The soft limit grows to what is wanted, never past the hard one, never shrinks, and the hard one stays."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2000, "this machine allows too few files for the test"
    told = subprocess.run([sys.executable, "-c", RAISE], check=True, capture_output=True).stdout
    assert json.loads(told) == [256, 1500, 2000, [2000, 2000]]


def test_worker_wants_two_sockets_a_connection() -> None:
    """A full worker has a client's and a replica's socket for each connection."""
    assert files.wanted(16_384) == 33_024
