"""Commands that end with a verdict: their exit statuses, and what they write beside what they print."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from trimtab.errors import TrimtabError
from trimtab.evals.renderings.junit import junit
from trimtab.evals.renderings.markdown import markdown
from trimtab.evals.report import EXIT_STATUS, Report, Verdict

UNTOLD: Final = 3
"""No verdict was reached, for whatever reason: never 0, and never one of the three."""
STATUSES: Final = "0 ship, 1 block, 2 inconclusive, 3 it could not be told and the message says why, 130 interrupted."
FILE = click.Path(path_type=Path, dir_okay=False)
LATEST: Final = "latest"
"""What `--resume` names without an id: the evaluation of the task that was cut short last."""


class VerdictCommand(click.Command):
    """A command that exits with a verdict; with 3 for every failure, a misspelt option included.

    With a `flag` it does so only where that option is given.
    """

    flag = ""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context; what is not understood exits with 3."""
        tells = not self.flag or self.flag in args
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as wrong:
            if tells:
                wrong.exit_code = UNTOLD  # type: ignore[misc]  # click reads it from the instance
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """The exit status."""
        if self.flag and not ctx.params.get(self.flag.lstrip("-")):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except click.ClickException as wrong:
            wrong.exit_code = UNTOLD  # type: ignore[misc]  # click reads it from the instance
            raise
        except (click.Abort, KeyboardInterrupt):
            raise click.Abort from None
        except TrimtabError as failure:
            click.echo(f"trimtab: {failure}", err=True)
        except Exception:  # noqa: BLE001  a mistake of ours must not end with the status of a verdict
            traceback.print_exc()
        return UNTOLD


def verdict_of(verdicts: Iterable[Verdict | None]) -> Verdict:
    """Several verdicts together: what blocks one blocks all, and one that is missing or unsure leaves all unsure."""
    found = list(verdicts)
    if "block" in found:
        return "block"
    return "inconclusive" if "inconclusive" in found or None in found else "ship"


def status_of(verdict: Verdict | None) -> int:
    """The exit status of a verdict; 0 where nothing was to be decided."""
    return 0 if verdict is None else EXIT_STATUS[verdict]


def write_reports(
    reports: list[Report], markdown_file: Path | None, junit_file: Path | None, head: str = "", whole: str = ""
) -> None:
    """Writes reports where they are wanted; Markdown is added to a file that is there, as build servers want it.

    `head` comes before them in Markdown, the suite `whole` in JUnit.

    Raises `click.ClickException` for a file that cannot be written.
    """
    try:
        if markdown_file is not None:
            with markdown_file.open("a", encoding="utf-8") as file:
                file.write("\n".join([*([head] if head else []), *map(markdown, reports)]))
        if junit_file is not None:
            junit_file.write_text(junit_of(reports, whole), encoding="utf-8")
    except OSError as failure:
        raise click.ClickException(f"{failure.filename} cannot be written: {failure.strerror}") from failure


def junit_of(reports: list[Report], whole: str = "") -> str:
    """Reports as one JUnit document, after a suite of what is said of all of them."""
    head, root, end = '<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="trimtab">', "</testsuites>"
    inner = [whole] if whole else []
    inner += [line for one in reports for line in junit(one).splitlines()[2:-1]]
    return "\n".join([head, root, *inner, end, ""])
