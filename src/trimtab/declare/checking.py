"""What a step's answer is held against before a run goes on, and what then happens: as frozen structs.

Durations are seconds.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from trimtab.declare.reviewing import Otherwise

OnFailure = Literal["fail", "flag", "repair", "branch", "ask"]
"""What becomes of an answer that does not pass: the step fails; nothing; the model is asked again and told what is
wrong; another task is asked, or `CheckBranched` is raised; a person decides.
"""
Then = Literal["fail", "flag", "branch", "ask"]
CheckKind = Literal["schema", "rule", "agrees", "cited", "judge", "samples", "python"]
FACTS: Final = ("step", "answer", "arguments", "state")
"""What a rule may read: the step's label, its answer (JSON, or text), what it was given, and the run's named values."""
MOST_REPAIRS: Final = 10
MOST_SAMPLES: Final = 32


class Agrees(Struct, frozen=True):
    """The latest answer of another step, by its label, says the same.

    `fields` are pairs of paths, in this answer and in that one.
    """

    step: str
    fields: tuple[tuple[str, str], ...]


class Cited(Struct, frozen=True):
    """What the answer cites stands in what these tools were given or answered in the run.

    `field` is where the citations lie, ids or quoted passages; without it they are what the text has in quotation marks
    and square brackets. Fewer than `least` of them do not pass.
    """

    tools: tuple[str, ...]
    field: str = ""
    least: int = 1


class Judged(Struct, frozen=True):
    """A model says yes to a question about the answer."""

    model: str
    question: str


class Sampled(Struct, frozen=True):
    """Of `count` answers to the same request, this one among them, the share that say the same is at least `agree`.

    `fields` are the paths that are compared; none means the whole answer.
    """

    count: int
    agree: float
    fields: tuple[str, ...] = ()


class Check(Struct, frozen=True, kw_only=True):
    """One check: exactly one of `schema` (JSON Schema as text), `rule` (a condition over `FACTS`), `agrees`, `cited`,
    `judge` and `samples` says what is held.

    `after` is the label of the step whose answers it is about; without it they are those of the task that declares it,
    in whichever run. `task` is that task. After `repairs` answers that a model was asked to mend, `then` holds;
    `branch` is the task that is asked instead. `roles`, `expires_s` and `otherwise` are for the person who is asked.
    """

    name: str
    task: str = ""
    after: str = ""
    schema: str = ""
    rule: str = ""
    agrees: Agrees | None = None
    cited: Cited | None = None
    judge: Judged | None = None
    samples: Sampled | None = None
    on_failure: OnFailure = "fail"
    repairs: int = 1
    then: Then = "fail"
    branch: str = ""
    roles: tuple[str, ...] = ("operator",)
    expires_s: float | None = None
    otherwise: Otherwise = "reject"

    @property
    def kind(self) -> CheckKind:
        """Which of them it is."""
        if self.schema:
            return "schema"
        if self.rule:
            return "rule"
        if self.agrees is not None:
            return "agrees"
        if self.cited is not None:
            return "cited"
        if self.judge is not None:
            return "judge"
        return "samples" if self.samples is not None else "python"
