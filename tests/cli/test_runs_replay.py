"""`trimtab runs replay` of agents in Python: what they did is given to them again, and nothing is done."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from trimtab.cli import run
from trimtab.testing import LocalRuns

SHOP = """
import asyncio
import sys
from pathlib import Path

import trimtab

PAID = Path(__file__).with_name("paid")


@trimtab.tool(effect="write")
def pay(cents: int) -> str:
    with PAID.open("a") as file:
        file.write(f"{cents} ")
    return f"paid {cents}"


@trimtab.step
def counted(cents: int) -> str:
    return pay(cents)


@trimtab.run(task="refund")
def agent(cents: int) -> str:
    return f"{counted(cents)}, {pay(cents + 1)}"


if __name__ == "__main__":
    if sys.argv[1] == "work":
        asyncio.run(trimtab.work(agent, until_idle=True))
    elif sys.argv[1] == "connect":
        with trimtab.connect(directory=Path(__file__).parent / ".trimtab", url="http://127.0.0.1:9"):
            print(agent(1900))
    else:
        print(agent(int(sys.argv[1])))
"""
TOML = (
    '[gateway]\nlisten = "127.0.0.1:0"\n[models.m]\nwire = "openai"\nmodel = "m"\nreplicas = ["http://127.0.0.1:9"]\n'
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program whose run `r` is in the journal of the project beside it."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    (tmp_path / "till.py").write_text(SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "till", raising=False)
    module = importlib.import_module("till")
    with LocalRuns(directory=tmp_path / ".trimtab"):
        assert module.agent.options(id="r")(1900) == "paid 1900, paid 1901"
    return tmp_path


def replayed(shop: Path, *words: str) -> int:
    program = (sys.executable, str(shop / "till.py"))
    return run(["runs", "replay", "r", "--project", str(shop), "--", *program, *words])


@pytest.mark.parametrize("how", ["1900", "work", "connect"])
def test_nothing_is_done_again(shop: Path, capfd: pytest.CaptureFixture[str], how: str) -> None:
    """Whether the program calls its run, works off what waits, or says itself where runs are kept."""
    assert replayed(shop, how) == 0
    told = capfd.readouterr().out
    assert how == "work" or "paid 1900, paid 1901\n" in told
    assert "2 answers given again, 0 not asked for, exit status 0." in told
    assert (shop / "paid").read_text() == "1900 1901 "
    with LocalRuns(directory=shop / ".trimtab") as runs:
        assert runs.runs() == ["r"]


def test_what_it_begins_otherwise_is_named(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Another argument is a difference from the first entry on."""
    assert replayed(shop, "1950") == 3
    told = " ".join(capfd.readouterr().out.split())
    assert "it is begun otherwise: cents differs: recorded 1900, now 1950" in told
    assert (shop / "paid").read_text() == "1900 1901 "


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("pay(cents + 1)", "pay(cents + 2)", "step 7 (pay): cents differs: recorded 1901, now 1902"),
        ("{pay(cents + 1)}", "{pay(cents + 1)}, {pay(77)}", "tool pay is taken, and none was recorded there"),
    ],
)
def test_what_it_does_otherwise_is_named_and_not_done(
    shop: Path, capfd: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    """Another step, in the place of one or behind the last."""
    (shop / "till.py").write_text(SHOP.replace(old, new))
    assert replayed(shop, "1900") == 3
    assert words in " ".join(capfd.readouterr().out.split())
    assert (shop / "paid").read_text() == "1900 1901 "


def test_what_it_does_no_more_is_counted(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A program that leaves its last step out has not done its run again."""
    (shop / "till.py").write_text(SHOP.replace(", {pay(cents + 1)}", ""))
    program = (sys.executable, str(shop / "till.py"), "1900")
    assert run(["runs", "replay", "r", "--project", str(shop), "--json", "--", *program]) == 1
    assert json.loads(capfd.readouterr().out) == {"run": "r", "diverged": [], "served": 1, "left": 1, "status": 0}
