"""`trimtab status`: who runs, what the replicas are doing, and whether records arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.answers import answers
from trimtab.cli.dead_text import causes_text
from trimtab.cli.engines import engines_table
from trimtab.cli.fitted import Fitted
from trimtab.cli.screen import PROJECT, next_verb, safe, say, say_json
from trimtab.gateway.board_view import BoardView, Enforces
from trimtab.policy.agreement import told
from trimtab.processes.announce import REMEDY
from trimtab.processes.identity import ReplicaIdentity
from trimtab.processes.inforce import Drift
from trimtab.processes.keeper_watch import KeeperView
from trimtab.processes.status import Status, TelemetryState
from trimtab.reports.numbers import NONE, three_digits, whole
from trimtab.reports.window import clock_text

GOOD, BAD, QUIET = "green", "red", "dim"
BREAKER = {"closed": GOOD, "half_open": "yellow", "open": BAD}
IDENTITY = {
    "unknown": (NONE, QUIET),
    "same": ("as locked", GOOD),
    "suspected": ("! suspected", "yellow"),
    "changed": ("! changed", BAD),
}
NOTHING_RUNS = 3


@click.command(
    epilog="Exit status: 0 something runs, 1 it does not answer, 2 the command was not understood, 3 nothing runs."
)
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.pass_context
def command(context: click.Context, project: Path, as_json: bool) -> None:
    """Processes, workers, replicas and their breakers, calls in flight, and how far records are behind."""
    with answers(project) as source:
        status, is_live = source.status(), source.is_live
    if as_json:
        say_json(msgspec.json.encode(status))
    else:
        say(status_text(status, is_live=is_live))
        next_verb(_next(status, is_live=is_live))
    if not is_live:
        context.exit(NOTHING_RUNS)


def status_text(status: Status, *, is_live: bool) -> RenderableType:
    """The status of a host for a terminal."""
    head = Text.assemble((status.environment, "bold"), f"   {clock_text(status.at_ns)}   snapshot ")
    head.append(f"{status.snapshot[:12] or NONE}   lock {status.lock[:12] or NONE}")
    if not is_live:
        return Group(head, Text("Nothing runs here."))
    parts = [head, *_warnings(status), _processes(status), _replicas(status.board), _telemetry(status.telemetry)]
    if status.keeper is not None:
        parts.append(_keeper(status.keeper))
    if status.rollout is not None:
        parts.append(Text.assemble(("rollout  ", "bold"), safe(status.rollout.words)))
    if status.engines:
        parts.append(engines_table(status.engines, status.at_ns))
    if status.identity:
        parts.append(_identity(status.identity))
    if status.dead:
        parts.append(Text.assemble(("dead letters  ", "bold"), causes_text(status.dead)))
    return Group(*parts)


def _warnings(status: Status) -> Iterator[Text]:
    if status.refused is not None:
        yield Text("! the latest edit was refused; what was in force stays in force:", style=BAD)
        yield from (Text(f"    {mistake}") for mistake in status.refused.mistakes)
    if status.drift is not None:
        yield from _drift(status.drift)
    for line in status.needs_restart:
        yield Text(f"! takes effect at the next start of `trimtab up`: {line}", style=BAD)


def _drift(drift: Drift) -> Iterator[Text]:
    """How the declaration differs from its lock; in production such an edit is held back."""
    if drift.held_back:
        yield Text("! the latest edit is not locked and is held back; what was in force stays in force:", style=BAD)
    else:
        yield Text("! what serves is not what trimtab.lock pins, so that calls bear no lock id:", style="yellow")
    yield from (Text(f"    {words}") for words in told(drift.differences, drift.count).splitlines())
    yield Text(f"    {REMEDY}", style=QUIET)


def _processes(status: Status) -> Fitted:
    """Every process, and of a gateway worker what it wrote on the board."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("process", "state"):
        table.add_column(name)
    for name in ("pid", "restarts", "up s", "open calls", "connections", "heartbeat s"):
        table.add_column(name, justify="right")
    workers = {worker.epoch: worker for worker in status.board.workers}
    for member in status.processes:
        worker = workers.get(member.epoch) if member.epoch else None
        heartbeat = worker.heartbeat_age_s if worker else None
        table.add_row(
            f"{member.role} {member.slot}" if member.role == "gateway" else member.role,
            Text(member.state, GOOD if member.state == "ready" else "yellow"),
            str(member.pid),
            str(member.restarts),
            whole(max(0, round(status.at_ns / 1e9 - member.started_at))),
            whole(worker.open_calls) if worker else NONE,
            whole(worker.open_connections) if worker else NONE,
            three_digits(heartbeat),
        )
    return Fitted(table)


def _replicas(board: BoardView) -> RenderableType:
    if not board.replicas:
        return Text("no replica has been asked yet", style=QUIET)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "replica", "breaker", "health", "schemas"):
        table.add_column(name, overflow="fold")
    for name in ("in flight", "tokens out", "failures", "retry in s"):
        table.add_column(name, justify="right")
    for replica in board.replicas:
        table.add_row(
            replica.model,
            replica.url,
            Text(replica.state.replace("_", " "), BREAKER[replica.state]),
            NONE if replica.healthy is None else "well" if replica.healthy else Text("ill", BAD),
            _enforces(replica.enforces),
            whole(replica.in_flight),
            whole(replica.outstanding_tokens),
            f"{replica.window_failures} of {replica.window_votes}",
            three_digits(replica.retry_in_s),
        )
    return Fitted(table, keys=2)


def _enforces(found: Enforces) -> Text:
    """What the enforcement probe proved, in words."""
    words = {"": NONE, "fully": "enforced", "weakly": "! in part", "not": "! ignored"}
    return Text(words[found], {"fully": GOOD, "weakly": "yellow", "not": BAD}.get(found, QUIET))


def _identity(tested: tuple[ReplicaIdentity, ...]) -> Fitted:
    """Whether each replica that is tested still serves the model that was locked."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "replica", "identity", "tested", "evidence"):
        table.add_column(name, overflow="fold")
    for one in tested:
        standing = one.standing
        sides = f"{standing.before} -> {standing.after}; " if standing.before or standing.after else ""
        table.add_row(
            one.model,
            one.replica,
            Text(IDENTITY[standing.state][0], IDENTITY[standing.state][1]),
            clock_text(standing.checked_ns) if standing.checked_ns else NONE,
            Text(safe(f"! {one.trouble}" if one.trouble else f"{sides}{standing.detail}")),
        )
    return Fitted(table, keys=2)


def _telemetry(state: TelemetryState) -> Text:
    lag = f"spool {whole(state.lag_bytes)} bytes, {three_digits(state.lag_s)} s behind, {state.segments} segments"
    text = Text.assemble(("\ntelemetry  ", "bold"), ("up" if state.up else "down", GOOD if state.up else BAD))
    text.append(f" since {clock_text(state.since_ns)}   {lag}")
    if state.detail:
        text.append(f"\n{state.detail}", style=BAD)
    if state.set_aside:
        text.append(f"\n! {state.set_aside} damaged segments are set aside: `trimtab dead list`", style=BAD)
    return text


def _keeper(view: KeeperView) -> Text:
    """How the journal of runs is doing."""
    text = Text.assemble(("journal    ", "bold"), ("up" if view.up else "down", GOOD if view.up else BAD))
    told = view.health
    if told is not None:
        each = f"{three_digits(1e3 * told.commit_s / told.commits)} ms each" if told.commits else NONE
        text.append(f"   {whole(told.asks)} asks, {whole(told.commits)} commits, {each}, {told.waiting} wait")
    if view.detail:
        text.append(f"\n{safe(view.detail)}", style=BAD)
    return text


def _next(status: Status, *, is_live: bool) -> str:
    if not is_live:
        return "trimtab up"
    if status.refused is not None:
        return "trimtab check"
    if status.drift is not None:
        return "trimtab lock --check"
    if status.dead:
        return "trimtab dead list"
    return "trimtab report --since 1h"
