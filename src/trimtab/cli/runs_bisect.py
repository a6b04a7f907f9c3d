"""`trimtab runs bisect`: the step of a run that decided how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct
from rich.text import Text

from trimtab.cli.runs_client import runs_here
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.declare.conditions import compiled as compiled_condition
from trimtab.declare.conditions import condition
from trimtab.declare.load import load
from trimtab.declare.values import Wrong
from trimtab.processes.run_bisect import Driven, Facts, Found, Limits, Search, Trial
from trimtab.processes.run_forwarder import Forwarder
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import usd

UNSETTLED: Final = 3
MOST_OUTPUT: Final = 4 << 20
NAMES: Final = ("exit", "stdout", "answer", "output", "state", "error")
PUSD: Final = 10**12
Judge = Callable[[Facts], bool]


class Options(Struct, frozen=True):
    """The options of a search; `most_cost` in picodollars."""

    expect: str
    expected: Any
    samples: int
    confidence: float
    most_calls: int | None
    most_cost: int | None
    every: bool
    effects: bool
    timeout_s: float
    url: str

    @property
    def limits(self) -> Limits:
        """How far it goes."""
        return Limits(self.samples, self.confidence, self.most_calls, self.most_cost, self.every, self.effects)


class CommandProgram(Struct, frozen=True):
    """A command that drives a fork: its calls go to the gateway at `gateway` as steps of it."""

    command: tuple[str, ...]
    gateway: str
    timeout_s: float

    def drive(self, fork: str, fork_seq: int, allowed: Callable[[int], str]) -> Driven:
        """Runs the command once; one that takes too long is ended."""
        with Forwarder(self.gateway, fork, fork_seq, allowed) as forwarder:
            addresses = {
                "OPENAI_BASE_URL": f"{forwarder.url}/v1",
                "ANTHROPIC_BASE_URL": forwarder.url,
                "TRIMTAB_URL": forwarder.url,
                "TRIMTAB_RUN": fork,
            }
            try:
                done = subprocess.run(
                    self.command,
                    env=os.environ | addresses,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    timeout=self.timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                refused = f"the command took over {self.timeout_s:g} s"
                return Driven(-1, "", len(forwarder.recorded), refused)
            except OSError as failure:
                raise click.UsageError(f"{self.command[0]} cannot be run: {failure.strerror}") from failure
            stdout = done.stdout[:MOST_OUTPUT].decode("utf-8", "replace")
            return Driven(done.returncode, stdout, len(forwarder.recorded), forwarder.refused)


def _condition(context: click.Context, option: click.Parameter, given: str) -> str:
    try:
        return condition(*NAMES)(given) if given else ""
    except Wrong as wrong:
        raise click.BadParameter(f"{wrong.what}; {wrong.instead}", context, option) from wrong


def _money(context: click.Context, option: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    with suppress(InvalidOperation):
        amount = Decimal(given)
        if amount.is_finite() and 0 < amount < 10**9:
            return int(amount * PUSD)
    raise click.BadParameter(f"{given!a} is no amount of US dollars", context, option)


def _case(context: click.Context, option: click.Parameter, given: str) -> Any:
    """What a case expects: of the first of a file, or of `FILE#ID`."""
    if not given:
        return None
    path, _, name = given.partition("#")
    try:
        lines = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as failure:
        raise click.BadParameter(f"{path} cannot be read as cases ({failure})", context, option) from failure
    found = next((one for one in lines if isinstance(one, dict) and name in ("", one.get("id"))), None)
    if found is None or found.get("expected") is None:
        raise click.BadParameter(f"{given} is no case that says what is expected", context, option)
    return found["expected"]


def judge_of(expect: str, expected: Any) -> Judge:
    """Whether a trial is good: by a condition, by what a case expects of the last answer, else by the exit status."""
    if expect:
        found = compiled_condition(expect)
        return lambda facts: found.holds(msgspec.to_builtins(facts))
    if expected is not None:
        return lambda facts: _same(facts.answer, expected)
    return lambda facts: facts.exit == 0


def _same(answer: object, expected: object) -> bool:
    """Whether an answer is what is expected: a text but for the space around it, data as what it says."""
    if isinstance(answer, dict) and set(answer) >= {"text", "tool_calls"}:
        answer = answer["text"] if isinstance(expected, str) else answer
    if isinstance(expected, str):
        return isinstance(answer, str) and answer.strip() == expected.strip()
    if isinstance(answer, str):
        with suppress(ValueError, RecursionError):
            answer = json.loads(answer)
    return answer == expected


@click.command(epilog=f"Exit status: 0 the step is found, {UNSETTLED} it is not or not surely, 2 as for any command.")
@click.argument("run")
@click.argument("command", nargs=-1, required=True)
@PROJECT
@click.option(
    "--expect",
    default="",
    metavar="EXPR",
    callback=_condition,
    help=f"What holds of a good outcome, over {', '.join(NAMES)}; unless given, exit == 0.",
)
@click.option(
    "--case",
    "expected",
    default="",
    metavar="FILE[#ID]",
    callback=_case,
    help="A case whose expected answer is the good outcome, as `runs export --as case` begins one.",
)
@click.option("--samples", default=10, type=click.IntRange(1, 1000), show_default=True, help="Trials at a step.")
@click.option("--confidence", default=0.95, type=click.FloatRange(0.5, 0.9999), show_default=True, help="How sure.")
@click.option("--most-calls", type=click.IntRange(1), metavar="N", help="Calls of models in all.")
@click.option("--most-cost", metavar="USD", callback=_money, help="Spending in all; open calls end.")
@click.option("--every", is_flag=True, help="Try every step from the last one on, instead of halving.")
@click.option("--effects", is_flag=True, help="Also where trials do again what tools of the run did.")
@click.option("--timeout", "timeout_s", default=600.0, type=click.FloatRange(1), metavar="S", help="Of the command.")
@click.option("--url", default="", metavar="URL", help="The gateway; TRIMTAB_URL, or as the project declares.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.pass_context
def bisect(
    context: click.Context, /, run: str, command: tuple[str, ...], project: Path, as_json: bool, **given: Any
) -> None:
    """Find the step of a run that decided how it ended: fork it at its steps, ask anew there, and see.

    Write -- before the command, which drives a fork as it drove the run: its OPENAI_BASE_URL, ANTHROPIC_BASE_URL and
    TRIMTAB_URL lead to the gateway, where calls before the fork are answered as they were; TRIMTAB_RUN names the fork.
    What was tried is kept: the same search again goes on from there.
    """
    options = Options(**given)
    if options.expect and options.expected is not None:
        raise click.UsageError("say what is good once: --expect or --case")
    program = CommandProgram(command, options.url or _gateway(project), options.timeout_s)
    judge, limits = judge_of(options.expect, options.expected), options.limits
    meant = json.dumps([options.expect, options.expected, command], sort_keys=True).encode()
    name = f"{run}.bisect-{sha256(meant).hexdigest()[:8]}"
    with runs_here(project) as here:
        search = Search(here.writes, run, name, program, judge, limits, time.time_ns)
        found = search.all(_quiet if as_json else _heard)
    if as_json:
        say_json(msgspec.json.encode(found))
    else:
        _say(found)
    if found.sure is None or found.sure.p_value > 1 - options.confidence:
        context.exit(UNSETTLED)


def _gateway(project: Path) -> str:
    if os.environ.get("TRIMTAB_URL"):
        return os.environ["TRIMTAB_URL"]
    gateway = load(project).gateway
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(gateway.listen.host, gateway.listen.host)  # noqa: S104
    return f"{'https' if gateway.listen.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{gateway.listen.port}"


def _quiet(trial: Trial) -> None:
    """Nothing is said of a trial."""


def _heard(trial: Trial) -> None:
    how = {True: "good", False: "bad", None: "tells nothing"}[trial.good]
    click.echo(
        f"step {trial.step}: {how} ({trial.why}), {trial.calls} call{'s' * (trial.calls != 1)}, {trial.fork}", err=True
    )


def _say(found: Found) -> None:
    say(plain_text(found.told, 1000))
    for place in found.places:
        mark = ">" if place.step == found.step else " "
        say(plain_text(f"{mark} step {place.step:>6} {place.label[:40]:<40} {place.good} of {place.trials} good"))
    if found.sure is not None:
        here, behind = found.sure.here, found.sure.behind
        told = f"{found.confidence:.0%} intervals: {here.low:.0%} to {here.high:.0%} there"
        told += f", {behind.low:.0%} to {behind.high:.0%} behind it"
        say(Text(f"{told}; p {found.sure.p_value:.2g} over {found.steps} steps"))
    unused = f", {found.unused} that told nothing" if found.unused else ""
    say(Text(f"{found.trials} trials{unused}, {found.calls} calls of models, {usd(found.cost_pusd)} USD."))
    next_verb(f"trimtab runs show {found.run} --step {found.step}" if found.step else f"trimtab runs show {found.run}")
