"""Suites: the `evals` table of a task.toml, in its short form and in its long one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.conditions import condition
from trimtab.declare.evaluating import Evals, Online, Schedule, Scorer
from trimtab.declare.mistakes import nearest
from trimtab.declare.names import data_set_name
from trimtab.declare.references import check_model
from trimtab.declare.scorers import path, read_scorers
from trimtab.declare.table import Table

CASES_FILE: Final = "cases.jsonl"
FACTS: Final = ("id", "inputs", "messages", "expected", "tags", "meta")
"""What a condition of a slice may read of a case."""
GUARDS: Final = {
    "parse_rate": 1.0,
    "tool_validity": 1.0,
    "refusal_rate": 1.0,
    "length": 10.0,
    "cost": 10.0,
    "latency": 10.0,
}
"""What stands beside the score, and the largest margin of it: points of a share, parts of the rest."""
ALONE: Final = frozenset({"schema", "regex", "python", "rubric", "latency", "cost"})
"""Kinds that mark an answer without knowing what was expected."""
MOST_SAMPLES: Final = 100
MOST_SLICES: Final = 32
MOST_THREADS: Final = 256
SEED_BITS: Final = 63
LEAST_EVERY_S: Final = 60.0
MOST_EVERY_S: Final = 30 * 86_400.0
MOST_CASES: Final = 10_000
MOST_CALLS: Final = 1_000_000


def read_evals(task: str, table: Table, root: Path) -> Evals:
    """The `evals` table of a task; `root` is the project's, in which files of Python scorers lie."""
    own, none = f"tasks/{task}/cases", Evals()
    scorers = read_scorers(task, table, root)
    return Evals(
        cases=table.get("cases", _cases(own), own),
        samples=table.get("samples", values.whole(1, MOST_SAMPLES), none.samples),
        scorers=scorers,
        margin=table.get("margin", values.number(0, 1), none.margin),
        seed=table.get("seed", values.whole(0, 2**SEED_BITS - 1), none.seed),
        concurrency=table.get("concurrency", values.whole(1, MOST_THREADS), none.concurrency),
        group=table.get("group", path, ""),
        slices=_read_slices(table.table("slices")),
        guards=_read_guards(table.table("guards")),
        alpha=table.get("alpha", values.number(0.001, 0.5), none.alpha),
        power=table.get("power", values.number(0.5, 0.99), none.power),
        budget_usd=table.get("budget_usd", values.number(0, 10**6, above=True), None),
        schedule=_read_schedule(table.table("schedule")) if "schedule" in table else None,
        online=_read_online(table.table("online"), scorers) if "online" in table else None,
    )


def needs_expected(scorer: Scorer) -> bool:
    """Whether a scorer can mark only answers to cases that say what is expected."""
    return scorer.kind not in ALONE and scorer.kind != "pairwise" and not (scorer.kind == "contains" and scorer.pattern)


def check_judging_models(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """The judges of suites are models that are declared."""
    for task in tasks.values():
        for scorer in _scorers(task):
            name = scorer.get("model", values.name, None)
            if name is not None:
                check_model(scorer, ("model",), name, models)


def check_suite_data(tasks: Mapping[str, Table], known: Collection[str]) -> None:
    """The cases, canaries and labels that suites name are data sets that are there."""
    for name, task in tasks.items():
        suite = task.table("evals")
        _check(suite, "cases", suite.get("cases", _cases(f"tasks/{name}/cases"), ""), known)
        schedule = suite.table("schedule")
        _check(schedule, "canaries", schedule.get("canaries", data_set_name, ""), known)
        for scorer in _scorers(task):
            _check(scorer, "labels", scorer.get("labels", data_set_name, ""), known)


def _scorers(task: Table) -> list[Table]:
    found = task.table("evals").tables_or("scorers", _passed_over)
    return [each for _, each in found if isinstance(each, Table)]


def _passed_over(_: object) -> None:
    return None


def _check(table: Table, key: str, name: str, known: Collection[str]) -> None:
    if not name or name in known:
        return
    close = nearest(name, known)
    file = f"{name}.jsonl" if "/" in name else f"data/{name}.json"
    hint = f"did you mean {close}?" if close else f"write {file}, or take the name out"
    table.wrong(key, f"there is no data set {values.show(name)}", hint)


def _cases(own: str) -> values.Read[str]:
    """Reads the name of a data set; `cases.jsonl` is the task's own."""

    def read(value: object) -> str:
        return own if value == CASES_FILE else data_set_name(value)

    return read


def _read_slices(table: Table) -> dict[str, str]:
    names = [name for name in table if values.NAME.fullmatch(name)]
    if len(names) > MOST_SLICES:
        table.wrong("", f"there are {len(names)} slices", f"write at most {MOST_SLICES}")
    read = condition(*FACTS)
    return {name: text for name in names[:MOST_SLICES] if (text := table.get(name, read, ""))}


def _read_guards(table: Table) -> dict[str, float]:
    found = {name: table.get(name, values.number(0, most), None) for name, most in GUARDS.items()}
    return {name: margin for name, margin in found.items() if margin is not None}


def _read_schedule(table: Table) -> Schedule:
    none = Schedule()
    return Schedule(
        every_s=table.get("every", values.duration(LEAST_EVERY_S, MOST_EVERY_S), none.every_s),
        cases=table.get("cases", values.whole(1, MOST_CASES), none.cases),
        canaries=table.get("canaries", data_set_name, ""),
        false_alarms=table.get("false_alarms", values.number(0, 100, above=True), none.false_alarms),
        calls_a_day=table.get("calls_a_day", values.whole(1, MOST_CALLS), none.calls_a_day),
    )


def _read_online(table: Table, scorers: tuple[Scorer, ...]) -> Online:
    none = Online()
    if scorers and all(scorer.kind == "pairwise" or needs_expected(scorer) for scorer in scorers):
        what = "evals.online has nothing to score with: every scorer needs an expected answer"
        table.wrong("", what, "add one that needs none, such as schema, or take it out")
    return Online(
        sample=table.get("sample", values.number(0, 1, above=True), none.sample),
        calls_a_day=table.get("calls_a_day", values.whole(1, MOST_CALLS), none.calls_a_day),
    )
