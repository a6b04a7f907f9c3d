"""`trimtab alerts`: what is wrong, since when and by which change; who sees to it; what is watched at all."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from trimtab.cli.alerts_client import Wanted, alert_office
from trimtab.cli.alerts_text import alert_text, listed_text, rules_text, silences_text, tested_text
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, SINCE, next_verb, plain, say, say_json
from trimtab.declare import values
from trimtab.processes.alert_api import STATES, NewSilence, Trial
from trimtab.signals.alerts.alert import Act

JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
WHY = click.option("--why", default="", metavar="TEXT", help="The reason, kept in its history.")
TASK = click.option("--task", default="", metavar="NAME", help="Only of this task.")
RULE = click.option("--rule", default="", metavar="NAME", help="Only of this rule.")
SIGNAL = click.option("--signal", default="", metavar="NAME", help="Only of this signal.")
LONGEST_S = 90 * 86_400.0


@click.group(cls=Commands)
def command() -> None:
    """What is wrong, since when and by which change; who sees to it; what is watched."""


@command.command("list")
@PROJECT
@TASK
@RULE
@SIGNAL
@click.option("--state", default="active", type=click.Choice([*filter(None, STATES), "all"]), show_default=True)
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="Changed since 1h, 7d, 2026-11-01.")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True, help="How many alerts.")
@JSON
def list_alerts(project: Path, as_json: bool, state: str, **asked: object) -> None:
    """The alerts that are not resolved, or others, those found last first."""
    wanted = Wanted(state="" if state == "all" else state, **asked)  # type: ignore[arg-type]  # click hands over exactly these
    with alert_office(project) as office:
        found = office.list(wanted)
    if as_json:
        say_json(msgspec.json.encode({"alerts": found}))
        return
    say(listed_text(found, time.time_ns()))
    next_verb(f"trimtab alerts show {found[0].id}" if found else "trimtab alerts rules")


@command.command()
@click.argument("alert")
@PROJECT
@JSON
def show(alert: str, project: Path, as_json: bool) -> None:
    """One alert: its figures before and since, what changed, the worst calls, its history."""
    with alert_office(project) as office:
        found = office.show(alert)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(alert_text(found, time.time_ns()))
    worst = next(iter(found.alert.worst), "")
    is_open = found.alert.state == "open"
    next_verb(
        f"trimtab alerts ack {alert}" if is_open else f"trimtab calls show {worst}" if worst else "trimtab alerts list"
    )


def _act(alert: str, what: Act, project: Path, why: str, *, as_json: bool) -> None:
    with alert_office(project) as office:
        done = office.act(alert, what, why)
    if as_json:
        click.echo(plain(done))
        return
    say(listed_text((done,), time.time_ns()))
    next_verb(f"trimtab alerts show {alert}" if what == "acknowledge" else "trimtab alerts list")


@command.command()
@click.argument("alert")
@PROJECT
@WHY
@JSON
def ack(alert: str, project: Path, why: str, as_json: bool) -> None:
    """You see to an alert, and to the others of its cause: no reminder is sent."""
    _act(alert, "acknowledge", project, why, as_json=as_json)


@command.command()
@click.argument("alert")
@PROJECT
@WHY
@JSON
def resolve(alert: str, project: Path, why: str, as_json: bool) -> None:
    """An alert is over. What it watches begins anew; if it still is so, the alert is opened again."""
    _act(alert, "resolve", project, why, as_json=as_json)


@command.command()
@click.argument("alert")
@PROJECT
@WHY
@JSON
def accept(alert: str, project: Path, why: str, as_json: bool) -> None:
    """What an alert tells of is normal from now on: its baseline is learned anew from what came since it began."""
    _act(alert, "accept", project, why, as_json=as_json)


@command.command()
@click.argument("task", default="")
@PROJECT
@RULE
@SIGNAL
@click.option("--for", "length", required=True, metavar="TIME", help="How long: 2h, 30m, 7d; at most 90d.")
@click.option("--why", required=True, metavar="TEXT", help="The reason.")
@JSON
def silence(task: str, project: Path, rule: str, signal: str, length: str, why: str, as_json: bool) -> None:
    """Tell nobody of the alerts of a task (or of --rule, --signal) for a while; they open all the same."""
    try:
        for_s = values.duration(60, LONGEST_S)(length)
    except values.Wrong as wrong:
        raise click.BadParameter(f"{wrong.what}; {wrong.instead}", param_hint="--for") from wrong
    with alert_office(project) as office:
        done = office.silence(NewSilence(for_s, why, task, signal, rule))
    if as_json:
        click.echo(plain(done))
        return
    say(silences_text((done,), time.time_ns()))
    next_verb(f"trimtab alerts unsilence {done.id}")


@command.command()
@click.argument("silence_id", metavar="SILENCE")
@PROJECT
@JSON
def unsilence(silence_id: str, project: Path, as_json: bool) -> None:
    """End a silence now; what is open is told."""
    with alert_office(project) as office:
        done = office.unsilence(silence_id)
    click.echo(plain(done)) if as_json else next_verb("trimtab alerts silences")


@command.command()
@PROJECT
@JSON
def silences(project: Path, as_json: bool) -> None:
    """The silences that hold."""
    with alert_office(project) as office:
        found = office.silences()
    if as_json:
        say_json(msgspec.json.encode({"silences": found}))
        return
    say(silences_text(found, time.time_ns()))
    next_verb("trimtab alerts list")


@command.command()
@PROJECT
@JSON
def rules(project: Path, as_json: bool) -> None:
    """What is watched: what is normal for it at this hour, what it is now, and how far that is from an alert."""
    with alert_office(project) as office:
        found = office.rules()
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(rules_text(found))
    next_verb("trimtab alerts list")


@command.command()
@click.argument("rule")
@PROJECT
@TASK
@click.option("--send", is_flag=True, help="Send it, marked as a test.")
@JSON
def test(rule: str, project: Path, task: str, send: bool, as_json: bool) -> None:
    """What would be sent if a rule raised an alert now, and to whom."""
    with alert_office(project) as office:
        found = office.test(Trial(rule, task, send))
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(tested_text(found, is_sent=send))
    next_verb("trimtab alerts rules" if send else f"trimtab alerts test {rule} --send")
