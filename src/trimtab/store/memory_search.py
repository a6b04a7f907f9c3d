"""Searching over lists: what the operations of `searching` mean, said in Python."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from trimtab.record.events import OK, Score, Settled, Usage
from trimtab.store.conversations import MAX_TASKS, ConversationLine, ConversationPage, ConversationQuery
from trimtab.store.histograms import of_values
from trimtab.store.search import (
    CallMeasure,
    CallOrder,
    CallPage,
    CallSearch,
    Cursor,
    Example,
    Range,
    ReadingMatch,
    brief_of,
)
from trimtab.store.spend import OTHER, Spend, SpendDimension, SpendQuery
from trimtab.store.texts import CallText
from trimtab.store.undeclared import EXAMPLES, MAX_CLUSTERS, UNDECLARED_TASK, Cluster, Undeclared
from trimtab.store.windows import HOUR_NS, Hour, within

BAD_VERDICTS: Final = ("invalid", "truncated", "refused")
TOKEN_CLASSES: Final = ("input", "cache_read", "cache_write", "output", "reasoning")
MEASURE_OF: Final[Mapping[CallMeasure, Callable[[Settled], float | None]]] = {
    "total": lambda call: call.total_s,
    "ttft": lambda call: call.ttft_s,
    "tpot": lambda call: call.tpot_s,
    "gap": lambda call: call.longest_gap_s,
    "output": lambda call: call.answer_tokens,
    "input": lambda call: None if call.usage is None else _input(call.usage),
    "cost": lambda call: call.cost_pusd,
    "attempts": lambda call: call.attempts,
    "repairs": lambda call: call.repairs,
}
FIGURE_OF: Final[Mapping[CallOrder, CallMeasure]] = {
    "slowest": "total",
    "slowest_first_token": "ttft",
    "dearest": "cost",
    "longest": "output",
}


def _model(call: Settled) -> str:
    return call.model or call.admitted.model


DIMENSION_OF: Final[Mapping[SpendDimension, Callable[[Settled], str]]] = {
    "task": lambda call: call.admitted.task,
    "model": _model,
    "key": lambda call: call.admitted.key,
    "owner": lambda call: call.admitted.owner,
    "prompt": lambda call: call.admitted.prompt,
    "lock": lambda call: call.admitted.lock,
    "environment": lambda call: call.admitted.environment,
    "conversation": lambda call: call.admitted.conversation,
    "end_user": lambda call: call.admitted.end_user,
}


def search(
    calls: Sequence[Settled], texts: Mapping[str, CallText], wanted: CallSearch, reading: ReadingMatch | None = None
) -> CallPage:
    """A page of the calls that are wanted."""
    cursor = wanted.cursor
    until_ns = wanted.until_ns
    if cursor is not None and wanted.order == "newest":
        until_ns = min(until_ns, cursor.at_ns + 1)
    hours, whole = within(_hours(calls, wanted, until_ns), wanted.budget)
    looked_back_ns = wanted.since_ns if whole else max(wanted.since_ns, hours[-1].hour * HOUR_NS)
    found = [
        (_figure(call, wanted.order), call.at_ns, call.admitted.call, call)
        for call in calls
        if looked_back_ns <= call.at_ns < until_ns
        and _is_wanted(call, wanted)
        and _is_said(texts.get(call.admitted.call), wanted.text, reading)
    ]
    found = [one for one in found if math.isfinite(one[0])]
    if cursor is not None:
        found = [one for one in found if one[:3] < (cursor.figure, cursor.at_ns, cursor.call)]
    found.sort(key=lambda one: one[:3], reverse=True)
    after = ""
    if len(found) > wanted.limit:
        after = Cursor(wanted.order, *found[wanted.limit - 1][:3]).text()
    elif wanted.order == "newest" and looked_back_ns > wanted.since_ns:
        after = Cursor("newest", 0.0, looked_back_ns, "").text()
    shown = brief_of if wanted.brief else _without_chunks
    return CallPage(tuple(shown(call) for *_, call in found[: wanted.limit]), after, looked_back_ns)


def _without_chunks(call: Settled) -> Settled:
    return msgspec.structs.replace(call, chunk_delays_us=b"", chunk_lengths=b"")


def example(call: Settled, text: CallText | None) -> Example:
    """A call as few fields."""
    admitted = call.admitted
    return Example(
        call=admitted.call,
        at_ns=call.at_ns,
        task=admitted.task,
        model=_model(call),
        replica=call.replica,
        prompt=admitted.prompt,
        lock=admitted.lock,
        outcome=call.outcome,
        verdict=call.verdict,
        finish_reason=call.finish_reason,
        failing=call.failing,
        detail=call.detail,
        total_s=call.total_s,
        ttft_s=call.ttft_s,
        output_tokens=call.answer_tokens or 0,
        cost_pusd=call.cost_pusd,
        excerpt=text.answered if text else "",
    )


def conversations(calls: Iterable[Settled], scores: Sequence[Score], query: ConversationQuery) -> ConversationPage:
    """A page of conversations."""
    first, end = query.since_ns // HOUR_NS, -(-query.until_ns // HOUR_NS)
    found: defaultdict[str, list[Settled]] = defaultdict(list)
    for call in calls:
        admitted = call.admitted
        is_wanted = (not query.tasks or admitted.task in query.tasks) and query.end_user in ("", admitted.end_user)
        if admitted.conversation and first <= call.at_ns // HOUR_NS < end and is_wanted:
            found[admitted.conversation].append(call)
    placed: list[tuple[float, int, str]] = [
        (_size(query, of_one), max(call.at_ns for call in of_one), name) for name, of_one in found.items()
    ]
    if query.cursor is not None:
        placed = [place for place in placed if place < query.cursor[1:]]
    placed.sort(reverse=True)
    after = Cursor(query.order, *placed[query.limit - 1]).text() if len(placed) > query.limit else ""
    return ConversationPage(tuple(line(found[name], scores) for *_, name in placed[: query.limit]), after)


def line(calls: Sequence[Settled], scores: Sequence[Score]) -> ConversationLine:
    """The calls of one conversation, summed."""
    conversation = calls[0].admitted.conversation
    failed = [(call.at_ns, call.outcome) for call in calls if call.outcome != OK]
    said = [
        (score.at_ns, score.value)
        for score in scores
        if score.conversation == conversation and score.name == "completion" and score.value is not None
    ]
    cost: Counter[str] = Counter()
    for call in calls:
        cost[call.cost_label] += call.cost_pusd or 0
    return ConversationLine(
        conversation=conversation,
        end_user=max(call.admitted.end_user for call in calls),
        tasks=tuple(sorted({call.admitted.task for call in calls})[:MAX_TASKS]),
        first_ns=min(call.at_ns for call in calls),
        last_ns=max(call.at_ns for call in calls),
        calls=len(calls),
        failed=len(failed),
        invalid=sum(call.verdict in BAD_VERDICTS for call in calls),
        worst=max(failed)[1] if failed else OK,
        tokens=_tokens(calls),
        cost=dict(cost),  # type: ignore[arg-type]  # labels of calls are labels
        completed=max(said)[1] >= 0.5 if said else None,
    )


def spend(calls: Iterable[Settled], query: SpendQuery) -> tuple[Spend, ...]:
    """Tokens and cost, by step and then the dearest first."""
    first, end = query.since_ns // HOUR_NS, -(-query.until_ns // HOUR_NS)
    by_values: defaultdict[tuple[str, ...], list[Settled]] = defaultdict(list)
    for call in calls:
        if first <= call.at_ns // HOUR_NS < end and _is_paid_by(call, query):
            by_values[tuple(DIMENSION_OF[name](call) for name in query.by)].append(call)
    whole = query.ordered(_spent(0, values, of_one) for values, of_one in by_values.items())
    top = {row.values for row in whole[: query.top]}
    step_ns = query.step_s * 10**9
    cells: defaultdict[tuple[int, tuple[str, ...]], list[Settled]] = defaultdict(list)
    for values, of_one in by_values.items():
        shown = values if values in top else (OTHER,) * len(values)
        for call in of_one:
            hour_ns = call.at_ns // HOUR_NS * HOUR_NS
            cells[hour_ns // step_ns * step_ns if step_ns else first * HOUR_NS, shown].append(call)
    return query.ordered(_spent(at_ns, values, of_one) for (at_ns, values), of_one in cells.items())


def undeclared(calls: Iterable[Settled], since_ns: int, until_ns: int) -> Undeclared:
    """The undeclared calls of whole hours by system prompt and tools."""
    first, end = since_ns // HOUR_NS, -(-until_ns // HOUR_NS)
    found: defaultdict[tuple[str, str], list[Settled]] = defaultdict(list)
    for call in calls:
        if call.admitted.task == UNDECLARED_TASK and first <= call.at_ns // HOUR_NS < end:
            found[call.admitted.system_prompt, call.admitted.tools].append(call)
    clusters = sorted((_cluster(*group, of_one) for group, of_one in found.items()), key=_by_size)
    return Undeclared(tuple(clusters[:MAX_CLUSTERS]), sum(cluster.calls for cluster in clusters))


def _hours(calls: Iterable[Settled], wanted: CallSearch, until_ns: int) -> list[Hour]:
    """The hours in which the tasks and models that are wanted had calls, with all calls that ended in them."""
    first, end = wanted.since_ns // HOUR_NS, -(-until_ns // HOUR_NS)
    held: Counter[int] = Counter()
    looked_at = set()
    for call in calls:
        hour = call.at_ns // HOUR_NS
        if first <= hour < end:
            held[hour] += 1
            if _in(call.admitted.task, wanted.tasks) and _in(_model(call), wanted.models):
                looked_at.add(hour)
    return [Hour(hour, held[hour]) for hour in looked_at]


def _is_wanted(call: Settled, wanted: CallSearch) -> bool:
    return _has_names(call, wanted) and _has_marks(call, wanted) and all(_lies(call, one) for one in wanted.ranges)


def _has_names(call: Settled, wanted: CallSearch) -> bool:
    admitted = call.admitted
    among = (
        (admitted.task, wanted.tasks),
        (_model(call), wanted.models),
        (call.replica, wanted.replicas),
        (call.outcome, wanted.outcomes),
        (call.verdict, wanted.verdicts),
        (call.finish_reason, wanted.finish_reasons),
        (admitted.environment, wanted.environments),
        (admitted.key, wanted.keys),
    )
    same = (
        (admitted.run, wanted.run),
        (admitted.conversation, wanted.conversation),
        (admitted.end_user, wanted.end_user),
        (admitted.system_prompt, wanted.system_prompt),
        (admitted.tools, wanted.tools),
    )
    begun = ((admitted.prompt, wanted.prompts), (admitted.lock, wanted.locks))
    return (
        all(_in(value, values) for value, values in among)
        and all(asked in ("", value) for value, asked in same)
        and all(not values or value.startswith(values) for value, values in begun)
    )


def _has_marks(call: Settled, wanted: CallSearch) -> bool:
    is_failing = call.outcome != OK or call.verdict in BAD_VERDICTS
    marks = (
        (wanted.failing, is_failing),
        (wanted.bad_tool_call, any(one.outcome != "valid" for one in call.tool_outcomes)),
        (wanted.tool_error, any(one.error for one in call.tool_results)),
        (wanted.retried, call.attempts > 1),
        (wanted.tool != "", any(one.tool == wanted.tool for one in call.tool_outcomes)),
    )
    return all(has for is_asked, has in marks if is_asked)


def _lies(call: Settled, wanted: Range) -> bool:
    value = MEASURE_OF[wanted.measure](call)
    least = -math.inf if wanted.least is None else wanted.least
    most = math.inf if wanted.most is None else wanted.most
    return value is not None and least <= value <= most


def _is_said(text: CallText | None, wanted: str, reading: ReadingMatch | None) -> bool:
    if text is None:
        return not wanted and reading is None
    if wanted.lower() not in f"{text.asked.lower()}\n{text.answered.lower()}":
        return False
    if reading is None:
        return True
    if reading.least is None and reading.most is None:
        return text.categories.get(reading.field) == reading.value
    number = text.numbers.get(reading.field, math.nan)
    least = -math.inf if reading.least is None else reading.least
    return least <= number <= (math.inf if reading.most is None else reading.most)


def _figure(call: Settled, order: CallOrder) -> float:
    if order == "newest":
        return 0.0
    value = MEASURE_OF[FIGURE_OF[order]](call)
    return math.nan if value is None else float(value)


def _size(query: ConversationQuery, calls: Sequence[Settled]) -> float:
    match query.order:
        case "dearest":
            return float(sum(call.cost_pusd or 0 for call in calls))
        case "longest":
            return float(len(calls))
    return 0.0


def _is_paid_by(call: Settled, query: SpendQuery) -> bool:
    admitted = call.admitted
    return _in(admitted.task, query.tasks) and _in(_model(call), query.models) and _in(admitted.key, query.keys)


def _spent(at_ns: int, values: tuple[str, ...], calls: Sequence[Settled]) -> Spend:
    cost: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for call in calls:
        cost[call.cost_label] += call.cost_pusd or 0
        labelled[call.cost_label] += 1
    sums = {"cost": dict(cost), "labelled": dict(labelled)}
    return Spend(at_ns, values, len(calls), _tokens(calls), **sums)  # type: ignore[arg-type]  # as above


def _cluster(system_prompt: str, tools: str, calls: Sequence[Settled]) -> Cluster:
    newest = sorted(calls, key=lambda call: (-call.at_ns, call.admitted.call))
    admitted = [call.admitted for call in calls]
    usages = [call.usage or Usage() for call in calls]
    spreads = {
        "output": of_values(call.answer_tokens or 0 for call in calls),
        "input": of_values(map(_input, usages)),
        "total": of_values(1e6 * (call.total_s or 0) for call in calls if call.outcome == OK),
        "ttft": of_values(1e6 * (call.ttft_s or 0) for call in calls),
        "tpot": of_values(1e6 * (call.tpot_s or 0) for call in calls),
        "gap": of_values(1e6 * (call.longest_gap_s or 0) for call in calls),
    }
    return Cluster(
        system_prompt=system_prompt,
        tools=tools,
        calls=len(calls),
        first_ns=newest[-1].at_ns,
        last_ns=newest[0].at_ns,
        streamed=sum(one.stream for one in admitted),
        with_tool_calls=sum(call.tool_calls > 0 for call in calls),
        largest_output=max(call.answer_tokens or 0 for call in calls),
        keys=dict(Counter(one.key for one in admitted)),
        asked=dict(Counter(one.model for one in admitted)),
        surfaces=dict(Counter(one.surface for one in admitted)),
        outcomes=dict(Counter(call.outcome for call in calls)),
        finish_reasons=dict(Counter(call.finish_reason for call in calls if call.finish_reason)),
        limits=dict(Counter(one.max_output_tokens or 0 for one in admitted)),
        schemas=dict(Counter(one.schema for one in admitted if one.schema)),
        spreads={name: spread for name, spread in spreads.items() if spread},
        examples=tuple(call.admitted.call for call in newest[:EXAMPLES]),
    )


def _by_size(cluster: Cluster) -> tuple[int, str, str]:
    return -cluster.calls, cluster.system_prompt, cluster.tools


def _tokens(calls: Iterable[Settled]) -> dict[str, int]:
    usages = [call.usage or Usage() for call in calls]
    return {name: sum(getattr(usage, name) for usage in usages) for name in TOKEN_CLASSES}


def _input(usage: Usage) -> int:
    return usage.input + usage.cache_read + usage.cache_write


def _in(value: str, values: tuple[str, ...]) -> bool:
    return not values or value in values
