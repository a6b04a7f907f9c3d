"""What is marked of a call itself: whether its answer keeps the schema, how long it took and what it cost."""

from __future__ import annotations

from trimtab.contracts.faults import Fault
from trimtab.contracts.validate import Validator
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.marking import Unscorable, Wrong


class Schema:
    """1 where the answer keeps the schema of the suite's own side, to which both arms are held.

    Without one, what the gateway made of the arm's own contract counts.
    """

    def __init__(self, schema: str | None) -> None:
        self._validator = Validator(schema) if schema is not None else None

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        if answer.tool_calls and not answer.text.strip():
            raise Unscorable("the answer calls tools")
        if self._validator is None:
            if not answer.verdict:
                raise Unscorable("the task has no schema")
            return float(answer.verdict == "valid")
        checked = self._validator.check(answer.text)
        if checked.faults:
            raise Wrong(_told(checked.faults[0]))
        return 1.0


def _told(fault: Fault) -> str:
    return f"{fault.path or 'the answer'} {fault.message}"


def latency(case: Case, answer: Answer) -> float:
    """Seconds to the end of the answer, repairs and all attempts included."""
    return _known(answer.total_s, "how long it took")


def cost(case: Case, answer: Answer) -> float:
    """US dollars over all attempts."""
    return _known(answer.cost_usd, "what it cost")


def _known(value: float | None, what: str) -> float:
    if value is None:
        raise Unscorable(f"it is not known {what}")
    return value
