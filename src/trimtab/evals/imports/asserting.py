"""What another tool asserts of answers, as scorers of a suite and as what its cases expect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.declare.evaluating import Scorer, ScorerKind
from trimtab.evals.imports.suite import Left

COMPARING: Final[Mapping[str, ScorerKind]] = {
    "equals": "exact",
    "contains": "contains",
    "contains-all": "contains",
    "llm-rubric": "rubric",
}
"""Assertions whose value is what a case expects; a rubric where a model is named that judges."""
PATTERNS: Final[Mapping[str, Callable[[str], str]]] = {
    "equals": lambda text: rf"\A{re.escape(text)}\Z",
    "icontains": lambda text: f"(?i){re.escape(text)}",
    "starts-with": lambda text: rf"\A{re.escape(text)}",
    "regex": str,
}
"""Assertions that are regular expressions where every test has the same."""
JSON: Final = frozenset({"is-json", "contains-json"})
MOST_SCORERS: Final = 32
RUBRICS: Final = frozenset({"llm-rubric", "model-graded-closedqa", "g-eval"})
NO_JUDGE: Final = "llm-rubric: name the model that judges with --judge MODEL"
AMOUNTS: Final = ("cost", "latency")
PROGRAMS: Final = frozenset({"javascript", "python", "ruby", "webhook"})


class Assertion(Struct, frozen=True):
    """One thing that is asserted of an answer: `key` is the same for assertions that say the same."""

    kind: str
    value: Any
    key: bytes


class Scored(Struct, frozen=True):
    """The scorers of a suite, and what each case expects (None: nothing)."""

    scorers: tuple[Scorer, ...]
    expected: tuple[Any, ...]


def assertions(raw: Any, left: Left) -> Iterator[Assertion]:
    """The assertions of a test, those of sets among them; what is no assertion is noted."""
    for one in raw if isinstance(raw, list) else []:
        if not isinstance(one, dict) or not isinstance(one.get("type"), str):
            left.add("an assertion without a type")
        elif one["type"] == "assert-set":
            left.add("assert-set: its assertions are taken one by one, each with the same weight")
            yield from assertions(one.get("assert"), left)
        else:
            if one.get("weight", 1) != 1:
                left.add(f"the weight of {one['type']}: the first scorer decides, and the others may veto")
            value = one.get("value")
            yield Assertion(one["type"], value, msgspec.json.encode([one["type"], value], order="sorted"))


def scorers_of(tests: Sequence[Sequence[Assertion]], judge: str, left: Left) -> Scored:
    """Scorers for what is asserted of the tests.

    What compares with a value of the test's own becomes what the case expects. What has the same value in every test
    becomes a scorer with that value. The kind that most tests have comes first.
    """
    shared = _shared(tests)
    comparing = {kind for kind in COMPARING if judge or kind not in RUBRICS}
    compared = Counter(one.kind for test in tests for one in test if one.kind in comparing and one.key not in shared)
    kinds = [kind for kind, _ in compared.most_common()]
    scorers = [_comparing(kind, judge, alone=len(kinds) == 1) for kind in kinds]
    told: set[bytes] = set()
    for one in (one for test in tests for one in test):
        if one.kind in kinds and one.key not in shared:
            continue
        if one.key not in told:
            told.add(one.key)
            if one.key not in shared and one.kind not in AMOUNTS:
                _own(one, judge, left)
            elif (scorer := _constant(one, judge, left)) is not None and scorer not in scorers:
                scorers.append(scorer)
    if len(scorers) > MOST_SCORERS:
        left.add(f"{len(scorers) - MOST_SCORERS} scorers: a suite has {MOST_SCORERS} at most")
    expected = tuple(_expected(test, kinds, shared, left) for test in tests)
    return Scored(_named(scorers[:MOST_SCORERS]), expected)


def _shared(tests: Sequence[Sequence[Assertion]]) -> set[bytes]:
    """What every test asserts; of one test alone nothing is known to be shared but what needs no value."""
    if len(tests) < 2:
        return {one.key for test in tests for one in test if one.kind not in COMPARING}
    return set.intersection(*({one.key for one in test} for test in tests))


def _comparing(kind: str, judge: str, *, alone: bool) -> Scorer:
    if kind not in RUBRICS:
        return Scorer(name=kind, kind=COMPARING[kind], expected="" if alone else f'["{kind}"]')
    what = "what is expected" if alone else f'what is expected under "{kind}"'
    return Scorer(name=kind, kind="rubric", model=judge, question=f"Does the answer do {what}?")


def _expected(test: Sequence[Assertion], kinds: Sequence[str], shared: set[bytes], left: Left) -> Any:
    own: dict[str, Any] = {}
    for one in test:
        if one.kind not in kinds or one.key in shared:
            continue
        if one.kind in own:
            left.add(f"a second {one.kind} of one test: the first is taken")
        else:
            own[one.kind] = one.value
    return (own.get(kinds[0]) if len(kinds) == 1 else own or None) if kinds else None


def _constant(one: Assertion, judge: str, left: Left) -> Scorer | None:
    """A scorer for what is asserted of every test in the same words."""
    if one.kind in RUBRICS:
        return _rubric(one.value, judge, left)
    if one.kind in AMOUNTS:
        left.add(f"the threshold of {one.kind}: it is compared with the base instead; set evals.guards.{one.kind}")
        return Scorer(name=one.kind, kind="cost" if one.kind == "cost" else "latency")
    if one.kind in JSON:
        if one.value is not None:
            left.add(f"the schema of {one.kind}: write it as the task's output schema, to which `schema` holds answers")
        return Scorer(name="schema", kind="schema")
    if not isinstance(one.value, str) or one.kind not in {"contains", *PATTERNS}:
        _not_taken(one, left)
        return None
    if one.kind == "contains":
        return Scorer(name="contains", kind="contains", pattern=one.value)
    pattern = PATTERNS[one.kind](one.value)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        left.add("a regex that Python does not read")
        return None
    return Scorer(name=one.kind, kind="regex", pattern=pattern)


def _rubric(text: Any, judge: str, left: Left) -> Scorer | None:
    if not judge:
        left.add(NO_JUDGE)
        return None
    if not isinstance(text, str) or not text or text.startswith("file://"):
        left.add("llm-rubric without a text of its own")
        return None
    return Scorer(name="rubric", kind="rubric", model=judge, question=text)


def _own(one: Assertion, judge: str, left: Left) -> None:
    """What some tests assert and others do not, other than by a value that is expected: scorers mark every case."""
    if one.kind in RUBRICS and not judge:
        left.add(NO_JUDGE)
    elif one.kind in {*RUBRICS, *JSON, *PATTERNS}:
        left.add(f"{one.kind} of single tests: scorers mark every case; write a Python scorer that reads `expected`")
    else:
        _not_taken(one, left)


def _not_taken(one: Assertion, left: Left) -> None:
    if one.kind.removeprefix("not-") in PROGRAMS:
        left.add(f"{one.kind}: a program is not run; write it as a Python scorer (docs/scorers.md)")
    else:
        left.add(f"{one.kind}: there is no scorer that does the same")


def _named(scorers: Sequence[Scorer]) -> tuple[Scorer, ...]:
    """With names of their own: the second of one name is `NAME-2`."""
    seen: Counter[str] = Counter()
    found = []
    for one in scorers:
        seen[one.name] += 1
        found.append(one if seen[one.name] == 1 else msgspec.structs.replace(one, name=f"{one.name}-{seen[one.name]}"))
    return tuple(found)
