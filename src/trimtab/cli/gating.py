"""What a change touches, and the evaluations of it, one task after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import click

from trimtab.assemble.evaluation_plan import Options, changes_of
from trimtab.assemble.evaluation_side import Side
from trimtab.cli.evaluating import Asked, Evaluating
from trimtab.cli.screen import safe
from trimtab.errors import UnknownTask
from trimtab.evals.report import Report
from trimtab.evals.sample import Arm
from trimtab.evals.words import count

MOST_TOLD: Final = 8
AGAIN: Final = "the same command again"


class Gating:
    """The tasks that differ between a base and the candidate; `only` some of them, if any are named.

    Raises `UnknownTask` for a name that neither side has: a word that is misspelt must not ship.
    """

    def __init__(self, evaluating: Evaluating, sides: Mapping[Arm, Side], only: tuple[str, ...] = ()) -> None:
        self._evaluating = evaluating
        self._sides = dict(sides)
        self._base, self._candidate = sides["base"], sides["candidate"]
        self._only = only
        missing = set(only) - self._base.project.tasks.keys() - self._candidate.project.tasks.keys()
        if missing:
            raise UnknownTask(task=min(missing))

    @cached_property
    def changed(self) -> dict[str, tuple[str, ...]]:
        """The tasks of both sides that an entry of the lock touches which differs, with the differences in words."""
        names = self._base.project.tasks.keys() & self._candidate.project.tasks.keys()
        found = {
            name: tuple(one.words for one in changes_of(name, self._base, self._candidate))
            for name in sorted(names)
            if not self._only or name in self._only
        }
        return {name: words for name, words in found.items() if words}

    @property
    def changes(self) -> tuple[str, ...]:
        """The differences, each once."""
        return tuple(dict.fromkeys(words for found in self.changed.values() for words in found))

    @property
    def unevaluated(self) -> tuple[str, ...]:
        """Tasks that changed and have no suite on the base."""
        return tuple(name for name in self.changed if self._base.project.tasks[name].evals is None)

    def found(self) -> Iterator[str]:
        """What changed, in lines."""
        touched, tasks = len(self.changed), count(len(self._base.project.tasks), "task")
        yield f"What changed touches {touched} of {tasks}."
        for words in self.changes[:MOST_TOLD]:
            yield f"  {safe(words)}"
        if len(self.changes) > MOST_TOLD:
            yield f"  and {len(self.changes) - MOST_TOLD} more"
        base, candidate = self._base.project.tasks.keys(), self._candidate.project.tasks.keys()
        for name in sorted(candidate - base):
            yield f"{safe(name)} is new: there is nothing to compare it with."
        for name in sorted(base - candidate):
            yield f"{safe(name)} is gone."

    def reports(self, given: Mapping[str, Any]) -> Iterator[Report]:
        """Evaluates what changed, by the base's suites and cases. Ctrl-C ends all of it."""
        options = Options(
            given["samples"], given["cases"], given["budget"], given["concurrency"], is_early=given["early"]
        )
        for name in self.changed:
            if name in self.unevaluated:
                continue
            named = given["base"], given["samples"], given["cases"], given["early"]
            asked = Asked(name, *named, budget=given["budget"], suite_arm="base")
            prepared = self._evaluating.prepare(asked, self._sides, options)
            prepared = self._evaluating.taken_up(prepared)
            self._evaluating.announce(prepared)
            if given["dry_run"]:
                continue
            report = self._evaluating.carry_out(prepared, asked, AGAIN).report
            if report is None:
                raise click.Abort
            yield report
