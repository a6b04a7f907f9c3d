"""The command line: one file for each verb, loaded when it is asked for.

Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood, 130 stopped by
the keyboard. A verb that has another says so in its own help.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

import click

from trimtab import __version__
from trimtab.errors import TrimtabError

FAILED: Final = 1
INTERRUPTED: Final = 130
OWNED: Final = "be whoever it belongs to, or have them let you in"
ROOM: Final = "free some room there, or name another place"
PLACE: Final = "move away what lies there, or name another place"
REMEDIES: Final = {
    errno.EACCES: OWNED,
    errno.EPERM: OWNED,
    errno.EROFS: "make it writable, or name another place",
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EEXIST: PLACE,
    errno.ENOTDIR: PLACE,
    errno.EISDIR: PLACE,
}
"""What to do where a file or folder of this machine is not as a verb needs it; anything else is a fault of ours."""


class Verb(NamedTuple):
    """Where a verb's `command` lies, and what it does in a line."""

    module: str
    help: str


VERBS: Final = {
    "init": Verb("trimtab.cli.init", "Write a new project, ready to be changed."),
    "check": Verb("trimtab.cli.check", "Tell every mistake in a project."),
    "lock": Verb("trimtab.cli.lock", "Pin all that can drift, and tell what did."),
    "up": Verb("trimtab.cli.up", "Run a project: its gateway and control."),
    "key": Verb("trimtab.cli.key", "Make, list and revoke the keys of clients."),
    "status": Verb("trimtab.cli.status", "Show processes, replicas, and whether records arrive."),
    "prompts": Verb("trimtab.cli.prompts", "Show what is sent for a task, and how its prompt came to be."),
    "calls": Verb("trimtab.cli.calls", "Show the calls that were made."),
    "runs": Verb("trimtab.cli.runs", "Show, compare, fork and stop runs of agents."),
    "feedback": Verb("trimtab.cli.feedback", "Judge a call, a run or a conversation."),
    "tools": Verb("trimtab.cli.tools", "Show what tools answer, and what has changed."),
    "reviews": Verb("trimtab.cli.reviews", "Show what waits for a person, and decide it."),
    "alerts": Verb("trimtab.cli.alerts", "Show what is wrong and what is watched, and see to it."),
    "dead": Verb("trimtab.cli.dead", "Show, re-drive or drop what failed for good."),
    "data": Verb("trimtab.cli.data", "Keep data sets: add, show, check, split, draw cases from calls."),
    "erase": Verb("trimtab.cli.erase", "Take out everything of one end user."),
    "report": Verb("trimtab.cli.report", "Show latency, errors, tokens and cost of each task."),
    "adopt": Verb("trimtab.cli.adopt", "Show calls that belong to no task, and make one of them."),
    "eval": Verb("trimtab.cli.eval", "Ask the suites of tasks, and compare versions."),
    "gate": Verb("trimtab.cli.gate", "Say whether a change may ship."),
    "label": Verb("trimtab.cli.label", "Let people judge answers, and show how well they agree."),
    "rollout": Verb("trimtab.cli.rollout", "Try a lock on a part of the calls, beside the one in force."),
    "promote": Verb("trimtab.cli.promote", "Let the identical lock into another environment."),
    "signals": Verb("trimtab.cli.signals", "Show behaviour beside infrastructure, against the window before."),
    "demo": Verb("trimtab.cli.demo", "Show what goes wrong in the demo, and how it is noticed."),
    "export": Verb("trimtab.cli.export", "Write rules for Prometheus and dashboards for Grafana."),
}


class Verbs(click.Group):
    """The verbs; listing them loads none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order a newcomer needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb, loaded now."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = import_module(verb.module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the verbs and their lines into the help."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the first argument names; an unknown one is told which was probably meant."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"there is no verb {args[0]!r}{_meant(args[0])}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs,
    epilog="Exit status: 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="trimtab")
def verbs() -> None:
    """Run LLM applications and agents reliably, cheaply and observably."""


def main() -> None:
    """The `trimtab` command; does not return."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carries out one command and returns its exit status; messages of failure go to standard error."""
    try:
        status = verbs.main(list(arguments), prog_name="trimtab", standalone_mode=False)
    except click.ClickException as failure:
        failure.show()
        return failure.exit_code
    except click.Abort:
        return INTERRUPTED
    except TrimtabError as failure:
        click.echo(f"trimtab: {failure}", err=True)
        return FAILED
    except OSError as failure:
        remedy = REMEDIES.get(failure.errno or 0)
        if remedy is None:
            raise
        click.echo(f"trimtab: {failure.filename or 'a file'} cannot be used: {failure.strerror}; {remedy}.", err=True)
        return FAILED
    return status if isinstance(status, int) else 0


def _meant(word: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistyped verb needs it

    close = get_close_matches(word, VERBS, n=1)
    return f"; did you mean {close[0]}?" if close else "; `trimtab --help` lists them"
