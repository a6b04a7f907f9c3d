"""What is found about an alert when it opens: figures before and after, what changed about then, the worst calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from trimtab.policy.watch import AlertRule
from trimtab.record.events import Change
from trimtab.record.purposes import EVALUATION, apart, served
from trimtab.signals.alerts.alert import Measured, WhatChanged
from trimtab.signals.alerts.lenses import DEAD_LETTERS
from trimtab.signals.alerts.monitors import Place
from trimtab.signals.alerts.taking import Wanted, source_of, take, wanted
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Figure
from trimtab.signals.measuring import Taken, measure
from trimtab.statistics.intervals import wilson
from trimtab.store.readings import ReadingCounts, ReadingQuery
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.search import CallSearch, Example, ReadingMatch
from trimtab.store.slices import Dimension, Slice, SliceQuery
from trimtab.store.telemetry import MINUTE_NS

DAY: Final = 1440
LONGEST: Final = 7 * DAY
"""Minutes after which a change began that figures and calls are looked for at most."""
EARLIER: Final = 120
LATER: Final = 30
"""Minutes before and after the likely change within which other changes are looked for."""
TOLD: Final = 8
MOST_CHANGES: Final = 500
WORST: Final = 5
RISEN: Final = 0.2
"""By how much of the calls a prompt, lock, model or replica must have become commoner to be named."""
KINDS: Final = ("lock", "snapshot")
RESTARTED: Final = "replica_restarted"
OF_REPLICAS: Final = ("model_identity", RESTARTED)
"""Changes of what serves a model, which their subject names first; they count for the tasks that it serves."""
OF_TOOLS: Final = "tool_"
"""Changes of the record that may explain an alert; others say what became of processes and edits."""
START: Final = "start"
"""By whom a change was made that tells what was in force when the host started."""
TOLD_BY: Final[tuple[Dimension, ...]] = ("prompt", "lock", "model", "replica")


class Told(Protocol):
    """What is read from telemetry."""

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task, one further dimension and step."""

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """What was read of bodies, by field."""

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Judgements on calls, by name."""

    def changes(self, since_ns: int, until_ns: int, limit: int) -> tuple[Change, ...]:
        """What took effect in [since, until), newest first."""

    def examples(self, wanted: CallSearch, reading: ReadingMatch | None = None) -> tuple[Example, ...]:
        """The first calls of an order."""


class Question(NamedTuple):
    """What is asked about: a place and its rule, the category that changed, the minutes of the change and of now, and
    the models that serve the task. `worst` are calls that are known already to show it.
    """

    place: Place
    rule: AlertRule
    what: str
    direction: str
    began: int
    now: int
    models: tuple[str, ...] = ()
    worst: tuple[str, ...] = ()


class Found(NamedTuple):
    """What was found; `before` and `after` are None where the figure cannot be told."""

    before: Measured | None
    after: Measured | None
    causes: tuple[WhatChanged, ...]
    worst: tuple[str, ...]


def look(telemetry: Told, asked: Question) -> Found:
    """Looks for all of it; raises `StoreError`."""
    began = max(asked.began, asked.now - LONGEST)
    if asked.rule.signal == EVALUATION:
        return Found(None, None, _first(_causes_of_evaluation(telemetry, asked, began), began), asked.worst)
    before, after = (
        _measured(telemetry, asked, since, until) for since, until in ((began - DAY, began), (began, asked.now))
    )
    causes = (*_recorded(telemetry, asked, began), *_risen(telemetry, asked, began))
    return Found(before, after, _first(causes, began), _worst(telemetry, asked, began))


def _causes_of_evaluation(telemetry: Told, asked: Question, began: int) -> Iterable[WhatChanged]:
    """What was recorded, and what the evaluation's own calls show, which there are also while users make none."""
    place = Place(apart(EVALUATION, asked.place.task), asked.place.rule)
    yield from _recorded(telemetry, asked, began)
    yield from _risen(telemetry, asked._replace(place=place), began)


def window_figure(telemetry: Told, asked: Question) -> Measured | None:
    """The figure of a rule on a limit over its own window, up to now."""
    return _measured(telemetry, asked, asked.now - round(asked.rule.window_s / 60), asked.now)


def _measured(telemetry: Told, asked: Question, since: int, until: int) -> Measured | None:
    place, rule = asked.place, asked.rule
    only = place.value if rule.by != "task" else ""
    read: Wanted = wanted([rule])
    minutes = until - since
    if minutes <= 0:
        return None
    window = since * MINUTE_NS, until * MINUTE_NS, (place.task,)
    match source_of(rule):
        case "slices":
            query = SliceQuery(*window, by=rule.by, only=only, spreads=read.spreads, facts=read.facts)
            found: Iterable[Taken] = (Taken(minutes * 60, one) for one in telemetry.slices(query))
        case "scores":
            scores = telemetry.scores(ScoreQuery(*window, by=rule.by, only=only))
            found = [Taken(minutes * 60, scores=scores)] if scores else []
        case _:
            rows = take(telemetry, read, since, until, minutes * 60, (place.task,))
            found = (row.taken for row in rows.of("readings", rule.by, place.task) if row.value == place.value)
    return next((told for one in found if (told := measured(rule, one, place.field, asked.what)) is not None), None)


def measured(rule: AlertRule, taken: Taken, field: str, what: str) -> Measured | None:
    """The figure that a rule is about, as it is told to people; None where there is nothing to tell."""
    if rule.signal == DEAD_LETTERS:
        return None
    signal = BY_NAME[rule.signal]
    fields = {field} if field or signal.scored is not None else None
    for figure in measure(signal, taken, bins=False):
        if fields is None or figure.field in fields:
            return _told(figure, rule, what)
    return None


def _told(figure: Figure, rule: AlertRule, what: str) -> Measured | None:
    if figure.kind == "shares":
        part = next((part for part in figure.parts if part.name == what), None)
        if part is None:
            low, high = wilson(0, figure.n)
            return Measured(0.0, figure.n, low, high)
        return Measured(part.share, figure.n, part.low, part.high)
    if rule.quantile is not None:
        at = next((one for one in figure.quantiles if abs(one.level - rule.quantile) < 1e-9), None)
        if at is not None and at.value is not None:
            return Measured(at.value, figure.n, at.low, at.high)
    return Measured(figure.value, figure.n, figure.low, figure.high) if figure.value is not None else None


def _recorded(telemetry: Told, asked: Question, began: int) -> Iterable[WhatChanged]:
    """The changes of the record about the time at which it began."""
    since, until = began - EARLIER, min(asked.now + 1, began + LATER)
    found = [
        one
        for one in telemetry.changes(since * MINUTE_NS, until * MINUTE_NS, MOST_CHANGES)
        if _concerns(one, asked.models) and one.before != one.after and not _is_start(one)
    ]
    locks = [one.at_ns for one in found if one.kind == "lock"]
    for one in found:
        if one.kind == "snapshot" and any(abs(one.at_ns - at_ns) < MINUTE_NS for at_ns in locks):
            continue
        sides = ("", "") if one.kind == RESTARTED else (one.before, one.after)
        yield WhatChanged(one.kind, one.subject, one.at_ns, *sides, _about(one.detail, asked.place.task))


def _concerns(one: Change, models: Sequence[str]) -> bool:
    """Whether a change may explain an alert on calls of these models."""
    if one.kind in OF_REPLICAS:
        return not models or one.subject.partition(" ")[0] in models
    return one.kind in KINDS or one.kind.startswith(OF_TOOLS)


def _is_start(one: Change) -> bool:
    """Whether it only says what was in force when the host started: nothing changed then."""
    return one.by == START and not one.before


def _about(detail: str, task: str) -> str:
    """The lines of a change that speak of a task, or the first ones."""
    lines = detail.splitlines()
    mine = [line for line in lines if task and re.search(rf"(?<![\w-]){re.escape(task)}(?![\w-])", line)]
    return "\n".join((mine or lines)[:5])


def _risen(telemetry: Told, asked: Question, began: int) -> Iterable[WhatChanged]:
    """The prompt, lock, model and replica that most of the calls have since then, and did not have before."""
    for dimension in TOLD_BY:
        before = _shares(telemetry, asked.place.task, dimension, began - DAY, began - 1)
        after = _shares(telemetry, asked.place.task, dimension, began, asked.now)
        if not before or not after:
            continue
        risen = {value: share - before.get(value, 0.0) for value, share in after.items()}
        value = max(sorted(risen), key=risen.__getitem__)
        if risen[value] >= RISEN:
            usual = max(sorted(before), key=before.__getitem__)
            if usual != value:
                task = served(asked.place.task)
                yield WhatChanged(dimension, task, began * MINUTE_NS, usual, value, share=after[value])


def _shares(telemetry: Told, task: str, by: Dimension, since: int, until: int) -> Mapping[str, float]:
    if until <= since:
        return {}
    query = SliceQuery(since * MINUTE_NS, until * MINUTE_NS, (task,), by, spreads=(), facts=())
    counts = {one.value: one.calls for one in telemetry.slices(query)}
    total = sum(counts.values())
    return {value: count / total for value, count in counts.items()} if total else {}


def _first(causes: Iterable[WhatChanged], began: int) -> tuple[WhatChanged, ...]:
    """The likeliest causes first: what this task's calls show, then what was recorded, by how close in time."""
    at_ns = began * MINUTE_NS

    def order(one: WhatChanged) -> tuple[bool, int]:
        return one.share is None, abs(one.at_ns - at_ns)

    return joined(sorted(causes, key=order))


def _worst(telemetry: Told, asked: Question, began: int) -> tuple[str, ...]:
    wanted, reading = _search(asked, began)
    return tuple(one.call for one in telemetry.examples(wanted, reading))


def _search(asked: Question, began: int) -> tuple[CallSearch, ReadingMatch | None]:
    """Which calls show best what an alert tells of."""
    place, rule = asked.place, asked.rule
    base = {"since_ns": began * MINUTE_NS, "until_ns": asked.now * MINUTE_NS, "tasks": (place.task,), "limit": WORST}
    base |= {f"{rule.by}s": (place.value,)} if rule.by != "task" and place.value else {}
    reading = None
    if rule.signal in {"predictions", "inputs"} and asked.what and not asked.what.startswith("("):
        reading = ReadingMatch(place.field, asked.what)
    return CallSearch(**base, **_narrowed(rule, asked.what)), reading  # type: ignore[arg-type]  # fields by name


def _narrowed(rule: AlertRule, what: str) -> Mapping[str, object]:
    narrowed: Mapping[str, Mapping[str, object]] = {
        "parse_rate": {"verdicts": ("invalid", "truncated", "refused")},
        "parse_rate_after_repair": {"verdicts": ("invalid", "truncated", "refused")},
        "repair_share": {"verdicts": ("invalid", "valid")},
        "tool_validity": {"bad_tool_call": True},
        "tool_outcomes": {"bad_tool_call": True},
        "tool_error_rate": {"tool_error": True},
        "tools_chosen": {"tool": what},
        "refusal_rate": {"verdicts": ("refused",)},
        "cut_share": {"finish_reasons": ("length", "max_tokens", "max_output_tokens")},
        "finish_reasons": {"finish_reasons": (what,)},
        "outcomes": {"outcomes": (what,)},
        "retry_share": {"retried": True},
        "fallback_share": {"retried": True},
        "amplification": {"retried": True},
        "ttft": {"order": "slowest_first_token"},
        "tpot": {"order": "slowest"},
        "longest_gap": {"order": "slowest"},
        "total": {"order": "slowest"},
        "output_length": {"order": "longest"},
        "cost_per_call": {"order": "dearest"},
        "availability": {"failing": True},
        "error_rate": {"failing": True},
        "deadline_share": {"failing": True},
        DEAD_LETTERS: {"failing": True},
    }
    return narrowed.get(rule.signal, {})


def joined(*causes: Sequence[WhatChanged]) -> tuple[WhatChanged, ...]:
    """Causes of several alerts, each once: a lock that calls show and the record tells of is one, with both."""
    found: dict[tuple[str, str, str], WhatChanged] = {}
    for one in (one for some in causes for one in some):
        key = (one.kind, "" if one.kind == "lock" else one.subject, one.after)
        known = found.setdefault(key, one)
        if one.words and not known.words:
            found[key] = replace(known, subject=one.subject, at_ns=one.at_ns, words=one.words)
    return tuple(found.values())[:TOLD]
