"""Telemetry in this process's memory: for tests, with exact quantiles. It grows without bound."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import msgspec

from trimtab.errors import StoreError
from trimtab.record.events import OK, Attempt, Change, CostLabel, Settled, Usage
from trimtab.store.contract_figures import (
    ANSWER_RESULTS,
    AnswerResult,
    ContractFigures,
    ToolResult,
    is_counted,
    result_of,
    tool_of,
)
from trimtab.store.lock_figures import MAX_KINDS, CallKind, CallKinds, LockUse, PromptUse
from trimtab.store.memory_erasing import ErasingLists
from trimtab.store.memory_searching import SearchLists
from trimtab.store.telemetry import (
    DAY_NS,
    MEASURES,
    MINUTE_NS,
    Batch,
    CallDetail,
    CallFilter,
    CostSum,
    Counts,
    Distribution,
    Figures,
    Measure,
    PromptFigures,
    ReportQuery,
    Sample,
    SampleQuery,
    Work,
)


@dataclass
class Cell:
    """What the roll-up holds of one task and model in one minute."""

    outcomes: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    labels: Counter[CostLabel] = field(default_factory=Counter)
    cost: Counter[CostLabel] = field(default_factory=Counter)
    values: defaultdict[Measure, list[float]] = field(default_factory=lambda: defaultdict(list))
    prefill: Work = field(default_factory=Work)
    decode: Work = field(default_factory=Work)

    def add(self, call: Settled) -> None:
        """Counts one call."""
        usage = call.usage or Usage()
        self.outcomes[call.outcome] += 1
        self.labels[call.cost_label] += 1
        self.cost[call.cost_label] += call.cost_pusd or 0
        for token_class in ("input", "cache_read", "cache_write", "output", "reasoning"):
            self.tokens[token_class] += getattr(usage, token_class)
        measured = _measured(call)
        for measure, value in measured.items():
            self.values[measure].append(value)
        if call.usage is not None and "ttft" in measured:
            self.prefill = _more(self.prefill, usage.input, measured["ttft"])
        if "tpot" in measured and measured.get("output", 0) > 1:
            after_first = int(measured["output"]) - 1
            self.decode = _more(self.decode, after_first, measured["tpot"] * after_first)

    def merge(self, other: Cell) -> None:
        """Takes up another cell."""
        self.outcomes.update(other.outcomes)
        self.tokens.update(other.tokens)
        self.labels.update(other.labels)
        self.cost.update(other.cost)
        for measure, values in other.values.items():
            self.values[measure] += values
        self.prefill = _more(self.prefill, other.prefill.tokens, other.prefill.seconds)
        self.decode = _more(self.decode, other.decode.tokens, other.decode.seconds)


@dataclass
class ContractCell:
    """What the roll-ups of answers and tool calls hold of one task, model and prompt in one minute."""

    calls: int = 0
    answers: Counter[AnswerResult] = field(default_factory=Counter)
    tool_calls: Counter[tuple[str, ToolResult]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, call: Settled) -> None:
        """Counts one call."""
        self.calls += is_counted(call)
        result = result_of(call)
        if result is not None:
            self.answers[result] += 1
        for one in call.tool_outcomes:
            self.tool_calls[tool_of(one), one.outcome] += 1
        self.counts["repairs"] += call.repairs
        self.counts["flagged"] += bool(call.repetition) and not call.repetition_stopped
        self.counts["stopped"] += bool(call.repetition) and call.repetition_stopped
        self.counts["resumed"] += bool(call.seams)
        self.counts["seams"] += len(call.seams)

    def merge(self, other: ContractCell) -> None:
        """Takes up another cell."""
        self.calls += other.calls
        self.answers.update(other.answers)
        self.tool_calls.update(other.tool_calls)
        self.counts.update(other.counts)


class MemoryTelemetry(ErasingLists, SearchLists):
    """The contract `Telemetry` over lists."""

    def __init__(self) -> None:
        super().__init__()
        self._attempts: list[Attempt] = []
        self._changes: list[Change] = []
        self._tokens: set[str] = set()
        self._cells: defaultdict[tuple[int, str, str, str], Cell] = defaultdict(Cell)
        self._contracts: defaultdict[tuple[int, str, str, str, str], ContractCell] = defaultdict(ContractCell)
        self._closed = False

    def __repr__(self) -> str:
        return f"MemoryTelemetry({len(self._calls)} calls)"

    def migrate(self) -> None:
        """Nothing to bring anywhere: memory has no older release."""

    def insert(self, batch: Batch, token: str) -> None:
        """Stores the batch exactly once, however often it is sent whole under the same token."""
        if self._closed:
            raise StoreError(store=repr(self), detail="it is closed")
        if token in self._tokens:
            return
        self._tokens.add(token)
        self._calls += batch.calls
        self._attempts += batch.attempts
        self._changes += batch.changes
        self._take(batch)
        for call in batch.calls:
            minute, task, model, lock = call.at_ns // MINUTE_NS, call.admitted.task, _model(call), call.admitted.lock
            self._cells[minute, task, model, lock].add(call)
            if is_counted(call) or call.tool_outcomes:
                self._contracts[minute, task, model, call.admitted.prompt, lock].add(call)

    def count(self) -> Counts:
        """Counts the lists and, apart from them, what the roll-ups have seen."""
        return Counts(
            calls=len(self._calls),
            attempts=len(self._attempts),
            changes=len(self._changes),
            contracts=sum(map(is_counted, self._calls)),
            tool_calls=sum(len(call.tool_outcomes) for call in self._calls),
            rolled_up=sum(cell.outcomes.total() for cell in self._cells.values()),
            contracts_rolled_up=sum(cell.calls for cell in self._contracts.values()),
            tool_calls_rolled_up=sum(cell.tool_calls.total() for cell in self._contracts.values()),
        )

    def report(self, query: ReportQuery) -> tuple[Figures, ...]:
        """Sums the roll-up over a window, by task and perhaps by model and by lock, in their alphabetical order."""
        merged: defaultdict[tuple[str, str, str], Cell] = defaultdict(Cell)
        for (minute, task, model, lock), cell in self._cells.items():
            if _asked_for(query, minute, task, model):
                merged[task, model if query.by_model else "", lock if query.by_lock else ""].merge(cell)
        return tuple(_figures(*group, cell, query.levels) for group, cell in sorted(merged.items(), key=_first))

    def contracts(self, query: ReportQuery) -> tuple[ContractFigures, ...]:
        """Sums what became of answers and tool calls, by task and perhaps by model, prompt and lock, in that order."""
        merged: defaultdict[tuple[str, str, str, str], ContractCell] = defaultdict(ContractCell)
        for (minute, task, model, prompt, lock), cell in self._contracts.items():
            if _asked_for(query, minute, task, model):
                apart = (model, query.by_model), (prompt, query.by_prompt), (lock, query.by_lock)
                by_model, by_prompt, by_lock = (name if is_apart else "" for name, is_apart in apart)
                merged[task, by_model, by_prompt, by_lock].merge(cell)
        return tuple(_contract(*group, cell) for group, cell in sorted(merged.items(), key=_first))

    def prompts(self, query: ReportQuery) -> tuple[PromptFigures, ...]:
        """Figures by task and prompt, of each task the prompt first that was rendered first; 10,000 at most."""
        found: defaultdict[tuple[str, str], list[Settled]] = defaultdict(list)
        for call in self._calls_of(query):
            if call.admitted.prompt:
                found[call.admitted.task, call.admitted.prompt].append(call)
        prompts = [_of_prompt(*group, calls, query.levels) for group, calls in found.items()]
        return tuple(sorted(prompts, key=lambda one: (one.figures.task, one.first_ns, one.prompt)))[:MAX_KINDS]

    def prompt_uses(self, query: ReportQuery) -> tuple[PromptUse, ...]:
        """When each task's prompts were used, in the order of `prompts`."""
        found: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for call in self._calls_of(query):
            if call.admitted.prompt:
                found[call.admitted.task, call.admitted.prompt].append(call.at_ns)
        uses = (PromptUse(*group, min(ends), max(ends)) for group, ends in found.items())
        return tuple(sorted(uses, key=lambda use: (use.task, use.first_ns, use.prompt)))[:MAX_KINDS]

    def locks(self, query: ReportQuery) -> tuple[LockUse, ...]:
        """The locks that calls of a window were made under, the one first in force first."""
        found: defaultdict[str, list[Settled]] = defaultdict(list)
        for call in self._calls_of(query):
            found[call.admitted.lock].append(call)
        uses = (
            LockUse(
                lock,
                len(calls),
                len({call.admitted.snapshot for call in calls}),
                min(call.at_ns for call in calls),
                max(call.at_ns for call in calls),
            )
            for lock, calls in found.items()
        )
        return tuple(sorted(uses, key=lambda use: (use.first_ns, use.lock)))[:MAX_KINDS]

    def call_kinds(self, query: ReportQuery) -> CallKinds:
        """The calls of a window, grouped by all that a lock pins and a record tells."""
        found: defaultdict[CallKind, list[Settled]] = defaultdict(list)
        for call in self._calls_of(query):
            found[_kind(call)].append(call)
        kinds = [_counted(kind, calls) for kind, calls in found.items()]
        ordered = sorted(kinds, key=lambda kind: (-kind.calls, *_names(kind)))
        return CallKinds(tuple(ordered[:MAX_KINDS]), sum(kind.calls for kind in kinds))

    def _calls_of(self, query: ReportQuery) -> Iterator[Settled]:
        for call in self._calls:
            if _asked_for(query, call.at_ns // MINUTE_NS, call.admitted.task, _model(call)):
                yield call

    def tail(self, wanted: CallFilter) -> tuple[Settled, ...]:
        """The calls that ended last, newest first, without their chunk delays and lengths."""
        found = [
            msgspec.structs.replace(call, chunk_delays_us=b"", chunk_lengths=b"")
            for call in self._calls
            if call.at_ns >= wanted.since_ns
            and _wanted(call.admitted.task, wanted.tasks)
            and wanted.model in ("", _model(call))
            and wanted.outcome in ("", call.outcome)
            and (not wanted.locks or call.admitted.lock.startswith(wanted.locks))
        ]
        found.sort(key=lambda call: (call.at_ns, call.admitted.call), reverse=True)
        return tuple(found[: wanted.limit])

    def sample(self, wanted: SampleQuery) -> Sample:
        """Calls drawn without regard to what they are."""
        found = [
            msgspec.structs.replace(call, chunk_delays_us=b"", chunk_lengths=b"")
            for call in self._calls
            if wanted.since_ns <= call.at_ns < wanted.until_ns and _wanted(call.admitted.task, wanted.tasks)
        ]
        found.sort(key=lambda call: blake2b(f"{wanted.seed} {call.admitted.call}".encode(), digest_size=8).digest())
        return Sample(tuple(found[: wanted.limit]), len(found))

    def call(self, call: str) -> CallDetail | None:
        """One whole call by its id; None if it is not here."""
        for found in self._calls:
            if found.admitted.call == call:
                attempts = [attempt for attempt in self._attempts if attempt.call == call]
                return CallDetail(found, tuple(sorted(attempts, key=lambda attempt: (attempt.number, attempt.at_ns))))
        return None

    def answered_as(self, upstream_id: str, since_ns: int) -> str:
        """The call whose answer bears this id of the model's server."""
        since_ns -= since_ns % MINUTE_NS
        found = [call for call in self._calls if call.upstream_id == upstream_id and call.at_ns >= since_ns]
        return max(found, key=lambda call: call.at_ns).admitted.call if found else ""

    def changes(self, since_ns: int, until_ns: int, limit: int) -> tuple[Change, ...]:
        """What took effect in [since, until), newest first."""
        found = [change for change in self._changes if since_ns <= change.at_ns < until_ns]
        return tuple(sorted(found, key=lambda change: change.at_ns, reverse=True)[:limit])

    def retain(self, since_ns: int) -> None:
        """Drops every whole day (UTC) that ended before `since_ns` from lists and roll-up alike."""
        first_day = since_ns // DAY_NS
        self._calls = [call for call in self._calls if call.at_ns // DAY_NS >= first_day]
        self._attempts = [attempt for attempt in self._attempts if attempt.at_ns // DAY_NS >= first_day]
        self._changes = [change for change in self._changes if change.at_ns // DAY_NS >= first_day]
        self._drop_before(first_day)
        for key in [key for key in self._cells if key[0] // (DAY_NS // MINUTE_NS) < first_day]:
            del self._cells[key]
        for place in [place for place in self._contracts if place[0] // (DAY_NS // MINUTE_NS) < first_day]:
            del self._contracts[place]

    def close(self) -> None:
        """Lets go of the store; no other operation may follow."""
        self._closed = True


def _measured(call: Settled) -> dict[Measure, float]:
    """The measures a call has; what is not finite is not measured."""
    found: dict[Measure, float | None] = {
        "ttft": call.ttft_s,
        "tpot": call.tpot_s,
        "gap": call.longest_gap_s,
        "total": call.total_s if call.outcome == OK else None,
        "output": call.answer_tokens,
    }
    return {measure: value for measure, value in found.items() if value is not None and math.isfinite(value)}


def _figures(task: str, model: str, lock: str, cell: Cell, levels: tuple[float, ...]) -> Figures:
    return Figures(
        task=task,
        model=model,
        lock=lock,
        outcomes=dict(cell.outcomes),
        distributions={measure: _distribution(cell.values[measure], levels) for measure in MEASURES},
        tokens=dict(cell.tokens),
        cost={
            "exact": CostSum(cell.labels["exact"], cell.cost["exact"]),
            "estimated": CostSum(cell.labels["estimated"], cell.cost["estimated"]),
            "unknown": CostSum(cell.labels["unknown"], cell.cost["unknown"]),
        },
        prefill=cell.prefill,
        decode=cell.decode,
    )


def _of_prompt(task: str, prompt: str, calls: list[Settled], levels: tuple[float, ...]) -> PromptFigures:
    cell, answers = Cell(), ContractCell()
    for call in calls:
        cell.add(call)
        answers.add(call)
    return PromptFigures(
        prompt,
        _figures(task, "", "", cell, levels),
        {result: answers.answers[result] for result in ANSWER_RESULTS},
        min(call.at_ns for call in calls),
        max(call.at_ns for call in calls),
    )


def _contract(task: str, model: str, prompt: str, lock: str, cell: ContractCell) -> ContractFigures:
    tool_calls: defaultdict[str, dict[ToolResult, int]] = defaultdict(dict)
    for (tool, outcome), count in cell.tool_calls.items():
        tool_calls[tool][outcome] = count
    answers = {result: cell.answers[result] for result in ANSWER_RESULTS}
    return ContractFigures(task, model, prompt, lock, answers=answers, tool_calls=dict(tool_calls), **cell.counts)


def _distribution(values: list[float], levels: tuple[float, ...]) -> Distribution:
    """The lower empirical quantiles: of n sorted values the one at place floor(level * (n - 1))."""
    ordered = sorted(values)
    return Distribution(len(ordered), tuple(ordered[int(level * (len(ordered) - 1))] for level in levels if ordered))


def _more(work: Work, tokens: int, seconds: float) -> Work:
    return Work(work.tokens + tokens, work.seconds + seconds)


def _kind(call: Settled) -> CallKind:
    """What a call is, without any count."""
    admitted, context = call.admitted, call.admitted.context
    return CallKind(
        task=admitted.task,
        lock=admitted.lock,
        prompt=admitted.prompt,
        served_by=call.model,
        upstream_model=call.upstream_model,
        system_fingerprint=call.system_fingerprint,
        schema=admitted.schema,
        context_strategy=context.strategy if context else "",
        context_digest=context.digest if context else "",
        calls=0,
    )


def _names(kind: CallKind) -> tuple[str, ...]:
    return tuple(value for value in vars(kind).values() if isinstance(value, str))


def _counted(kind: CallKind, calls: list[Settled]) -> CallKind:
    contexts = [call.admitted.context for call in calls if call.admitted.context]
    return replace(
        kind,
        calls=len(calls),
        looked_at=len(contexts),
        shortened=sum(context.dropped > 0 for context in contexts),
        messages=sum(context.messages for context in contexts),
        dropped=sum(context.dropped for context in contexts),
        tokens=sum(context.tokens for context in contexts),
        dropped_tokens=sum(context.dropped_tokens for context in contexts),
        first_ns=min(call.at_ns for call in calls),
        last_ns=max(call.at_ns for call in calls),
    )


def _asked_for(query: ReportQuery, minute: int, task: str, model: str) -> bool:
    first, end = query.since_ns // MINUTE_NS, -(-query.until_ns // MINUTE_NS)
    return first <= minute < end and _wanted(task, query.tasks) and query.model in ("", model)


def _first(found: tuple[tuple[str, ...], object]) -> tuple[str, ...]:
    return found[0]


def _wanted(task: str, tasks: tuple[str, ...]) -> bool:
    return not tasks or task in tasks


def _model(call: Settled) -> str:
    return call.model or call.admitted.model
