"""The `check` tables of a task.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from trimtab.declare import paths, values
from trimtab.declare.checking import (
    FACTS,
    MOST_REPAIRS,
    MOST_SAMPLES,
    Agrees,
    Check,
    Cited,
    Judged,
    OnFailure,
    Sampled,
    Then,
)
from trimtab.declare.conditions import condition
from trimtab.declare.contract import schema_file, tool_name
from trimtab.declare.library import Library
from trimtab.declare.mistakes import nearest
from trimtab.declare.references import check_model
from trimtab.declare.review_rules import DURATION, OTHERWISE, review_role
from trimtab.declare.table import Table

MOST_CHECKS: Final = 64
KINDS: Final = ("schema", "rule", "agrees", "cited", "judge", "samples")
ON_FAILURE: Final[values.Read[OnFailure]] = values.choice("fail", "flag", "repair", "branch", "ask")
THEN: Final[values.Read[Then]] = values.choice("fail", "flag", "branch", "ask")
CHECK_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9._-])?")
OF_PERSON: Final = ("roles", "expires", "otherwise")
MOST_FIELDS: Final = 32


def read_checks(task: str, table: Table, known_tools: Iterable[str], library: Library) -> tuple[Check, ...]:
    """The checks of a task, in the order in which they are made."""
    tables = table.tables("check")
    if len(tables) > MOST_CHECKS:
        table.wrong("check", f"there are {len(tables)} checks", f"write at most {MOST_CHECKS}")
    found = [_read_check(task, each, tuple(known_tools), library) for each in tables[:MOST_CHECKS]]
    seen: set[str] = set()
    for each, one in zip(tables, found, strict=False):
        if one is not None and one.name in seen:
            each.wrong("name", f"there are two checks {values.show(one.name)}", "name each as no other of the task")
        seen |= {one.name} if one is not None else set()
    return tuple(one for one in found if one is not None)


def check_check_references(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """The models that judge are declared, and the tasks that are asked instead."""
    for task, table in tasks.items():
        for one in table.tables("check"):
            judge = one.table("judge")
            model = judge.get("model", values.name, None)
            if model is not None:
                check_model(judge, ("model",), model, models)
            branch = one.get("branch", values.name, None)
            if branch is not None and branch not in tasks:
                close = nearest(branch, tasks)
                hint = f"did you mean {close}?" if close else f"declare tasks/{branch}/task.toml"
                one.wrong("branch", f"there is no task {values.show(branch)}", hint)
            if branch is not None and branch == one.get("after", values.text, task):
                one.wrong("branch", "it would ask the same task again", 'name another one, or write "repair"')


def unknown_steps(check: Check, task: str, tasks: Iterable[str], tools: Iterable[str]) -> tuple[str, ...]:
    """The steps that a check names and that are neither a task nor a tool of its own: a program may have them."""
    known = {*tasks, *tools}
    named = [check.after, *([check.agrees.step] if check.agrees else []), *(check.cited.tools if check.cited else ())]
    return tuple(name for name in dict.fromkeys(named) if name and name not in known)


def _read_check(task: str, table: Table, tools: tuple[str, ...], library: Library) -> Check | None:
    name = table.required("name", check_name, '"in range"')
    after = table.get("after", step_label, "")
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        told = f"has {' and '.join(kinds)}" if kinds else "says not what is held"
        table.wrong("", f"the check {told}", f"write exactly one of {', '.join(KINDS)}")
    made: dict[str, Any] = {kind: _READ[kind](table, task, library) for kind in kinds[:1]}
    usual = Check(name="")
    on_failure = table.get("on_failure", ON_FAILURE, usual.on_failure)
    then = table.get("then", THEN, usual.then)
    _check_uses(table, on_failure, then)
    if after in tools:
        _check_tool(table, after, kinds, on_failure, then)
    if name is None or len(kinds) != 1 or made[kinds[0]] is None:
        return None
    return Check(
        name=name,
        task=task,
        after=after,
        on_failure=on_failure,
        repairs=table.get("repairs", values.whole(1, MOST_REPAIRS), usual.repairs),
        then=then,
        branch=table.get("branch", values.name, usual.branch),
        roles=table.each("roles", review_role, single=True, example='"operator"') if "roles" in table else usual.roles,
        expires_s=table.get("expires", DURATION, None),
        otherwise=table.get("otherwise", OTHERWISE, usual.otherwise),
        **made,
    )


def _check_uses(table: Table, on_failure: OnFailure, then: Then) -> None:
    """What is said is of use."""
    for key in ("repairs", "then"):
        if key in table and on_failure != "repair":
            what = f"{key} has no use while on_failure is {values.show(on_failure)}"
            table.wrong(key, what, 'take it out, or write on_failure = "repair"')
    ends = {on_failure, then}
    if "branch" in table and "branch" not in ends:
        table.wrong("branch", "branch has no use where nothing branches", 'write on_failure = "branch"')
    for key in OF_PERSON:
        if key in table and "ask" not in ends:
            table.wrong(key, f"{key} has no use where nobody is asked", 'take it out, or write on_failure = "ask"')
    if "otherwise" in table and "expires" not in table:
        table.wrong("otherwise", "otherwise has no use where nothing expires", 'write expires = "24h" beside it')


def _check_tool(table: Table, tool: str, kinds: list[str], on_failure: OnFailure, then: Then) -> None:
    """A tool's answer is what it is: nobody can be asked for another one."""
    if on_failure == "repair":
        table.wrong(
            "on_failure", f"{tool} is a tool, which cannot be asked to mend its answer", 'write "ask" or "fail"'
        )
    if "branch" in table and "branch" in {on_failure, then}:
        what = f"{tool} is a tool, in whose place no task can be asked"
        table.wrong("branch", what, "take it out: the program gets CheckBranched then")
    if "samples" in kinds:
        table.wrong("samples", f"{tool} is a tool, and only models are asked several times", "write another check")


def _read_schema(table: Table, task: str, library: Library) -> str | None:
    file = table.get("schema", schema_file, None)
    schema = library.schema(f"tasks/{task}/{file}") if file else None
    return schema.text if schema is not None else None


def _read_rule(table: Table, _task: str, _library: Library) -> str | None:
    return table.get("rule", condition(*FACTS), None)


def _read_agrees(table: Table, _task: str, _library: Library) -> Agrees | None:
    inner = table.table("agrees")
    step = inner.required("with", step_label, '"find_order"')
    fields = inner.elements("fields", field_pair, most=MOST_FIELDS, single=True, example='"total = amount.cents"')
    return Agrees(step, tuple(pair for _, pair in fields)) if step and fields else None


def _read_cited(table: Table, _task: str, _library: Library) -> Cited | None:
    inner = table.table("cited")
    tools = inner.elements("in", tool_name, most=MOST_FIELDS, single=True, example='"search"')
    field, least = inner.get("field", answer_path, ""), inner.get("least", values.whole(0, 1000), 1)
    return Cited(tuple(tool for _, tool in tools), field, least) if tools else None


def _read_judge(table: Table, _task: str, _library: Library) -> Judged | None:
    inner = table.table("judge")
    model = inner.required("model", values.name, '"judge"')
    question = inner.required("question", values.text, '"Does the answer follow from what was asked?"')
    return Judged(model, question) if model and question else None


def _read_samples(table: Table, _task: str, _library: Library) -> Sampled | None:
    inner = table.table("samples")
    count = inner.required("count", values.whole(2, MOST_SAMPLES), "5")
    agree = inner.required("agree", values.number(0, 1, above=True), "0.8")
    fields = inner.elements("fields", answer_path, most=MOST_FIELDS, single=True)
    return Sampled(count, agree, tuple(field for _, field in fields)) if count and agree else None


_READ: Final = {
    "schema": _read_schema,
    "rule": _read_rule,
    "agrees": _read_agrees,
    "cited": _read_cited,
    "judge": _read_judge,
    "samples": _read_samples,
}


def check_name(value: object) -> str:
    """The name of a check."""
    if not isinstance(value, str) or not CHECK_NAME.fullmatch(value):
        what = f"{values.show(value)}, not the name of a check"
        raise values.Wrong(what, "use 1 to 64 of the characters A-Z a-z 0-9 . _ - and spaces between them")
    return value


def step_label(value: object) -> str:
    """The label of a step: a task's or a tool's name, or one that the program gives."""
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
        raise values.Wrong(f"{values.show(value)}, not the label of a step", "write a task's or a tool's name")
    return value


def answer_path(value: object) -> str:
    """A path in an answer."""
    try:
        paths.steps(value if isinstance(value, str) else "[")
    except ValueError:
        instead = 'write keys and indexes, such as "order.items[0].price"'
        raise values.Wrong(f"{values.show(value)}, not a path in an answer", instead) from None
    return str(value)


def field_pair(value: object) -> tuple[str, str]:
    """Two paths that must hold the same: `total = amount.cents`, or one for both."""
    if not isinstance(value, str) or not value.strip():
        raise values.Wrong(values.show(value), 'write a path, or two as "total = amount.cents"')
    here, _, there = (part.strip() for part in value.partition("="))
    return answer_path(here), answer_path(there or here)
