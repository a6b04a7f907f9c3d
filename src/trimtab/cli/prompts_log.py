"""`trimtab prompts log`: how a task's prompt came to be, and how each version of it did."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from trimtab.cli.lock_diff import diff_lines
from trimtab.cli.screen import PROJECT, SINCE, next_verb, safe, say_json
from trimtab.declare.load import read
from trimtab.declare.values import NAME
from trimtab.errors import TrimtabError
from trimtab.lock.prompt_history import SHORT, prompt_history
from trimtab.lock.prompt_versions import FileChange, LockedIn, Version
from trimtab.processes.directory import DataDirectory
from trimtab.reports.numbers import NONE, milliseconds, share_of, three_digits, usd, whole
from trimtab.reports.prompts import PromptReport


class LoggedVersion(Struct, frozen=True):
    """A version as `--json` gives it; what is not known is empty or null.

    `commit`, `at`, `author` and `subject` are those of the commit that brought it, `lock` and `locked_in` the first
    lock that pinned it and the commit that brought that. `fault` says why it could not be read. `figures` are those of
    the calls that were made with it.
    """

    digest: str
    commit: str = ""
    at: str = ""
    author: str = ""
    subject: str = ""
    lock: str = ""
    locked_in: str = ""
    changes: tuple[FileChange, ...] = ()
    fault: str = ""
    figures: PromptReport | None = None


class Log(Struct, frozen=True):
    """The versions of a task's prompt, newest first, and what could not be told."""

    task: str
    versions: tuple[LoggedVersion, ...]
    notes: tuple[str, ...] = ()


@click.command(epilog="Exit status: 0 it is shown, 1 there is no such prompt, 2 the command was not understood.")
@PROJECT
@click.argument("task")
@click.option("--limit", default=20, type=click.IntRange(1, 300), show_default=True, help="How many versions.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="Figures since then: 7d, 2026-11-01.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(project: Path, task: str, limit: int, since: str, as_json: bool) -> None:
    """Show each version of the prompt of TASK: who brought it, what changed word by word, and how its calls did.

    A version is another digest: a change of the prompt, of a part that it includes, or of its inputs' types. Figures
    are those of calls for which the gateway rendered it, or which name it in `trimtab.prompt`.
    """
    if not NAME.fullmatch(task) or task in {".", ".."}:
        raise click.UsageError(f"{safe(task)!r} is no name of a task")
    log = read_log(project, task, limit, since)
    if not log.versions:
        raise click.ClickException(
            f"task {task} has no prompt, and never had one that is known here; write tasks/{task}/prompt.md"
        )
    if as_json:
        say_json(msgspec.json.encode(log))
        return
    _say(log)
    next_verb(f"trimtab prompts render {task}")


def read_log(root: Path, task: str, limit: int, since: str = "") -> Log:
    """The log of a task's prompt, `limit` versions at most; raises nothing of what git or the store cannot tell."""
    history = prompt_history(root, task, limit)
    found, notes = history.versions, list(history.notes)
    if history.left_out:
        notes.append(f"{history.left_out} older versions are left out; --limit shows more")
    figures = _figures(root, task, since, notes) if found else {}
    logged = (_logged(one, history.locked.get(one.digest), figures.get(one.digest)) for one in found)
    return Log(task, tuple(logged), tuple(notes))


def _figures(root: Path, task: str, since: str, notes: list[str]) -> dict[str, PromptReport]:
    """The figures by digest; none where nothing was recorded yet or nobody can tell."""
    directory = read(root, data=False).data_directory
    places = DataDirectory(directory) if directory is not None else None
    if places is None or not (places.spool.exists() or places.telemetry.exists()):
        notes.append("no figures: nothing was recorded here yet")
        return {}
    from trimtab.cli.answers import Wanted, answers  # noqa: PLC0415 - the gateway comes along, and git alone does without

    try:
        with answers(root) as source:
            reports = source.prompts(Wanted(task=(task,), since=since)).prompts
    except TrimtabError as failure:
        notes.append(f"no figures: {failure}")
        return {}
    return {one.prompt: one for one in reports}


def _logged(one: Version, locked: LockedIn | None, figures: PromptReport | None) -> LoggedVersion:
    commit = one.commit
    return LoggedVersion(
        digest=one.digest,
        commit=commit.hash if commit else "",
        at=datetime.fromtimestamp(commit.at_s, UTC).isoformat() if commit else "",
        author=commit.author if commit else "",
        subject=commit.subject if commit else "",
        lock=locked.lock if locked else "",
        locked_in=locked.commit if locked else "",
        changes=one.changes,
        fault=one.fault,
        figures=figures,
    )


def _say(log: Log) -> None:
    count = "1 version" if len(log.versions) == 1 else f"{len(log.versions)} versions, the newest first"
    click.echo(f"The prompt of {log.task}: {count}.")
    for one in log.versions:
        click.echo()
        click.secho(_head(one), bold=True)
        click.echo(f"  {_lock_line(one)}")
        click.echo(f"  {_figures_line(one.figures)}")
        if one.fault:
            click.echo(f"  it could not be used: {safe(one.fault)}")
        for change in one.changes:
            click.echo(f"  {safe(change.path)}:")
            for line in diff_lines(change.pieces):
                click.echo(f"  {line}")
    for note in log.notes:
        click.echo(f"\nNote: {safe(note, 1_000).removesuffix('.')}.")


def _head(one: LoggedVersion) -> str:
    digest = one.digest[:SHORT] or "(no digest)"
    if not one.commit:
        return f"{digest}   not committed"
    at = one.at[:16].replace("T", " ")
    return f"{digest}   {one.commit[:SHORT]}   {at}   {safe(one.author)}   {safe(one.subject)}"


def _lock_line(one: LoggedVersion) -> str:
    if not one.lock:
        return "in no lock"
    where = f"by {one.locked_in[:SHORT]}" if one.locked_in else "which is not committed"
    return f"first in lock {one.lock[:SHORT]}, {where}"


def _figures_line(figures: PromptReport | None) -> str:
    """Calls, the share of answers that kept their schema at once, length, latency and cost."""
    if figures is None:
        return "no calls"
    parts = ["1 call" if figures.requests == 1 else f"{whole(figures.requests)} calls"]
    valid = figures.answers.get("valid_first")
    if valid is not None:
        parts.append(f"valid at once {share_of(valid.share, valid.low, valid.high, valid.n)}")
    length, total = figures.output_tokens, figures.total_s
    parts.append(f"output p50 {_count(length.p50)} p95 {_count(length.p95)} tokens")
    parts.append(f"total p50 {milliseconds(total.p50)} p95 {milliseconds(total.p95)} ms")
    known = [one for label, one in figures.cost.items() if label != "unknown" and one.calls]
    calls, pusd = sum(one.calls for one in known), sum(one.pusd for one in known)
    parts.append(f"cost {usd(pusd // calls)} USD a call" if calls else "cost unknown")
    return "   ".join(parts)


def _count(value: float | None) -> str:
    return NONE if value is None else three_digits(round(value))
