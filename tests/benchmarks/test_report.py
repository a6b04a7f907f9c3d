"""Figures of benchmarks as they are saved and written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import report
from bench.report import Result


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results and the page are kept apart from those of the repository."""
    for name, place in (("RESULTS", "results"), ("QUICK", "quick"), ("PAGE", "RESULTS.md")):
        monkeypatch.setattr(report, name, tmp_path / place)


def saved(benchmark: str, quick: bool, value: float) -> None:
    result = Result(benchmark, "How long?", f"python -m bench {benchmark}", quick)
    result.worst("it took", value, 10, "s")
    report.save(result)


def test_a_quick_run_takes_the_place_of_no_figures() -> None:
    """Made later it changes nothing; where there are no figures it is shown as what it is."""
    saved("lasting", False, 3)
    saved("lasting", True, 1)
    saved("hasty", True, 2)
    text = report.write_page(report.load_saved()).read_text()
    hasty, lasting = text.index("## hasty"), text.index("## lasting")
    assert hasty < lasting
    assert "| it took | 2 s |" in text[hasty:lasting]
    assert "A quick run" in text[hasty:lasting]
    assert "| it took | 3 s |" in text[lasting:]
    assert "A quick run" not in text[lasting:]


def test_figures_of_another_machine_stand() -> None:
    """A section whose data is gone is kept until its benchmark is run again, and no quick run takes its place."""
    saved("first", False, 3)
    saved("second", False, 4)
    whole = report.write_page(report.load_saved()).read_text()
    for path in report.RESULTS.iterdir():
        path.unlink()
    saved("second", True, 9)
    assert report.write_page(report.load_saved()).read_text() == whole
    saved("first", False, 5)
    assert report.write_page(report.load_saved()).read_text() == whole.replace("| 3 s |", "| 5 s |")


def test_a_broken_promise_is_seen() -> None:
    """What is saved is read again whole."""
    saved("slow", False, 11)
    [again] = report.load_saved()
    assert not again.holds
    assert "| it took | 11 s |  | 1 | <= 10 s | **no** |" in report.section(again)


def arm(name: str, value: float) -> Result:
    found = Result(name, "", f"--arms {name}", machine={"at": "noon", "minutes": 2.0, "load_average": 1.0})
    found.worst(f"time of {name}", value, 10, "s")
    found.remarks.append(f"About {name}.")
    found.raw["trials"] = value
    return found


def test_an_arm_takes_the_place_of_its_own_figures_alone() -> None:
    """One run after another: what the other arm found stays, in the order of the arms, and is saved at once."""
    for name, value in (("late", 3.0), ("early", 4.0), ("late", 12.0)):
        result = Result("both", "How long?")
        report.with_earlier_arms(result)
        report.add_arm(result, arm(name, value), ["early", "late"])
    [again] = report.load_saved()
    assert [(one.what, one.value, one.holds) for one in again.findings] == [
        ("time of early", 4.0, True),
        ("time of late", 12.0, False),
    ]
    assert again.remarks[:2] == ["About early.", "About late."]
    assert "| late | `--arms late` | noon | 2 | 1.0 |" in again.remarks[2]
    assert again.raw["arms"]["late"]["raw"] == {"trials": 12.0}
