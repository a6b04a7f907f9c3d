"""What is installed: the wheel is whole, and what is started often is light."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "trimtab"
EXTRAS = {"chdb", "clickhouse_connect", "numpy", "pandas", "pyarrow", "starlette", "tokenizers", "uvicorn"}
LOADED = "import json, sys; {statement}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in the wheel, built as `pip install` builds it."""
    place = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = place.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_wheel_has_every_file_of_the_package(wheel: set[str]) -> None:
    """Whatever git keeps under src/trimtab is in the wheel: code, SQL, migrations, pages, models, projects."""
    tracked = subprocess.run(["git", "ls-files", "-z", "src/trimtab"], cwd=ROOT, check=True, capture_output=True).stdout
    names = {name.removeprefix("src/") for name in tracked.decode().split("\0") if name and (ROOT / name).exists()}
    assert names <= wheel
    assert "trimtab/py.typed" in wheel
    for pattern in (
        "database/migrations/*.sql",
        "store/sql/*.sql",
        "access/*.sql",
        "journal/*.sql",
        "console/templates/*.html",
        "console/static/*.css",
        "console/static/*.js",
        "console/static/*.svg",
        "demo/models/*/model.safetensors",
        "demo/project/trimtab.toml",
        "demo/project/tasks/*/task.toml",
        "demo/project/tasks/*/prompt.md",
        "cli/starter/*.toml",
    ):
        found = [f"trimtab/{path.relative_to(SOURCE)}" for path in SOURCE.glob(pattern)]
        assert found, f"nothing matches {pattern}"
        assert set(found) <= wheel


def test_wheel_has_nothing_else(wheel: set[str]) -> None:
    """No test, benchmark or leftover is installed."""
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name} == {"trimtab"}
    assert not [name for name in wheel if name.endswith((".pyc", ".new", ".orig"))]


def loaded(statement: str) -> set[str]:
    """The top-level modules that are loaded after a statement, in a fresh interpreter."""
    code = LOADED.format(statement=statement)
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return set(json.loads(told.splitlines()[-1]))


def test_import_is_light() -> None:
    """`import trimtab` loads no library at all but the standard one."""
    assert loaded("import trimtab") & (EXTRAS | {"click", "rich", "msgspec", "jinja2", "uvloop", "asyncio"}) == set()


def test_help_is_light() -> None:
    """`trimtab --help` loads click and none of what the verbs need."""
    run = "from trimtab.cli import run; run(['--help'])"
    assert loaded(run) & (EXTRAS | {"rich", "msgspec", "jinja2", "uvloop", "asyncio", "sqlite3"}) == set()


@pytest.mark.parametrize("module", ["trimtab.assemble.gateway", "trimtab.assemble.up", "trimtab.cli.up"])
def test_gateway_and_supervisor_need_no_extra(module: str) -> None:
    """What `trimtab up` runs without control and demo loads nothing of the extras: the gateway alone installs lean."""
    assert loaded(f"import {module}") & EXTRAS == set()


def test_worker_loads_no_console() -> None:
    """A gateway worker loads neither the command line nor tables for terminals."""
    assert loaded("import trimtab.assemble.gateway") & {"click", "rich"} == set()
