"""Names by which a declaration speaks of data sets and of what tasks retrieve from, and whether these are there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from trimtab.declare import values
from trimtab.declare.mistakes import nearest
from trimtab.declare.table import Table

CASES: Final = re.compile(r"tasks/[a-z0-9._-]{1,64}/cases")


def data_set_name(value: object) -> str:
    """The name of a data set: of `data/NAME.json`, or `tasks/TASK/cases`."""
    if isinstance(value, str) and CASES.fullmatch(value):
        return value
    if not isinstance(value, str) or not values.NAME.fullmatch(value):
        raise values.Wrong(
            f"{values.show(value)}, not the name of a data set", "write NAME of a data/NAME.json, or tasks/TASK/cases"
        )
    return value


def check_data_sets(tasks: Mapping[str, Table], models: Mapping[str, Table], known: Collection[str]) -> None:
    """What was tuned or trained on data of the project names data that is there."""
    for task in tasks.values():
        _check(task.table("prompt"), "tuned_on", known)
    for model in models.values():
        served = model.table("served")
        _check(served, "trained_on", known)
        _check(served.table("adapter"), "trained_on", known)


def check_retrieval(tasks: Mapping[str, Table], known: Iterable[str]) -> None:
    """What a task retrieves from is declared."""
    names = tuple(known)
    for task in tasks.values():
        for index, name in task.elements("retrieval", values.name):
            if name not in names:
                close = nearest(name, names)
                hint = f"did you mean {close}?" if close else f"declare [retrieval.{name}] in trimtab.toml"
                task.wrong_at(("retrieval", index), f"there is no [retrieval.{name}]", hint)


def _check(table: Table, key: str, known: Collection[str]) -> None:
    for index, name in table.elements(key, data_set_name):
        if name not in known:
            close = nearest(name, known)
            file = f"{name}.jsonl" if "/" in name else f"data/{name}.json"
            hint = f"did you mean {close}?" if close else f"write {file}, or take the name out"
            table.wrong_at((key, index), f"there is no data set {values.show(name)}", hint)
