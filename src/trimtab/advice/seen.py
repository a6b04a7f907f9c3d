"""What was seen of calls that belong to no task: the facts that a proposal is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import Struct

from trimtab.store.histograms import Histogram, quantile, size

ID_CHARACTERS: Final = 12


class Levels(Struct, frozen=True):
    """Quantiles of `n` values; None where there is none."""

    n: int
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> Levels:
        """Those of a histogram."""
        return cls(size(histogram), *(quantile(histogram, level) for level in (0.5, 0.95, 0.99)))


class ClusterShown(Struct, frozen=True):
    """Undeclared calls with the same system prompt and the same tools.

    `begins` is the beginning of the system prompt and `tool_names` the tools, where bodies are kept. `spreads` are
    those of `store.undeclared`: tokens and microseconds. `cost_pusd` is what all its calls came to, estimated from
    the mean of the `priced` latest ones; None where none of these has a cost. `task` is the task that such calls belong
    to by now, empty for none.
    """

    id: str
    system_prompt: str
    tools: str
    calls: int
    first_ns: int
    last_ns: int
    streamed: int
    keys: dict[str, int]
    asked: dict[str, int]
    surfaces: dict[str, int]
    outcomes: dict[str, int]
    spreads: dict[str, Levels]
    examples: tuple[str, ...]
    begins: str = ""
    tool_names: tuple[str, ...] = ()
    cost_pusd: float | None = None
    priced: int = 0
    task: str = ""

    @property
    def is_estimated(self) -> bool:
        """Whether the cost stands for calls whose own cost was not looked at, or is not known."""
        return self.priced < self.calls


class UndeclaredShown(Struct, frozen=True):
    """The clusters of [since, until), whole hours in ns since 1970, those with most calls first.

    `calls` counts all undeclared calls, `redaction` is what is kept of the bodies of such calls.
    """

    since_ns: int
    until_ns: int
    calls: int
    redaction: str
    clusters: tuple[ClusterShown, ...]


class ProposedFile(Struct, frozen=True):
    """A file to be written, by its path in the project."""

    path: str
    text: str


class Proposal(Struct, frozen=True):
    """A task as it could be declared. `left_out` says what could not be proposed, and how to get it."""

    cluster: str
    task: str
    calls: int
    since_ns: int
    until_ns: int
    files: tuple[ProposedFile, ...]
    left_out: tuple[str, ...] = ()


class ClusterDetail(Struct, frozen=True):
    """A cluster with the histograms of its spreads, and what is proposed of it, or why nothing is (`refused`)."""

    since_ns: int
    until_ns: int
    redaction: str
    cluster: ClusterShown
    histograms: dict[str, dict[int, int]]
    proposal: Proposal | None = None
    refused: str = ""


class SeenTool(Struct, frozen=True):
    """A tool that came with requests: its schema as JSON."""

    name: str
    description: str
    input_schema: dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """The texts of answers that were read: `read` of them, `values` those that are JSON objects or arrays."""

    read: int = 0
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What is known of a cluster beside its figures, and of the project it would be declared in.

    `models` tells, for each name that was asked for, the project's model. `taken` are the names of tasks and models.
    `claimed_keys` belong to a task already; `shared_keys` are also those of other undeclared calls. `siblings` counts
    other clusters with the same system prompt. `task` is the one that such calls belong to by now. `complete` is the
    histogram of the tokens of those of the latest calls whose answers were not cut. `bodies` counts the calls whose
    bodies were read; `schemas` how many of them asked for answers by a schema, each schema as JSON text.
    """

    since_ns: int
    until_ns: int
    models: Mapping[str, str]
    taken: frozenset[str]
    redaction: str
    attempts: int
    claimed_keys: frozenset[str] = frozenset()
    shared_keys: frozenset[str] = frozenset()
    siblings: int = 0
    task: str = ""
    system_prompt: str = ""
    complete: Histogram = field(default_factory=dict)
    bodies: int = 0
    schemas: Mapping[str, int] = field(default_factory=dict)
    answers: Answers = Answers()
    tools: tuple[SeenTool, ...] = ()


def cluster_id(system_prompt: str, tools: str) -> str:
    """The name of a cluster: 12 hexadecimal digits of a digest of what it is told apart by."""
    return hashlib.sha256(f"{system_prompt}\n{tools}".encode()).hexdigest()[:ID_CHARACTERS]
