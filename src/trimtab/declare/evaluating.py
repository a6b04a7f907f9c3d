"""The nouns of evaluation as they are declared: the `evals` table of a task."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ScorerKind = Literal[
    "exact",
    "normalised",
    "numeric",
    "regex",
    "json",
    "schema",
    "tool_call",
    "contains",
    "cites",
    "python",
    "rubric",
    "pairwise",
    "latency",
    "cost",
]


class Scorer(Struct, frozen=True):
    """What marks an answer, from 0 (wrong) to 1 (right); `latency` in seconds and `cost` in US dollars, less is better.

    `field` is a JSON path in the answer and, unless `expected` names another, in the case's expected answer. `file`,
    `function` and `digest` (sha256 of the file) are a Python scorer's; `model` and `question` those of a judge, and
    `labels` the data set of what people said of answers, with which the judge is corrected. `critical` blocks a
    candidate on which a case turns from always right to always wrong. `margin` is how much worse is still good enough;
    None: the suite's.
    """

    name: str
    kind: ScorerKind
    field: str = ""
    expected: str = ""
    pattern: str = ""
    tolerance: float = 0.0
    relative: bool = False
    tool: str = ""
    arguments: tuple[str, ...] = ()
    file: str = ""
    function: str = ""
    digest: str = ""
    model: str = ""
    question: str = ""
    labels: str = ""
    critical: bool = False
    margin: float | None = None


class Schedule(Struct, frozen=True):
    """Evaluation of the live system: every so many seconds, so many cases of the suite, canaries among them.

    `canaries` names the data set of cases with known answers of which one is asked each time. `false_alarms` is how
    many a month are borne. `calls_a_day` bounds what it asks.
    """

    every_s: float = 3600.0
    cases: int = 20
    canaries: str = ""
    false_alarms: float = 0.5
    calls_a_day: int = 2_000


class Online(Struct, frozen=True):
    """Scoring of real calls: a share of them, chosen by their ids, by the scorers that need no expected answer."""

    sample: float = 0.01
    calls_a_day: int = 1_000


class Evals(Struct, frozen=True):
    """A suite: cases, samples of each, scorers of which the first decides, and what is borne.

    `cases` is the name of a data set (`tasks/NAME/cases` or one of `data/`). `group` is a JSON path in a case that says
    which cases belong together; `slices` are named conditions on a case, each of which is judged by itself as well.
    `guards` are margins of what stands beside the score (`parse_rate`, `tool_validity`, `refusal_rate` in points;
    `length`, `cost`, `latency` as parts), beyond which a candidate is blocked. `alpha` is the probability of a wrong
    verdict, `power` that of a right one where the effect is the margin.
    """

    cases: str = ""
    samples: int = 1
    scorers: tuple[Scorer, ...] = ()
    margin: float = 0.02
    seed: int = 1
    concurrency: int = 16
    group: str = ""
    slices: dict[str, str] = {}
    guards: dict[str, float] = {}
    alpha: float = 0.05
    power: float = 0.8
    budget_usd: float | None = None
    schedule: Schedule | None = None
    online: Online | None = None
