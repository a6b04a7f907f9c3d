"""The program of the child process that runs patterns and functions: one JSON object a line in, one a line out.

It is handed what to run in its first line and has no secrets, since its environment is made for it; memory is limited
by the kernel, time by whoever asks. What it runs may print: that goes nowhere.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import types
from collections.abc import Callable
from typing import IO, Any

MOST_WHY = 200
Job = Callable[[Any], Any]


def main() -> None:
    """Reads what to run, then answers each line until there are no more."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    orders = json.loads(source.readline())
    resource.setrlimit(resource.RLIMIT_AS, (orders["memory"], orders["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        job = pattern(orders) if orders["kind"] == "pattern" else function(orders)
    except BaseException as failure:  # noqa: BLE001  a file of the user's own may raise anything
        tell(sink, {"failed": why(failure)})
        return
    tell(sink, {"ready": True})
    for line in source:
        tell(sink, answered(job, json.loads(line)))


def answered(job: Job, asked: Any) -> dict[str, Any]:
    """What a job makes of what it is asked."""
    try:
        return {"value": job(asked)}
    except BaseException as failure:  # noqa: BLE001  a function of the user's own may raise anything
        return {"failed": why(failure)}


def pattern(orders: dict[str, Any]) -> Job:
    """Whether the pattern is found in a text."""
    compiled = re.compile(orders["pattern"])
    return lambda text: compiled.search(text) is not None


def function(orders: dict[str, Any]) -> Job:
    """The function of the file whose content was handed over, called with a case and an answer."""
    module = sys.modules["scorer"] = types.ModuleType("scorer")
    exec(compile(orders["source"], orders["file"], "exec"), vars(module))  # noqa: S102  a scorer of the project's own
    found = getattr(module, orders["function"])
    return lambda asked: plain(found(asked["case"], asked["answer"]))


def plain(told: Any) -> Any:
    """A mark as JSON: a number, None, or either with a reason. Raises `TypeError` for anything else."""
    value, reason = told if isinstance(told, tuple) and len(told) == 2 else (told, "")
    return [None if value is None else float(value), str(reason)[:MOST_WHY]]


def why(failure: BaseException) -> str:
    """The kind of a failure and its words."""
    try:
        words = str(failure)[:MOST_WHY]
    except Exception:  # noqa: BLE001  its own words fail too
        words = ""
    return f"{type(failure).__name__}: {words}" if words else type(failure).__name__


def tell(sink: IO[bytes], value: dict[str, Any]) -> None:
    """One line."""
    sink.write(json.dumps(value).encode() + b"\n")
    sink.flush()


if __name__ == "__main__":
    main()
