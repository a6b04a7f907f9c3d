"""Debian's promtool, and the files it reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trimtab.signals.export.rule_file import text_of
from trimtab.signals.export.rules import Exported

TIMEOUT_S = 300


def promtool(*arguments: str | Path) -> str:
    """What it says; fails the test where it is not content."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(rules: Exported, folder: Path) -> Path:
    """The rules as a file."""
    path = folder / "trimtab.rules.yml"
    path.write_text(text_of(rules.groups), "utf-8")
    return path


def expectation(expr: str, at: str, samples: Mapping[str, float]) -> dict[str, Any]:
    """What an expression comes to at a time, by labels."""
    exp = [{"labels": labels, "value": value} for labels, value in samples.items()]
    return {"expr": expr, "eval_time": at, "exp_samples": exp}


def unit_test(rules: Path, series: Mapping[str, str], expected: Iterable[dict[str, Any]], step: str = "1m") -> None:
    """Runs the rules over series, of which each value is a step from the one before."""
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": step, "input_series": inputs, "promql_expr_test": list(expected)}
    file = rules.with_name("unit.yml")
    content = {"rule_files": [rules.name], "evaluation_interval": step, "tests": [test]}
    file.write_text(json.dumps(content), "utf-8")
    promtool("test", "rules", file)
