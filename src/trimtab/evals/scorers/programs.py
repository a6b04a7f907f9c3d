"""Scorers that run in a child process: regular expressions, and functions of the project's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from trimtab.clock import Clock
from trimtab.declare.evaluating import Scorer
from trimtab.errors import EvaluationRefused
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Mark
from trimtab.evals.scorers.child import Child, Limits
from trimtab.evals.scorers.marking import Unscorable, Wrong, check, cut, said, text_of

PATTERN: Final = Limits(seconds=2.0, memory=1 << 30)
FUNCTION: Final = Limits(seconds=10.0)
MOST_SOURCE: Final = 1 << 20
"""Bytes of a scorer's file."""


class Regex:
    """1 where the pattern is found anywhere in the answer, or in a field of it.

    It is searched for in another process, since a pattern may take for ever on a text that was made for it: after 2 s
    the answer counts as one that could not be marked.
    """

    def __init__(self, scorer: Scorer, clock: Clock) -> None:
        self._scorer = scorer
        self._child = Child({"kind": "pattern", "pattern": scorer.pattern}, PATTERN, clock)

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        return float(bool(self._child.ask(text_of(said(answer, self._scorer.field)))))

    def close(self) -> None:
        """Ends the process."""
        self._child.close()


class Function:
    """What a function of the project says of an answer: a number from 0 to 1, or None where it cannot tell.

    `source` is the file as it was held against its digest; just that is run.
    """

    def __init__(self, scorer: Scorer, source: str, clock: Clock, limits: Limits = FUNCTION) -> None:
        self.name = scorer.name
        orders = {"kind": "function", "file": scorer.file, "source": source, "function": scorer.function}
        self._child = Child(orders, limits, clock)

    def mark(self, case: Case, answer: Answer) -> Mark:
        """The mark; what the function raises, and what is no mark, is told as a reason."""
        try:
            check(answer)
            return self._as_mark(self._child.ask({"case": _plain(case), "answer": _plain(answer)}))
        except Wrong as wrong:
            return Mark(self.name, 0.0, cut(str(wrong)))
        except Unscorable as unknown:
            return Mark(self.name, None, cut(str(unknown)))

    def _as_mark(self, told: Any) -> Mark:
        value, why = told if isinstance(told, list) and len(told) == 2 else (None, "it returned no mark")
        why = cut(str(why))
        if value is None:
            return Mark(self.name, None, why or "the function could not tell")
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            return Mark(self.name, None, f"the function returned {value}, which is not from 0 to 1")
        return Mark(self.name, float(value), why)

    def close(self) -> None:
        """Ends the process."""
        self._child.close()


def _plain(value: Case | Answer) -> dict[str, Any]:
    """All fields, those that say nothing too."""
    return {name: msgspec.to_builtins(getattr(value, name)) for name in value.__struct_fields__}


def source_of(scorer: Scorer, root: Path, task: str) -> str:
    """The file of a function, as its digest says it is. Raises `EvaluationRefused`."""
    path = root / scorer.file
    try:
        with path.open("rb") as file:
            content = file.read(MOST_SOURCE + 1)
        text = content.decode("utf-8")
    except OSError as failure:
        raise _refused(task, scorer, f"cannot be read ({failure.strerror})") from None
    except UnicodeDecodeError:
        raise _refused(task, scorer, "is not UTF-8; save it so") from None
    if len(content) > MOST_SOURCE:
        raise _refused(task, scorer, f"is over {MOST_SOURCE >> 20} MiB; make it smaller")
    if hashlib.sha256(content).hexdigest() != scorer.digest.removeprefix("sha256:"):
        raise _refused(task, scorer, "changed since the suite was read; begin again")
    return text


def _refused(task: str, scorer: Scorer, what: str) -> EvaluationRefused:
    return EvaluationRefused(task=task, detail=f"the file {scorer.file} of the scorer {scorer.name} {what}")
