"""What `trimtab lock --live` learns from the servers before it writes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trimtab.assemble.identity import Taught, learn, prune
from trimtab.assemble.tool_identity import learn_tools
from trimtab.cli.lock_text import today
from trimtab.cli.tools_text import tool_line
from trimtab.declare.project import Project
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import Resolved, resolve


class Live(NamedTuple):
    """A lock with what the servers told, and a line on each that was asked."""

    resolved: Resolved
    notes: tuple[str, ...]


def learned(project: Project, resolved: Resolved, models: tuple[str, ...] = ()) -> Live:
    """Asks the servers of every model and tool, or of the models named alone, and resolves again: a name that moves may
    then stand for one that does not.
    """
    lock, taught = learn(project, resolved.lock, models=models)
    notes = list(map(_line, taught))
    if not models:
        lock, tools = learn_tools(project, lock)
        notes += map(tool_line, tools)
    return Live(resolve(project, lock, today=today()), tuple(notes))


def tidy(root: Path, before: Lock | None, after: Lock) -> None:
    """Takes away the baselines that only the lock before knew; to be called once the other is written."""
    prune(root, before, after)


def _line(one: Taught) -> str:
    if one.trouble:
        return f"models/{one.model} keeps what was known of it: {one.trouble}"
    how = {
        "exact": "it answers alike under load, so that answers are compared exactly",
        "first_token": "its answers vary, so that the probabilities of first tokens are tested",
        "texts": "it tells no probabilities, so that sampled texts are tested, which sees only large changes",
    }
    return f"models/{one.model}: {one.requests} answers of {one.replica} are its baseline ({how[one.rung]})"
