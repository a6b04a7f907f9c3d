"""What happened in this run? When, step by step, at what cost, what was found of it, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.marks import Kind, mark
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.call_facts import Fact
from trimtab.console.pages.calls import call_place
from trimtab.console.pages.runs import desk_of, found, run_place, state_mark, table_of
from trimtab.console.parts import Parts
from trimtab.console.run_drawn import bar, end_of, overview, span_of
from trimtab.console.run_steps import AT_ONCE, ONLY, OneStep, Part, StepLine, line_of, number_of, one_step, part_of
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.declare.changed import SAMPLING_KINDS
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.background import REDRIVE
from trimtab.journal.entries import ENDED, Arrived, Leased, Logged, Ordered, State, Tried
from trimtab.journal.ledger import ledgers
from trimtab.journal.steps import Log, change_told, changed_words, changes_used, without_pause

MOST_OTHERS: Final = 50
MOST_RELATED: Final = 20
MOST_LABELS: Final = 50
KINDS: Final[dict[str, Kind]] = {"ok": "good", "error": "bad", "refused": "bad", "open": "ask", "abandoned": "ask"}
MADE_OF: Final = {
    "sdk": "a driver's steps",
    "gateway": "calls through the gateway",
    "background": "one call, made in the background",
}
STEP_KINDS: Final = ("model", "tool", "step", "check", "timer", "event", "child")
WORDS: Final = {"model": "stream", "tool": "wait", "step": "first", "check": "connect"}
"""Steps that have a colour of their own in the picture."""


class Other(Struct, frozen=True):
    """An entry that is no step: a lease, an order, an event or a state."""

    seq: int
    at_ns: int
    what: str
    detail: str


class RunPage(Struct, frozen=True):
    """A run and a part of its steps: the first of them is number `number` of `of`. `one` is a step with its bodies."""

    run: RunRow
    overrides: dict[str, str]
    number: int
    of: int
    steps: tuple[StepLine, ...]
    one: OneStep | None
    children: tuple[RunRow, ...]
    forks: tuple[RunRow, ...]
    others: tuple[Other, ...]


async def build(asked: Asked, parts: Parts) -> Built[RunPage]:
    """The page."""
    desk, name = desk_of(parts), asked.path["run"]
    row, log = await desk.log(name)
    if not asked.visitor.sees(row.task):
        raise no_run(name)
    children = await found(asked, desk, Find(parent=name, limit=MOST_RELATED))
    forks = await found(asked, desk, Find(fork_of=name, limit=MOST_RELATED))
    seq = number_of(asked, "step")
    one = await one_step(desk, log, seq) if seq else None
    if seq and one is None:
        raise HTTPException(404, f"run {name[:80]} has no step at {seq}; its page lists them")
    log = without_pause(log)
    part = part_of(log, asked)
    began = span_of(log, asked.now_ns)[0]
    tried = ledgers(log)
    lines = tuple(line_of(step, began, tried[step.seq]) for step in part.steps)
    others = tuple(other_of(logged) for logged in log.others[-MOST_OTHERS:])
    started = log.started
    data = RunPage(
        row, started.overrides if started is not None else {}, part.number, part.of, lines, one, children, forks, others
    )
    extra = {
        "summary": summary(asked, row, log),
        "belongings": belongings(asked, row),
        "state": state_mark(row.state),
        "error": log.ended.error if log.ended is not None else "",
        "detail": log.ended.detail if log.ended is not None else "",
        "overview": overview(log, asked.now_ns, part.steps),
        "legend": [(WORDS[kind], kind) for kind in WORDS if any(step.intent.step == kind for step in part.steps)],
        "pager": pager(asked, part),
        "chosen": {key: asked.query.get(key, "") for key in ("kind", "label", "only")},
        "kinds": STEP_KINDS,
        "only": ONLY,
        "run_path": quote(name, safe="/"),
        "one_facts": facts_of(asked, one) if one is not None else (),
        "one_state": mark(KINDS.get(one.step.state, "warn"), one.step.state) if one is not None else "",
        "step_place": {"before": _step_place(asked, one.before), "after": _step_place(asked, one.after)} if one else {},
        "closed": asked.here(step=None),
        "acts": acts_of(asked, row),
        "forks": fork_choices(parts, log),
        "changes": {name: change_told(*what) for name, what in changes_used(log).items()},
    }
    tables = (
        steps_table(asked, part, lines),
        table_of(asked, "children", "Runs that it began", children, "It began none."),
        table_of(asked, "forks", "Forks", forks, "None was forked off it."),
        others_table(asked, others),
        tries_table(one.tries if one is not None else ()),
    )
    return Built(data, tables, title=f"Run {short(name, 40)}", extra=extra)


def no_run(name: str) -> HTTPException:
    """That there is no such run, with what to do."""
    return HTTPException(404, f"there is no run {name[:80]} here, or it is of a task this key does not see")


def acts_of(asked: Asked, row: RunRow) -> dict[str, Any]:
    """What the visitor may do with the run as it stands."""
    if not asked.visitor.may("operator"):
        return {}
    parked = row.waits_for.removeprefix("step ") if row.state == "parked" and row.waits_for != REDRIVE else ""
    orders = [] if row.state in ENDED else (["resume"] if row.state == "paused" else ["pause"]) + ["stop", "cancel"]
    return {
        "orders": orders,
        "reconcile": parked,
        "redrive": row.waits_for == REDRIVE or (row.state == "failed" and row.through == "sdk"),
        "fork": True,
    }


def fork_choices(parts: Parts, log: Log) -> dict[str, Any]:
    """What the form of a fork offers: the models, sampling as tasks declare it, and the labels of steps."""
    labels = dict.fromkeys(step.intent.label for step in log.steps if step.intent.step == "model")
    return {
        "models": tuple(parts.policy().models),
        "sampling": [(kind, kind.partition(".")[2].replace("_", " ")) for kind in SAMPLING_KINDS],
        "labels": tuple(labels)[:MOST_LABELS],
    }


def _step_place(asked: Asked, seq: int) -> str:
    return f"{asked.here(step=seq)}#one" if seq else ""


def pager(asked: Asked, part: Part) -> dict[str, str]:
    """The ways to the steps before and behind; empty where there are none."""
    last = part.number + len(part.steps) - 1
    words = f"{written.exact(part.number)} to {written.exact(last)} of {written.exact(part.of)}"
    return {
        "first": asked.here(at=None, step=None) if part.before else "",
        "before": asked.here(at=part.before, step=None) if part.before else "",
        "after": asked.here(at=part.after, step=None) if part.after else "",
        "last": asked.here(at=99_999_999_999, step=None) if part.after else "",
        "words": words if part.of > AT_ONCE else "",
    }


def summary(asked: Asked, row: RunRow, log: Log) -> tuple[Fact, ...]:
    """What it came to."""
    began, ended = span_of(log, asked.now_ns)
    found = [
        Fact("started", written.when(row.started_ns, asked.zone, asked.now_ns)),
        Fact("took", written.duration((ended - began) / 1e9)),
        Fact("steps", written.exact(row.steps)),
        Fact("cost", written.money(row.cost_pusd)),
    ]
    if row.task:
        found.insert(0, Fact("task", short(row.task, 60), asked.task(row.task)))
    if row.asked:
        found += [
            Fact("tries a step", f"{row.tried / row.asked:.2f}"),
            Fact("requests to models", written.exact(row.requests)),
            Fact("tokens a step", written.exact(round(row.tokens / row.asked))),
        ]
    if row.waits_for:
        found.append(Fact("waits for", short(row.waits_for, 80)))
    if row.owner:
        found.append(Fact("held by", short(row.owner, 60)))
    return tuple(found)


def belongings(asked: Asked, row: RunRow) -> tuple[Fact, ...]:
    """What it belongs to."""
    talk = f"/conversations/{quote(row.conversation, safe='/', errors='replace')}"
    found = [
        Fact("name", row.name),
        Fact("made of", MADE_OF[row.through]),
        Fact("begun by", row.parent, run_place(asked, row.parent)),
        Fact("fork of", row.fork_of and f"{row.fork_of} before entry {row.fork_seq}", run_place(asked, row.fork_of)),
        Fact("conversation", row.conversation, asked.to(talk)),
        Fact("end user", row.end_user, asked.to("/runs", end_user=row.end_user)),
        Fact("lock", row.lock[:12]),
        Fact("calls", "calls of this run", asked.calls(run=row.run)),
    ]
    return tuple(fact for fact in found if fact.value)


def facts_of(asked: Asked, one: OneStep) -> tuple[Fact, ...]:
    """The facts of a step."""
    intent, result = one.step.intent, one.step.result
    found = [
        Fact("kind", intent.step),
        Fact("label", short(intent.label, 80)),
        Fact("tool", short(intent.tool, 80)),
        Fact("effect", intent.effect),
        Fact("key", short(intent.key, 80)),
        Fact("took", written.duration(one.step.took_s) if result is not None else ""),
        Fact("cost", written.money(result.cost_pusd) if result is not None and result.cost_pusd is not None else ""),
        Fact("tokens in", _exact(result.input_tokens if result is not None else None)),
        Fact("tokens out", _exact(result.output_tokens if result is not None else None)),
        Fact("branch", short(intent.branch, 80)),
        Fact("request", written.digest(intent.request)),
        *(Fact("fork", short(words, 200)) for words in changed_words(one.step)),
        Fact("same before it", str(intent.occurrence) if intent.occurrence else ""),
        Fact("call", "its record" if intent.call else "", call_place(asked, intent.call) if intent.call else ""),
    ]
    return tuple(fact for fact in found if fact.value)


def _exact(count: int | None) -> str:
    return written.exact(count) if count is not None else ""


def steps_table(asked: Asked, part: Part, lines: Sequence[StepLine]) -> Table[StepLine]:
    """A part of the steps, each with its bar over the time of this part."""
    by_seq = {step.seq: step for step in part.steps}
    began = min((step.intent.at_ns for step in part.steps), default=0)
    ended = max((end_of(step, asked.now_ns) for step in part.steps), default=1)

    def opens(line: StepLine) -> str:
        return _step_place(asked, line.seq)

    def name(line: StepLine) -> str:
        return line.label or line.tool

    columns: tuple[Column[StepLine], ...] = (
        Column("seq", "seq", lambda line: line.seq, numeric=True, href=opens),
        Column("at", "at", lambda line: line.at_s, lambda line: written.duration(line.at_s), numeric=True),
        Column("bar", "", lambda line: None, lambda line: bar(by_seq[line.seq], began, ended)),
        Column("step", "step", lambda line: line.step),
        Column("label", "label", name, lambda line: shown(short(name(line), 40))),
        Column("state", "state", lambda line: line.state, lambda line: mark(KINDS.get(line.state, "warn"), line.state)),
        Column("took", "took", lambda line: line.took_s, lambda line: written.duration(line.took_s), numeric=True),
        Column("cost", "cost", _usd, lambda line: written.money(line.cost_pusd), numeric=True),
        Column("tries", "tries", lambda line: line.tries or None, numeric=True),
        Column("branch", "branch", lambda line: line.branch, lambda line: shown(short(line.branch, 16))),
        Column("found", "found", lambda line: line.found, lambda line: shown(short(line.found, 60))),
    )
    return Table("steps", "Steps", tuple(replace(one, sortable=False) for one in columns), lines, NO_STEP, opens)


NO_STEP: Final = "No step is like that. Take a filter out, or wait: a run that has just begun has none."


def _usd(line: StepLine | Tried) -> float | None:
    return line.cost_pusd / 1e12 if line.cost_pusd is not None else None


def tries_table(tries: Sequence[Tried]) -> Table[Tried]:
    """The attempt ledger of the step that is shown."""

    def tokens(line: Tried) -> int | None:
        return (line.input_tokens or 0) + (line.output_tokens or 0) or None

    def where(line: Tried) -> str:
        return ", ".join(part for part in (line.where, f"as step {line.step}" if line.step else "") if part)

    columns: tuple[Column[Tried], ...] = (
        Column("layer", "by", lambda line: line.layer),
        Column("cause", "ended", lambda line: line.cause or "under way", lambda line: shown(short(line.cause, 80))),
        Column("took", "took", lambda line: line.took_s, lambda line: written.duration(line.took_s), numeric=True),
        Column("cost", "cost", _usd, lambda line: written.money(line.cost_pusd), numeric=True),
        Column("tokens", "tokens", tokens, numeric=True),
        Column("where", "where", where, lambda line: shown(short(where(line), 80))),
    )
    return Table("tries", "Tries", tuple(replace(one, sortable=False) for one in columns), tries, "It was not tried.")


def others_table(asked: Asked, others: Sequence[Other]) -> Table[Other]:
    """What else is in the log."""
    columns: tuple[Column[Other], ...] = (
        Column(
            "at",
            "at",
            lambda one: written.stamp(one.at_ns),
            lambda one: written.when(one.at_ns, asked.zone, asked.now_ns),
        ),
        Column("seq", "seq", lambda one: one.seq, numeric=True),
        Column("what", "what", lambda one: one.what),
        Column("detail", "detail", lambda one: one.detail, lambda one: shown(short(one.detail, 120))),
    )
    return Table("others", "Besides", columns, others, "Nothing else is in its log.")


def other_of(logged: Logged) -> Other:
    """An entry that is no step, in a line."""
    entry = logged.entry
    match entry:
        case Leased():
            what, detail = "lease", f"{entry.epoch} to {entry.owner}"
        case Ordered():
            what, detail = entry.order, f"by {entry.by}{': ' if entry.reason else ''}{entry.reason}"
        case Arrived():
            what, detail = "event", entry.name
        case State():
            what, detail = "state", f"{entry.name} = {entry.value.inline or entry.value.digest[:12]}"
        case _:
            what, detail = type(entry).__name__.lower(), ""
    return Other(logged.seq, entry.at_ns, what, detail)


PAGE: Final = Page(
    "run",
    "/runs/{run:path}",
    "Run",
    "one run: its steps a hundred at a time, what each asked and answered, and the runs it belongs to",
    RunPage,
    build,
    query=(
        Query("at", "steps from this place in the log on", int),
        Query("step", "the place of a step that is shown with its bodies", int),
        Query("kind", "only steps of this kind"),
        Query("label", "only steps with this label, or of this tool"),
        Query("only", f"only some: {', '.join(ONLY)}"),
    ),
)
