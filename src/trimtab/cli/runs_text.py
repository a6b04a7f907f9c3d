"""Runs as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from trimtab.cli.fitted import Fitted
from trimtab.console.run_desk import Branch, Compared
from trimtab.journal.alignment import Pair
from trimtab.journal.asks import RunRow
from trimtab.journal.entries import Arrived, Leased, Ordered, State, Tried
from trimtab.journal.steps import Log, Step, change_told, changed_words, changes_used
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, milliseconds, usd, whole
from trimtab.reports.window import clock_text

GOOD, BAD, WARN, QUIET = "green", "red", "yellow", "dim"
STYLES: Final = {
    "completed": GOOD,
    "ok": GOOD,
    "failed": BAD,
    "error": BAD,
    "refused": BAD,
    "parked": WARN,
    "paused": WARN,
    "open": WARN,
}
SHOWN_LINES: Final = 40
MOST_CHANGES: Final = 40
DAY_AND_MINUTE: Final = slice(5, 16)
"""What a narrow list of runs has room for of a time."""
SIGNS: Final = {"same": "=", "moved": "~", "left": "-", "right": "+"}


class Said(NamedTuple):
    """What a step asked and answered, as text; None where it is not kept."""

    asked: str | None
    answered: str | None


def listed_text(rows: Sequence[RunRow], now_ns: int, width: int) -> RenderableType:
    """Runs, one a line."""
    if not rows:
        return Text("No such run.")
    wide = width >= 120
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("run", "state", "task", "started", *(("waits for", "lock") if wide else ())):
        table.add_column(name, no_wrap=True)
    for name in ("steps", "cost USD"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        more = (plain_text(row.waits_for or row.error or NONE, 40), Text(row.lock[:12] or NONE)) if wide else ()
        table.add_row(
            plain_text(row.run),
            Text(row.state, STYLES.get(row.state, "")),
            plain_text(row.task or NONE, 30),
            Text(clock_text(row.started_ns)[slice(None) if wide else DAY_AND_MINUTE]),
            *more,
            Text(whole(row.steps)),
            Text(usd(row.cost_pusd)),
        )
    return Fitted(table)


def run_text(row: RunRow, log: Log, steps: Sequence[Step], left_out: int) -> RenderableType:
    """A run: what it is, and its steps."""
    lines = [Text.assemble((row.run, "bold"), "   ", (row.state, STYLES.get(row.state, "")))]
    unknown = row.state == "parked" and row.waits_for.startswith("step ")
    asks = ", of which nobody knows whether it happened" if unknown else ""
    lines += [plain_text(f"waits for {row.waits_for}{asks}")] if row.waits_for else []
    if log.ended is not None and log.ended.error:
        lines.append(plain_text(": ".join(filter(None, (log.ended.error, log.ended.detail))), 400))
    ended = f"   ended {clock_text(row.ended_ns)}" if row.ended_ns else ""
    lines.append(
        Text(f"started {clock_text(row.started_ns)}{ended}   {whole(row.steps)} steps   {usd(row.cost_pusd)} USD")
    )
    lines += [amplified(row)] if row.asked else []
    named = {
        "task": row.task,
        "name": row.name,
        "through": row.through,
        "lock": row.lock[:12],
        "held by": row.owner,
        "parent": row.parent,
        "fork of": f"{row.fork_of} before entry {row.fork_seq}" if row.fork_of else "",
        "conversation": row.conversation,
        "end user": row.end_user,
    }
    lines.append(_facts(named))
    if log.started is not None and log.started.overrides:
        used = {name: f" ({change_told(*what)})" for name, what in changes_used(log).items()}
        told = {f"with {name}": value + used.get(name, "") for name, value in log.started.overrides.items()}
        lines += [_facts({name: value}) for name, value in told.items()]
    parts: list[RenderableType] = [Text("\n").join(line for line in lines if line.plain), Text()]
    parts.append(_steps(log, steps))
    parts += [Text(f"{whole(left_out)} steps more; --from SEQ and --limit show them", QUIET)] if left_out else []
    parts += [Text(line) for line in _others(log)]
    return Group(*parts)


def amplified(row: RunRow) -> Text:
    """How often what was asked was tried, and what models' servers got of it."""
    told = f"asked {whole(row.asked)}   tried {whole(row.tried)}   {row.tried / row.asked:.2f} tries each"
    more = f"{whole(row.requests)} requests to models   {row.tokens / row.asked:,.0f} tokens a step"
    return Text(f"{told}   {more}", WARN if row.tried >= 2 * row.asked else "")


def _steps(log: Log, steps: Sequence[Step]) -> Table:
    began = min([log.started.at_ns if log.started is not None else 0, *(step.intent.at_ns for step in log.steps[:1])])
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name, right in (("seq", True), ("at s", True), ("step", False), ("state", False), ("took ms", True)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for name, right in (("cost USD", True), ("branch", False), ("found", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for step in steps:
        intent, result = step.intent, step.result
        table.add_row(
            Text(str(step.seq)),
            Text(f"{(intent.at_ns - began) / 1e9:.1f}"),
            plain_text(f"{intent.step} {intent.label or intent.tool}", 40),
            Text(step.state, STYLES.get(step.state, "")),
            Text(milliseconds(step.took_s)),
            Text(usd(result.cost_pusd) if result is not None and result.cost_pusd is not None else NONE),
            plain_text(intent.branch or NONE, 20),
            plain_text(_found(step), 60),
        )
    return table


def _found(step: Step) -> str:
    """What checks, people and retries had to say of a step."""
    told = [f"{one.check} {'passed' if one.passed else 'failed'}" for one in step.checks]
    told += [
        f"review {one.decided.verdict} by {one.decided.by}" if one.decided else "review waits" for one in step.reviews
    ]
    told += changed_words(step)
    if step.result is not None and step.result.tried:
        told.append(f"{len(step.result.tried)} tries")
    if step.result is not None and step.result.error:
        told.append(step.result.error)
    if step.reconciled is not None:
        told.append(f"{step.reconciled.found}, says {step.reconciled.by}")
    return ", ".join(told)


def _others(log: Log) -> Iterator[str]:
    """What else is in the log, in a line each; of what comes often, how often."""
    leases = sum(isinstance(one.entry, Leased) for one in log.others)
    if leases > 1:
        yield f"taken up {'once' if leases == 2 else f'{leases - 1} times'} by another driver"
    states = {one.entry.name for one in log.others if isinstance(one.entry, State)}
    if states:
        yield f"state: {', '.join(sorted(states))[:200]}"
    for one in log.others:
        if isinstance(one.entry, Ordered):
            yield f"{one.entry.order} by {one.entry.by} on {clock_text(one.entry.at_ns)} {one.entry.reason}".rstrip()
        elif isinstance(one.entry, Arrived):
            yield f"event {one.entry.name} on {clock_text(one.entry.at_ns)}"


def step_text(step: Step, said: Said, tries: Sequence[Tried], *, to_the_end: bool) -> RenderableType:
    """One step with what it asked and answered."""
    intent, result = step.intent, step.result
    head = Text.assemble((f"step {step.seq} ", "bold"), (step.state, STYLES.get(step.state, "")))
    named = {
        "kind": intent.step,
        "label": intent.label,
        "tool": intent.tool,
        "effect": intent.effect,
        "key": intent.key,
        "branch": intent.branch,
        "call": intent.call,
        "request": intent.request[:12],
        "occurrence": str(intent.occurrence) if intent.occurrence else "",
        "took": f"{milliseconds(step.took_s)} ms" if result is not None else "",
        "cost": f"{usd(result.cost_pusd)} USD" if result is not None and result.cost_pusd is not None else "",
        "error": result.error if result is not None else "",
    }
    lines = [head, _facts(named)]
    if result is not None and result.detail:
        lines.append(plain_text(result.detail, 400))
    if _found(step):
        lines.append(plain_text(_found(step), 400))
    if step.diverged is not None:
        lines.append(plain_text(f"diverged: {step.diverged.difference}", 400))
    parts = [_body("asked", said.asked, to_the_end)]
    parts += [_body("answered", said.answered, to_the_end)] if step.state != "open" else []
    return Group(Text("\n").join(lines), _tries(tries), *parts)


def told_where(one: Tried) -> str:
    """Where a try went, and as which step where that was an earlier one."""
    return ", ".join(part for part in (one.where, f"as step {one.step}" if one.step else "") if part)


def _tries(tries: Sequence[Tried]) -> RenderableType:
    """The attempt ledger."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name, right in (("try", True), ("by", False), ("ended", False), ("took ms", True), ("cost USD", True)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for name, right in (("tokens", True), ("where", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for number, one in enumerate(tries, 1):
        tokens = (one.input_tokens or 0) + (one.output_tokens or 0)
        table.add_row(
            Text(str(number)),
            Text(one.layer),
            plain_text(one.cause or "under way", 40),
            Text(milliseconds(one.took_s)),
            Text(usd(one.cost_pusd) if one.cost_pusd is not None else NONE),
            Text(whole(tokens) if tokens else NONE),
            plain_text(told_where(one) or NONE, 70),
        )
    return Group(Text(), table)


def _body(name: str, text: str | None, to_the_end: bool) -> Text:
    if text is None:
        return Text(f"\n{name}: not kept", QUIET)
    lines = indented(text).splitlines()
    hidden = 0 if to_the_end else max(0, len(lines) - SHOWN_LINES)
    more = [f"... {hidden} lines more, with --whole"] if hidden else []
    shown = [*lines[: len(lines) - hidden], *more]
    most = 10_000_000 if to_the_end else 2000
    return Text.assemble((f"\n{name}\n", "bold"), Text("\n").join(plain_text(line, most) for line in shown))


def indented(text: str) -> str:
    """JSON laid out for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def tree_text(branch: Branch) -> Tree:
    """A run with those it began, and those that were forked off it."""
    return _grown(Tree(_node(branch.row)), branch)


def _grown(tree: Tree, branch: Branch) -> Tree:
    for child in branch.children:
        _grown(tree.add(_node(child.row)), child)
    for fork in branch.forks:
        tree.add(Text.assemble((f"fork before entry {fork.fork_seq}: ", QUIET), _node(fork)))
    return tree


def _node(row: RunRow) -> Text:
    state = (row.state, STYLES.get(row.state, ""))
    return Text.assemble(plain_text(row.run), " ", state, " ", plain_text(row.task, 40), f" {whole(row.steps)} steps")


def compared_text(found: Compared, *, every: bool) -> RenderableType:
    """Two runs side by side: the first difference that matters, then what else differs."""
    lines: list[Text] = []
    first = found.alignment.first
    lines.append(plain_text(first.told, 1000) if first is not None else Text("Nothing that matters differs.", GOOD))
    lines += [
        plain_text(f"  {one.told('left', 'right')}", 400) for one in (first.at[1:20] if first is not None else ())
    ]
    for one in found.otherwise:
        lines.append(plain_text(f"begun with another {one.fact}: {one.left or NONE}, {one.right or NONE}", 300))
    for name, value in found.overrides.items():
        became = f" ({found.changes[name]})" if name in found.changes else ""
        lines.append(plain_text(f"forked with another {name}: {value}{became}", 400))
    pairs = [pair for pair in found.alignment.pairs if every or pair.how != "same"]
    shown = pairs if every else pairs[:MOST_CHANGES]
    lines.append(Text(f"{whole(found.alignment.same)} of {whole(found.alignment.of)} steps are the same"))
    lines += [_pair(pair) for pair in shown]
    if len(pairs) > len(shown):
        lines.append(Text(f"{whole(len(pairs) - len(shown))} more that differ; --all shows them", QUIET))
    return Text("\n").join(lines)


def _pair(pair: Pair) -> Text:
    sign = SIGNS.get(pair.how, "!")
    left, right = pair.left or NONE, pair.right or NONE
    words = f"{sign} {left!s:>6} {right!s:>6}  {pair.how:<8} {pair.label}"
    return Text.assemble(plain_text(words), style=QUIET if pair.how == "same" else "")


def _facts(named: dict[str, str]) -> Text:
    """Name and value of what is known."""
    pairs = [Text.assemble((f"{name} ", QUIET), plain_text(value)) for name, value in named.items() if value]
    return Text("   ").join(pairs)
