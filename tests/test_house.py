"""The rules of the house: who may import whom, how large things may be, and what no file may hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "trimtab"
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc"}

TO_ALL = {"errors", "clock", "ids", "__init__"}
"""What every room may import."""
LIBRARY = {
    "declare", "lock", "policy", "guard", "contracts", "record", "cost", "access", "database", "journal", "gateway",
    "tools", "store", "runs", "statistics", "evals", "signals", "advice", "planner", "console", "data", "reports",
}  # fmt: skip
EVERYTHING = LIBRARY | {"processes", "demo", "testing", "assemble", "cli"}
MAY_IMPORT: dict[str, set[str]] = {
    "declare": set(),
    "guard": set(),
    "contracts": set(),
    "record": set(),
    "statistics": set(),
    "database": set(),
    "cost": {"record"},
    "access": {"database"},
    "lock": {"declare", "contracts", "cost", "statistics"},
    "data": {"declare", "record", "store", "statistics"},
    "policy": {"declare", "lock", "contracts", "guard", "cost", "access"},
    "journal": {"record", "database", "cost", "contracts", "access"},
    "gateway": {"policy", "declare", "guard", "contracts", "record", "cost", "journal"},
    "tools": {"policy", "declare", "guard", "contracts", "record", "journal"},
    "store": {"record"},
    "runs": {"declare", "lock", "contracts", "record", "journal"},
    "evals": {"policy", "declare", "lock", "contracts", "statistics", "store", "cost", "runs", "data"},
    "reports": {"policy", "store", "statistics", "cost"},
    "signals": {"policy", "record", "store", "statistics", "cost"},
    "advice": {"policy", "store", "statistics", "cost", "evals"},
    "planner": {"policy", "record", "store", "statistics", "cost"},
    "console": {
        "policy", "declare", "record", "store", "journal", "data", "evals", "signals", "advice", "planner", "lock",
        "cost", "reports", "access",
    },
    "processes": LIBRARY,
    "demo": set(),
    "testing": {"journal", "runs"},
    "assemble": EVERYTHING,
    "cli": EVERYTHING,
    "__main__": EVERYTHING,
    "errors": set(),
    "clock": set(),
    "ids": set(),
    "__init__": EVERYTHING,
}  # fmt: skip
"""The table of the plan: the rooms that a room may import. What is not listed is forbidden."""

TEXTS = {".py", ".md", ".toml", ".sql", ".txt", ".sh", ".c", ".json", ".jsonl", ".cfg", ".yml", ".yaml", ".lock", ""}
SKIPPED = {".git", "__pycache__", "node_modules", "out", "dist", "build"}
FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.~])/(?:home/[a-z]|Users/[A-Za-z]|root/|work/)"),
    "the address of a package index": re.compile(
        r"--(?:extra-)?index" + r"-url|(?:pypi\.org|pythonhosted\.org|/simple/?[\"'\s])", re.IGNORECASE
    ),
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name without `trimtab`; a package stands for its `__init__`."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts if parts[-1] != "__init__" or len(parts) == 1 else parts[:-1])] = path
    return found


MODULES = modules()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def room(module: str) -> str:
    return module.partition(".")[0]


def imported(module: str) -> set[str]:
    """The modules of ours that a module imports, lazily or not, for types only or not."""
    found = set()
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{module} line {node.lineno}: write the whole name instead of a relative import")
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {ours(name) for name in names if name.split(".")[0] == "trimtab"}
    return found


def ours(name: str) -> str:
    """The module that holds an imported name."""
    inner = name.partition(".")[2]
    while inner and inner not in MODULES:
        inner = inner.rpartition(".")[0]
    return inner or "__init__"


@pytest.mark.parametrize("module", MODULES)
def test_imports(module: str) -> None:
    """A room imports only the rooms that the plan lets it import."""
    allowed = MAY_IMPORT[room(module)] | TO_ALL | {room(module)}
    assert {name for name in imported(module) if room(name) not in allowed} == set()


def test_every_room_is_in_the_table() -> None:
    """A new room needs its row in the plan and here."""
    assert {room(module) for module in MODULES} <= set(MAY_IMPORT)


def test_the_table_has_no_circle() -> None:
    """No two libraries may import each other, not even by way of others."""
    assert circle({name: MAY_IMPORT[name] & LIBRARY for name in LIBRARY}) == []


def test_no_circle_of_modules() -> None:
    """Modules do not import each other in a circle, lazily or for types either."""
    assert circle({module: imported(module) - {module} for module in MODULES}) == []


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of a graph, or nothing."""
    done: set[str] = set()
    for start, first in graph.items():
        path: list[str] = []
        waiting: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(first)))]
        while waiting:
            node, following = waiting[-1]
            if len(path) < len(waiting):
                path.append(node)
            step = next((name for name in following if name not in done), None)
            if step is None:
                done.add(node)
                waiting.pop()
                path.pop()
            elif step in path:
                return [*path[path.index(step) :], step]
            else:
                waiting.append((step, iter(sorted(graph.get(step, set())))))
    return []


def test_circles_are_found() -> None:
    """The search for circles finds one, however long, and none where there is none."""
    assert circle({"a": {"b", "d"}, "b": {"c"}, "c": {"a"}, "d": set()}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def python_files() -> list[Path]:
    return sorted(path for folder in (SOURCE, ROOT / "tests", ROOT / "bench") for path in texts(folder, {".py"}))


def texts(folder: Path, endings: set[str]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in SKIPPED or path.is_symlink():
            continue
        if path.is_dir():
            yield from texts(path, endings)
        elif path.suffix in endings:
            yield path


def test_files_are_short() -> None:
    """No file of Python has more than 500 lines."""
    counted = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {name: lines for name, lines in counted.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """No function of the package has more than 60 lines."""
    long = {
        f"{module}.{node.name}": lines
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_no_drawers() -> None:
    """No file or folder of Python is a drawer for what had no place."""
    parts = {part for path in python_files() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert {part for part in parts if set(part.lower().split("_")) & DRAWERS} == set()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_of_a_machine(what: str) -> None:
    """No file tells where somebody's checkout lies or where packages are fetched from."""
    files = [
        path for name in ("src", "tests", "bench", "docs", "requirements", ".ci") for path in texts(ROOT / name, TEXTS)
    ]
    files += [path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix in TEXTS]
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []
