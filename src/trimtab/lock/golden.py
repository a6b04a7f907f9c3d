"""A tool's answer held against the one that is known: all of it, or its shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from trimtab.contracts.shapes import field_path, parse, shape_of_value
from trimtab.declare.project import Golden
from trimtab.lock.shape_classes import Known, LearnedShape, ShapeChange, compare, is_field, of_answer

SHOWN: Final = 80
MAX_TOLD: Final = 5
"""Values that differ and are told."""


def answer_changes(golden: Golden, answer: Any, learned: LearnedShape | None = None) -> tuple[str, ...]:
    """What is another than in the known answer, in words; empty where nothing is.

    Fields that are known to be optional from the `learned` shape may come and go.
    """
    known = json.loads(golden.answer)
    if golden.compare == "exact":
        return tuple(islice(_differing(known, answer, "$"), MAX_TOLD))
    return tuple(map(str, shape_changes(known, answer, learned)))


def shape_changes(known: Any, answer: Any, learned: LearnedShape | None = None) -> tuple[ShapeChange, ...]:
    """How the shape of an answer differs from that of a known one."""
    before = of_answer(parse(shape_of_value(known)))
    if learned is not None:
        before = LearnedShape(1, _widened(before.paths, learned.paths))
    return compare(before, parse(shape_of_value(answer)))


def _widened(paths: Mapping[str, Known], learned: Mapping[str, Known]) -> dict[str, Known]:
    """What one answer shows, with the types and optional fields that other answers have shown."""
    found = {path: known if not is_field(path) else Known(known.types, False) for path, known in learned.items()}
    for path, known in paths.items():
        more = learned.get(path)
        found[path] = known if more is None else Known(known.types | more.types, known.always and more.always)
    return found


def _differing(known: Any, answer: Any, path: str) -> Iterator[str]:
    """Where two JSON values differ; 1 and 1.0 do not, true and 1 do."""
    if isinstance(known, dict) and isinstance(answer, dict):
        for key in [*known, *(key for key in answer if key not in known)]:
            inner = field_path(path, key)
            if key not in answer:
                yield f"{inner} is lost, it was {_shown(known[key])}"
            elif key not in known:
                yield f"{inner} is new: {_shown(answer[key])}"
            else:
                yield from _differing(known[key], answer[key], inner)
    elif isinstance(known, list) and isinstance(answer, list) and len(known) == len(answer):
        for place, (one, other) in enumerate(zip(known, answer, strict=True)):
            yield from _differing(one, other, f"{path}[{place}]")
    elif isinstance(known, bool) != isinstance(answer, bool) or known != answer:
        yield f"{path} is {_shown(answer)}, it was {_shown(known)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
