"""The documentation says what is so: commands, verbs, codes, dependencies, rooms and files are held to the code."""

from __future__ import annotations

import builtins
import re
import symtable
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from bench.__main__ import SUITES
from trimtab import errors
from trimtab.cli import VERBS, verbs
from trimtab.demo import welcome
from trimtab.gateway.failures import REJECTED_AS
from trimtab.processes.directory import DataDirectory

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
PIN = r"^([a-z0-9._-]+)==([^\s;]+)([^\n]*)\\\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)+"
ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def rows(page: str, heading: str = "") -> dict[str, list[str]]:
    """The table rows of a page whose first cell is code, by that cell; under one heading if it is given."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if heading:
        text = re.split(r"^## ", text.split(f"\n## {heading}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return {first: [cell.strip() for cell in rest.split("|")] for first, rest in ROW.findall(text)}


def trimtab_lines() -> Iterator[list[str]]:
    """Every `trimtab ...` command of the documentation: in shell blocks, and in the text as code."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for line in lines:
            words = line.split("#")[0].split()
            if len(words) > 1 and Path(words[0]).name == "trimtab":
                yield words[1:]


def test_every_benchmark_is_explained() -> None:
    """What it measures and what must hold stand in the table of the benchmarks' README."""
    assert rows("../bench/README.md", "What each one measures").keys() == SUITES.keys()


def test_every_command_of_the_documentation_exists() -> None:
    """Each `trimtab VERB ...` names a verb, its sub-commands and options that are there."""
    seen = set()
    for words in trimtab_lines():
        command: click.Command | None = verbs
        context = click.Context(verbs)
        rest = list(words)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            command = command.get_command(context, name)
            assert command is not None, f"trimtab {' '.join(words)}: there is no {name}"
            seen.add(name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        for word in takewhile(lambda word: word != "--", rest):
            if word.startswith("--"):
                assert word in known, f"trimtab {' '.join(words)}: no option {word}"
    assert set(VERBS) <= seen, "a verb that no page mentions"


def test_every_make_target_of_the_documentation_exists_and_tells_what_it_does() -> None:
    """`make X` in the text is a target of the Makefile, and each target has its line of help."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = dict(re.findall(r"^([a-z-]+):.*?## (.+)$", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    assert set(targets) == phony
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)(?:`| )", text, re.MULTILINE))
    assert {"up", "test", "test-engine", "bench"} <= named <= set(targets)


def test_curl_line_of_the_readme_is_the_one_that_is_printed() -> None:
    """What `make up` prints and what the README shows is the same call."""
    assert welcome.curl_line("http://127.0.0.1:8400", None) in README


def test_python_of_the_documentation_is_python() -> None:
    """Every Python block compiles."""
    found = [block for page in PAGES for block in blocks(page.read_text(encoding="utf-8"), "python")]
    assert found
    for block in found:
        compile(block, "documentation", "exec")


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """A scope and all within it."""
    yield table
    for within in table.get_children():
        yield from tables(within)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_of_the_documentation_names_what_it_imports(page: Path) -> None:
    """Pasted one below the other, the blocks of a page use no name that nothing above or below brings."""
    top = symtable.symtable("\n".join(blocks(page.read_text(encoding="utf-8"), "python")), page.name, "exec")
    brought = {one.get_name() for one in top.get_symbols() if one.is_assigned() or one.is_imported()}
    used = {
        one.get_name()
        for table in tables(top)
        for one in table.get_symbols()
        if one.is_referenced() and (table is top or one.is_global())
    }
    assert used <= brought | set(dir(builtins))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of this repository."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def call_errors(kind: type[errors.CallError] = errors.CallError) -> Iterator[type[errors.CallError]]:
    """The ends of a call that have a code of their own."""
    for child in kind.__subclasses__():
        if child.__module__ == "trimtab.errors" and "code" in vars(child):
            yield child
        yield from call_errors(child)


def test_error_codes_both_ways() -> None:
    """docs/errors.md has every code with its status and whether it may be sent again, and no other."""
    documented = {code: (int(cells[0]), cells[1].startswith("after")) for code, cells in rows("errors.md").items()}
    assert documented == {kind.code: (kind.status, kind.may_repeat) for kind in call_errors()}


def test_errors_that_pass_through_are_told() -> None:
    """The statuses of an upstream that pass through, and their codes in the record, stand on the page."""
    text = " ".join((ROOT / "docs" / "errors.md").read_text(encoding="utf-8").split())
    statuses = [str(status) for status in REJECTED_AS]
    assert f"own {', '.join(statuses[:-1])} and {statuses[-1]} pass through" in text
    codes = [f"`{code}`" for code in REJECTED_AS.values()]
    assert f"they are {', '.join(codes[:-1])} and {codes[-1]}" in text


def name_of(requirement: str) -> str:
    """The package a requirement names."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower()


def test_dependencies_both_ways() -> None:
    """docs/dependencies.md has every dependency of pyproject.toml in its section, and no other."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    assert set(rows("dependencies.md", "Always")) == {name_of(each) for each in project["dependencies"]}
    extras = project["optional-dependencies"]
    assert set(extras) == {
        "aws",
        "charts",
        "control",
        "demo",
        "google",
        "language",
        "mcp",
        "postgres",
        "tokens",
        "yaml",
    }
    for extra, requirements in extras.items():
        assert set(rows("dependencies.md", f"Extra `{extra}`")) == {name_of(each) for each in requirements}
    groups = {
        (name_of(each), group)
        for group, requirements in declared["dependency-groups"].items()
        for each in requirements
        if isinstance(each, str)
    }
    assert {(name, cells[0]) for name, cells in rows("dependencies.md", "Groups").items()} == groups


def test_locks_have_hashes_agree_and_name_no_index() -> None:
    """Every pin has a hash, the two locks agree on versions, and no address stands in them."""
    pins: dict[str, dict[str, str]] = {}
    for lock in ("dev", "up"):
        text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
        assert "://" not in text
        assert "index" not in re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
        entries = re.findall(PIN, text, re.MULTILINE)
        assert len(entries) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
        pins[lock] = {f"{name}{marker}": version for name, version, marker in entries}
    assert {name: pins["dev"].get(name) for name in pins["up"]} == pins["up"]


def test_rooms_both_ways() -> None:
    """docs/structure.md lists the rooms that are there, and no other."""
    listed = {name.rstrip("/") for cell in _first_cells("Rooms") for name in re.findall(r"`([^`]+)`", cell)}
    source = ROOT / "src" / "trimtab"
    rooms = {path.name for path in source.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    files = {path.name for path in source.glob("*.py") if not path.name.startswith("__")}
    assert listed == rooms | files


def test_modules_on_the_path_of_a_call_exist() -> None:
    """Each `room/module` that the numbered path names is a module or a package."""
    text = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8").split("## Rooms")[0]
    named = re.findall(r"`([a-z]+/[a-z_]+)`", text)
    assert len(named) >= 15
    for name in named:
        place = ROOT / "src" / "trimtab" / name
        assert place.with_suffix(".py").exists() or (place / "__init__.py").exists(), name


def test_places_of_the_data_directory_are_listed() -> None:
    """Every place that the code names in the data directory has its row; `run` has one for each file."""
    listed = {place if place.startswith("run/") else place.split("/")[0] for place in rows("structure.md")}
    directory = DataDirectory(Path("data"))
    names = [name for name, value in vars(DataDirectory).items() if isinstance(value, property)]
    places = {str(getattr(directory, name).relative_to("data")) for name in names}
    assert places - {"run"} <= listed


def test_changelog_begins_with_what_is_not_released() -> None:
    """What a user will notice next stands on top."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"


def _first_cells(heading: str) -> list[str]:
    text = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
