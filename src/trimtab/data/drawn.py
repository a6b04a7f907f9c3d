"""Cases drawn from recorded calls: which calls, spread over strata, and what of each was kept."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.data.cases import case
from trimtab.data.filters import FIELDS, Condition
from trimtab.data.rows import Row, read_row
from trimtab.data.spoken import Asked, Unfit, answered, asked
from trimtab.record.events import Settled
from trimtab.record.redact import scrub

MOST_CASE_BYTES: Final = 1 << 20
"""A call with a larger request or answer gives no case."""
MOST_BYTES: Final = 64 << 20
"""Of all cases of one draw together."""
MOST_CASES: Final = 10_000
DEFAULT_WINDOW: Final = "7d"
STRATA: Final = ("length", "script", *sorted(FIELDS))
"""What calls can be stratified by: a field, the size of the request by powers of four, or the letters it is written in.
"""
READ_FOR_SCRIPT: Final = 10
"""For each case wanted, so many requests are read to tell which letters there are."""
LETTERS: Final = 400

Read = Callable[[str], bytes | None]
"""The bytes of a body by its digest."""


class Drawn(Struct, frozen=True):
    """Cases as lines of JSON, and how they came about: calls in the window, those looked at, those that kept all
    conditions, and those passed over for what was not kept. `full` is False where room ran out before calls did.
    """

    cases: tuple[str, ...]
    in_window: int
    looked_at: int
    matching: int
    passed_over: dict[str, int]
    strata: dict[str, int]
    full: bool = True


def draw(
    pool: Sequence[Settled], in_window: int, where: Sequence[Condition], by: str, sample: int, read: Read
) -> Drawn:
    """At most `sample` cases of a pool in random order; over the strata of `by` as evenly as these allow."""
    matching = [call for call in pool if all(condition.holds(call) for condition in where)]
    once = _Reader(read)
    if by == "script":
        named = [(script_of(once.line(call)), call) for call in matching[: READ_FOR_SCRIPT * sample]]
    else:
        named = [(stratum_of(call, by), call) for call in matching]
    cases: list[str] = []
    passed: Counter[str] = Counter()
    strata: Counter[str] = Counter()
    size, full = 0, True
    for stratum, call in _in_turn(named):
        if len(cases) == sample:
            break
        line = once.line(call)
        if not line.startswith("{"):
            passed[line] += 1
            continue
        size += len(line)
        if size > MOST_BYTES:
            full = False
            break
        cases.append(line)
        strata[stratum] += 1
    return Drawn(tuple(cases), in_window, len(pool), len(matching), dict(passed), dict(strata) if by else {}, full)


def corrected(found: Drawn, right: Mapping[str, str], read: Read) -> Drawn:
    """Cases with the answer that people said would have been right as `expected`; those without are passed over."""
    cases, passed = [], Counter(found.passed_over)
    for line in found.cases:
        row = json.loads(line)
        body = read(right.get(row["call"], "")) if right.get(row["call"]) else None
        if body is None or len(body) > MOST_CASE_BYTES:
            passed["not_kept" if body is None else "too_large"] += 1
            continue
        told = _line(row | {"expected": _as_json(body.decode("utf-8", "replace"))})
        if told.startswith("{"):
            cases.append(told)
        else:
            passed[told] += 1
    return replace(found, cases=tuple(cases), passed_over=dict(passed))


class _Reader:
    """Reads each call once: its case as a line, or why it gives none. At most `MOST_BYTES` of lines are remembered."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._lines: dict[str, str] = {}
        self._room = MOST_BYTES

    def line(self, call: Settled) -> str:
        name = call.admitted.call
        if name in self._lines:
            return self._lines[name]
        line = line_of(call, self._read)
        if len(line) <= self._room:
            self._room -= len(line)
            self._lines[name] = line
        return line


def _in_turn(named: Sequence[tuple[str, Settled]]) -> Iterator[tuple[str, Settled]]:
    """The calls, one of each stratum in turn."""
    strata: dict[str, list[Settled]] = defaultdict(list)
    for name, call in named:
        strata[name].append(call)
    waiting = [(name, iter(strata[name])) for name in sorted(strata)]
    while waiting:
        left = []
        for name, each in waiting:
            for call in each:
                yield name, call
                left.append((name, each))
                break
        waiting = left


def script_of(line: str) -> str:
    """The letters that most of a case is written in, by the first word of their Unicode names: latin, cyrillic, cjk."""
    if not line.startswith("{"):
        return "(not known)"
    said = "".join(case(json.loads(line)).words)[:LETTERS]
    counts = Counter(unicodedata.name(letter, "other").partition(" ")[0] for letter in said if letter.isalpha())
    return counts.most_common(1)[0][0].lower() if counts else "(none)"


def stratum_of(call: Settled, by: str) -> str:
    """What a call is stratified by, as a word."""
    if not by:
        return ""
    if by == "length":
        size, power = max(1, call.admitted.request_bytes), 1
        while power * 4 <= size:
            power *= 4
        return f"{power} to {4 * power - 1} bytes"
    found = FIELDS[by](call)
    return "(not known)" if found is None else str(found)


def line_of(call: Settled, read: Read) -> str:
    """A call as a case on a line, without what looks like a key or a password; else, in a word, why it gives none."""
    found = case_of(call, read)
    return found if isinstance(found, str) else _line(found)


def case_of(call: Settled, read: Read) -> dict[str, Any] | Unfit:
    """A call as a case, the answer as `observed`: what it is that it should be is for a person to say.

    Only what the task's redaction kept is there to be read; where that is not the whole request, there is no case.
    """
    admitted = call.admitted
    request = asked(read(admitted.request_body) if admitted.request_body else None, MOST_CASE_BYTES)
    if not isinstance(request, Asked):
        return request
    observed = answered(read(call.response_body) if call.response_body else None, MOST_CASE_BYTES)
    if call.verdict == "valid" and isinstance(observed, str):
        observed = _as_json(observed)
    found: dict[str, Any] = {"call": admitted.call}
    if request.inputs is not None:
        found["inputs"] = request.inputs
    if request.messages:
        found["messages"] = list(request.messages)
    if observed is not None:
        found["observed"] = observed
    at = datetime.fromtimestamp(call.at_ns // 1_000_000_000, UTC).isoformat()
    told = {
        "task": admitted.task,
        "at": at,
        "model": call.model or admitted.model,
        "outcome": call.outcome,
        "verdict": call.verdict,
        "prompt": admitted.prompt,
        "lock": admitted.lock,
    }
    found["meta"] = {key: value for key, value in told.items() if value}
    return found


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _line(found: dict[str, Any]) -> str:
    """A case as a line that `read_row` takes, without what looks like a key or a password; else why there is none."""
    try:
        line = json.dumps(_scrubbed(found), ensure_ascii=False, allow_nan=False)
        return line if isinstance(read_row(line.encode(), 1), Row) else "not_read"
    except (ValueError, RecursionError):
        return "not_read"


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_scrubbed(one) for one in value]
    return {key: _scrubbed(one) for key, one in value.items()} if isinstance(value, dict) else value
