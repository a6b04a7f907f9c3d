"""`trimtab calls`: what was called, newest first, and one call with all its attempts."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec.structs import replace
from rich.console import Group
from rich.text import Text

from trimtab.cli.answers import Answers, Bodies, CallShown, Wanted, answers
from trimtab.cli.call_text import call_text, calls_table
from trimtab.cli.calls_search import search
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, SINCE, TASKS, console, next_verb, plain, say, say_json, tell_undeclared
from trimtab.record.events import Settled
from trimtab.reports.foreign import plain_text

EXIT = "Exit status: 0 done, 1 nobody could answer or there is no such call, 2 the command was not understood."
POLL_S = 1.0
OVERLAP_NS = 10_000_000_000
"""Records of different workers arrive in no order: each look goes back this far and leaves out what was shown."""
REMEMBERED = 10_000
SHOWN_LINES = 40


@click.group(cls=Commands)
def command() -> None:
    """The calls that were made."""


command.add_command(search)


@command.command(epilog=EXIT)
@PROJECT
@TASKS
@click.option("--model", default="", metavar="NAME", help="Only calls that this model served.")
@click.option("--outcome", default="", metavar="CODE", help="Only this end: ok, an error code, client_gone, abandoned.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01.")
@click.option("--lock", multiple=True, metavar="ID", help="Only calls made under this lock; its first digits do.")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True, help="How many calls.")
@click.option("--follow", is_flag=True, help="Go on with calls as they end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def tail(follow: bool, as_json: bool, project: Path, **asked: object) -> None:
    """The calls that ended last; the newest stands at the bottom."""
    wanted = Wanted(**asked)  # type: ignore[arg-type]  # click hands over exactly the options above
    with answers(project) as source:
        if follow and not source.is_live:
            raise click.UsageError("nothing runs here to follow; start it with `trimtab up`")
        first = tuple(reversed(source.calls(wanted)))
        if as_json:
            _say_lines(first)
        elif first or not follow:
            say(calls_table(first, console().width) if first else Text("No such call has ended."))
        if follow:
            for fresh in followed(source, wanted, first, time.sleep):
                _say_lines(fresh) if as_json else say(calls_table(fresh, console().width, head=False))
    if not as_json:
        if not first:
            tell_undeclared(project, wanted.task)
        next_verb(f"trimtab calls show {first[-1].admitted.call}" if first else "trimtab status")


def followed(
    source: Answers, wanted: Wanted, shown: tuple[Settled, ...], wait: Callable[[float], object]
) -> Iterator[tuple[Settled, ...]]:
    """Calls as they end, oldest first, each once, at most 1000 a look; ends when `wait` is interrupted."""
    newest_ns = max((call.at_ns for call in shown), default=time.time_ns())
    seen = deque((call.admitted.call for call in _since(source, wanted, newest_ns)), REMEMBERED)
    while True:
        try:
            wait(POLL_S)
        except KeyboardInterrupt:
            return
        fresh = tuple(call for call in _since(source, wanted, newest_ns) if call.admitted.call not in seen)
        if fresh:
            seen.extend(call.admitted.call for call in fresh)
            newest_ns = max(newest_ns, fresh[-1].at_ns)
            yield fresh


def _since(source: Answers, wanted: Wanted, newest_ns: int) -> tuple[Settled, ...]:
    since = datetime.fromtimestamp(max(0, newest_ns - OVERLAP_NS) / 1e9, UTC).isoformat()
    return tuple(reversed(source.calls(replace(wanted, since=since, limit=1000))))


@command.command(epilog=EXIT)
@click.argument("call")
@PROJECT
@click.option("--whole", is_flag=True, help="The bodies to their end.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def show(call: str, project: Path, whole: bool, as_json: bool) -> None:
    """One call: its attempts over time, tokens, cost, and what was said as far as it was kept."""
    with answers(project) as source:
        detail, bodies = source.call(call), source.bodies(call)
    if as_json:
        say_json(plain(CallShown(detail.call, detail.attempts, bodies)).encode())
        return
    say(Group(call_text(detail), *(_body(part, bodies, whole=whole) for part in ("request", "response"))))
    next_verb(f"trimtab calls tail --task '{detail.call.admitted.task}'")


def _say_lines(calls: tuple[Settled, ...]) -> None:
    for call in calls:
        click.echo(plain(call))


def _body(part: str, bodies: Bodies, *, whole: bool) -> Text:
    text = bodies.get(part)
    if text is None:
        return Text(f"\n{part}: not kept", style="dim")
    lines = _indented(text).splitlines()
    hidden = 0 if whole else max(0, len(lines) - SHOWN_LINES)
    shown = lines[: len(lines) - hidden]
    more = [f"... {hidden} lines more, with --whole"] if hidden else []
    told = Text("\n").join(plain_text(line, len(line)) for line in [*shown, *more])
    return Text.assemble((f"\n{part}\n", "bold"), told)


def _indented(text: str) -> str:
    """JSON laid out for reading; anything else, a stream of events say, as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
