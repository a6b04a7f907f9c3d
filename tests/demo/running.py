"""The demo engine's server, for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

STOP_LIMIT_S = 20


@contextlib.contextmanager
def running_demo(*arguments: str) -> Iterator[str]:
    """`python -m trimtab.demo.server` on a free port; gives its URL without `/v1`."""
    command = [sys.executable, "-m", "trimtab.demo.server", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.stdout.read()
            process.wait(STOP_LIMIT_S)
