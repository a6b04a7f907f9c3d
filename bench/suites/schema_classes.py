"""What `classify` says of 395 schemas, against what vLLM does with them.

First the grammars in process, for every backend: texts near the valid instances that must not be accepted, and answers
found by walking the grammar at random. Then a vLLM that runs, as `auto` and as `guidance`, with answers at a high
temperature. Native must never give an invalid answer, validated must be refused; a weakness that did not show is
unconfirmed. `auto` is asked for a plain schema first, so that it compiles with xgrammar as most servers do.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable

from bench.options import Options
from bench.report import Result
from tests.contracts.schemas.corpus import Case, corpus
from tests.engine.schema_behaviour import MODEL, Behaviour, Server, compare, predicted, probe
from tests.engine.vllm_server import running_vllm
from trimtab.contracts.classify import Grammar

WALKS = 40
MUTANTS = 200
ANSWERS = 6
AT_ONCE = 6
SERVED = "classes"
PLAIN = Case(
    "plain",
    "plain",
    {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False},
    [{"a": True}],
    [{}],
)
SERVERS: dict[Grammar, tuple[str, ...]] = {
    "auto": (),
    "guidance": ("--structured-outputs-config", json.dumps({"backend": "guidance"})),
}


class Tally:
    """Agreement of one way of asking, by grammar."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.outcomes: Counter[tuple[Grammar, str]] = Counter()
        self.finished: Counter[Grammar] = Counter()
        self.apart: list[str] = []

    def take(self, case: Case, grammar: Grammar, seen: Behaviour) -> None:
        """One schema under one grammar."""
        said = predicted(case, grammar)
        outcome = compare(said, seen)
        self.outcomes[grammar, outcome] += 1
        self.outcomes[grammar, seen.seen] += 1
        self.finished[grammar] += seen.finished
        if outcome != "agrees":
            example = seen.refused[:80] or "; ".join(seen.broken[:1])[:80]
            self.apart.append(
                f"{self.way}, {grammar}: {outcome}: {case.id} is {said.kind}, the engine {seen.seen} {example}"
            )

    def report(self, result: Result) -> None:
        """Disagreements must be none; the rest is told."""
        for grammar in sorted(self.finished):
            counted = {what: self.outcomes[grammar, what] for what in ("keeps", "weakens", "refuses")}
            result.equal(
                f"{self.way}, {grammar}: disagreements", self.outcomes[grammar, "disagrees"], 0, n=sum(counted.values())
            )
            result.tell_value(
                f"{self.way}, {grammar}: weaknesses that did not show", self.outcomes[grammar, "unconfirmed"]
            )
            result.raw[f"{self.way}, {grammar}"] = {**counted, "answers judged": self.finished[grammar]}
        result.remarks += sorted(self.apart)


def run(options: Options, result: Result) -> None:
    """In process, then against servers."""
    cases = corpus()[:: options.size(1, 8)]
    grammars = Tally("in process")
    for case, seen in probe(cases, options.size(WALKS, 3), options.size(MUTANTS, 20), options.seed):
        for grammar, behaviour in seen.items():
            grammars.take(case, grammar, behaviour)
    grammars.report(result)
    served = Tally("vLLM")
    for grammar, flags in SERVERS.items():
        options.tell(f"schema_classes: a vLLM with {grammar}")
        with running_vllm(MODEL, SERVED, flags) as vllm:
            asyncio.run(
                ask(vllm.url, grammar, cases, range(options.seed, options.seed + options.size(ANSWERS, 2)), served)
            )
    served.report(result)
    result.raw["schemas"] = len(cases)


async def ask(url: str, grammar: Grammar, cases: Iterable[Case], seeds: range, tally: Tally) -> None:
    """Every schema at one server, a few at once."""
    waiting = list(cases)
    async with Server(url, SERVED) as server:
        await server.behaviour(PLAIN, seeds)
        while waiting:
            group, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            found = await asyncio.gather(*(server.behaviour(case, seeds) for case in group))
            for case, behaviour in zip(group, found, strict=True):
                tally.take(case, grammar, behaviour)
