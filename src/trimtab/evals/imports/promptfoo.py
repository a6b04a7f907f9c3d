"""A configuration of promptfoo as a suite: its tests become cases, what it asserts of all of them scorers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from trimtab.errors import ImportRefused
from trimtab.evals.imports.asserting import Assertion, assertions, scorers_of
from trimtab.evals.imports.foreign_tests import load, tests_of
from trimtab.evals.imports.suite import Ids, Imported, Left

MOST_CASES: Final = 100_000
MOST_SAMPLES: Final = 100
MOST_CONCURRENCY: Final = 256
KNOWN: Final = frozenset({"tests", "defaultTest", "evaluateOptions", "description", "$schema", "outputPath"})
"""Keys of a configuration that are taken over, or say nothing of a suite."""
OF_A_TEST: Final = frozenset({"vars", "assert", "description", "metadata"})
_PLACE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class _Test(Struct, frozen=True):
    name: str
    inputs: dict[str, Any]
    asserted: tuple[Assertion, ...]
    metadata: Any = None


def promptfoo(path: Path, judge: str = "") -> Imported:
    """The suite of a `promptfooconfig.yaml` (or .json); `judge` is the model that judges rubrics.

    Files that it names are read if they lie in its folder. Nothing in it is run: assertions that are programs, prompts
    and providers are listed as not taken over. Raises `ImportRefused` for a file that cannot be read as one, and for
    one without tests.
    """
    config = load(path)
    if not isinstance(config, dict):
        raise ImportRefused(file=str(path), detail="it is no table of keys", instead="name a promptfooconfig.yaml")
    left = Left()
    _leave(config, left)
    default = config.get("defaultTest")
    base: Mapping[str, Any] = default if isinstance(default, dict) else {}
    if isinstance(default, str):
        left.add(f"defaultTest, which stands in another file: {default}")
    raw = tests_of(config.get("tests"), path, left)
    tests = list(islice((test for one in raw for test in _expanded(one, base, left)), MOST_CASES + 1))
    if not tests or len(tests) > MOST_CASES:
        detail = f"its tests come to more than {MOST_CASES:,} cases" if tests else "it has no tests"
        raise ImportRefused(file=str(path), detail=detail, instead="give it some" if not tests else "divide it")
    found = scorers_of([one.asserted for one in tests], judge, left)
    options = config.get("evaluateOptions")
    return Imported(
        tuple(_rows(tests, found.expected)),
        found.scorers,
        samples=_whole(options, "repeat", MOST_SAMPLES) or 1,
        concurrency=_whole(options, "maxConcurrency", MOST_CONCURRENCY),
        left=left.words(),
    )


def _leave(config: Mapping[str, Any], left: Left) -> None:
    """Notes the keys that are not taken over."""
    prompts, providers = (config.get(key) for key in ("prompts", "providers"))
    if prompts:
        number = len(prompts) if isinstance(prompts, list) else 1
        left.add(f"prompts ({number}): the task's prompt.md is what is evaluated; write the words there")
    if providers or config.get("targets"):
        left.add("providers: the task's model is what is evaluated; declare it under models in trimtab.toml")
    for key in config:
        if key not in KNOWN and key not in {"prompts", "providers", "targets"}:
            left.add(f"{key}: a suite has no such thing")


def _expanded(test: Mapping[str, Any], base: Mapping[str, Any], left: Left) -> Iterator[_Test]:
    """A test, once for each combination of variables that are lists."""
    for key in test.keys() | base.keys():
        if key not in OF_A_TEST:
            left.add(f"{key} of a test: a suite has no such thing")
    variables = {**_table(base.get("vars")), **_table(test.get("vars"))}
    raw = [*_list(base.get("assert")), *_list(test.get("assert"))]
    lists = {name: values for name, values in variables.items() if isinstance(values, list) and values}
    for chosen in product(*lists.values()):
        inputs = {**variables, **dict(zip(lists, chosen, strict=True))}
        for name, value in inputs.items():
            if isinstance(value, str) and value.startswith("file://"):
                left.add(f"the variable {name} of a test stands in a file, and is taken as its name: {value}")
        asserted = tuple(assertions(_filled(raw, inputs, left), left))
        yield _Test(str(test.get("description") or ""), inputs, asserted, test.get("metadata"))


def _filled(value: Any, inputs: Mapping[str, Any], left: Left) -> Any:
    """What is asserted, with variables in their places; anything else in braces is noted."""
    if isinstance(value, dict):
        return {key: _filled(inner, inputs, left) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, inputs, left) for inner in value]
    if not isinstance(value, str):
        return value
    filled = _PLACE.sub(lambda found: str(inputs.get(found[1], found[0])), value)
    if "{{" in _PLACE.sub("", value) or "{%" in value:
        left.add("an expression in {{ }} or {% %} that is more than the name of a variable")
    return filled


def _rows(tests: Sequence[_Test], expected: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Rows of a data set, each under an id of its own."""
    ids = Ids()
    for number, (one, wanted) in enumerate(zip(tests, expected, strict=True), 1):
        name = " ".join(one.name.split())[:100] or f"test {number}"
        row: dict[str, Any] = {"id": ids.own(name), "inputs": one.inputs}
        if wanted is not None:
            row["expected"] = wanted
        if one.metadata:
            row["meta"] = one.metadata
        yield row


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(options: Any, key: str, most: int) -> int | None:
    value = _table(options).get(key)
    return min(value, most) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
