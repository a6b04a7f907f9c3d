"""What a benchmark found: findings with their limits, kept as JSON and shown as Markdown tables.

Figures lie in out/results, quick runs in out/quick, so that none takes the place of figures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.intervals import Estimate

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "out" / "results"
QUICK = BENCH / "out" / "quick"
PAGE = BENCH / "RESULTS.md"
_QUICK: Final = "**A quick run: it shows that the benchmark works, not what the figures are.**"


@dataclass(frozen=True)
class Finding:
    """One figure. `low` and `high` are its 95 % interval where it has one; `holds` is None without a promise."""

    what: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int = 1
    limit: str = ""
    holds: bool | None = None


@dataclass
class Result:
    """All findings of one benchmark, the command that makes them, and what they were computed from."""

    benchmark: str
    question: str
    command: str = ""
    quick: bool = False
    machine: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def show(self, what: str, estimate: Estimate, unit: str = "") -> None:
        """A figure without a promise."""
        self.findings.append(Finding(what, estimate.mean, unit, estimate.low, estimate.high, estimate.n))

    def tell_value(self, what: str, value: float, unit: str = "", n: int = 1) -> None:
        """A single observation without interval or promise."""
        self.findings.append(Finding(what, value, unit, n=n))

    def at_most(self, what: str, estimate: Estimate, ceiling: float, unit: str = "") -> None:
        """A figure whose upper bound must not pass `ceiling`."""
        holds = estimate.high <= ceiling
        self._bound(what, estimate, unit, f"<= {ceiling:g}{unit and ' ' + unit}", holds)

    def at_least(self, what: str, estimate: Estimate, floor: float, unit: str = "") -> None:
        """A figure whose lower bound must not pass below `floor`."""
        holds = estimate.low >= floor
        self._bound(what, estimate, unit, f">= {floor:g}{unit and ' ' + unit}", holds)

    def _bound(self, what: str, estimate: Estimate, unit: str, limit: str, holds: bool) -> None:
        self.findings.append(Finding(what, estimate.mean, unit, estimate.low, estimate.high, estimate.n, limit, holds))

    def worst(self, what: str, value: float, ceiling: float, unit: str = "", n: int = 1) -> None:
        """The largest of `n` observations, which must not pass `ceiling`."""
        limit = f"<= {ceiling:g}{unit and ' ' + unit}"
        self.findings.append(Finding(what, value, unit, n=n, limit=limit, holds=value <= ceiling))

    def equal(self, what: str, value: float, expected: float, n: int = 1) -> None:
        """A count that must be exactly `expected`."""
        self.findings.append(Finding(what, value, n=n, limit=f"= {expected:g}", holds=value == expected))

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return all(finding.holds is not False for finding in self.findings)


def _path(result: Result) -> Path:
    return (QUICK if result.quick else RESULTS) / f"{result.benchmark}.json"


def save(result: Result) -> Path:
    """Write the result as JSON; gives the file. Infinite bounds become null."""
    path = _path(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_finite(asdict(result)), indent=1) + "\n")
    return path


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def load(path: Path) -> Result:
    """A result as it was saved."""
    data = json.loads(path.read_text())
    return Result(**data | {"findings": [Finding(**finding) for finding in data["findings"]]})


def with_earlier_arms(result: Result) -> None:
    """Begin with what the arms of this benchmark found before, if it was saved."""
    path = _path(result)
    if path.exists():
        result.raw["arms"] = load(path).raw.get("arms", {})


def add_arm(result: Result, arm: Result, order: Sequence[str]) -> None:
    """Put what one arm found, a result by that name, in the place of what it found before, and save.

    So a benchmark can be run arm by arm, and one that is stopped loses only the arm that it was at. Findings come in
    the `order` of the arms, each remark below that of its arm; the last one says how and when each arm was run.
    """
    arms = result.raw.setdefault("arms", {})
    arms[arm.benchmark] = asdict(arm)
    chosen = [arms[name] for name in order if name in arms]
    result.findings = [Finding(**one) for each in chosen for one in each["findings"]]
    rows = ["| arm | command | began | minutes | load average |", "|---|---|---|---|---|"]
    rows += [
        f"| {each['benchmark']} | `{each['command']}` | {each['machine']['at']} | {each['machine']['minutes']:.0f} | "
        f"{each['machine']['load_average']} |"
        for each in chosen
    ]
    result.remarks = [*(remark for each in chosen for remark in each["remarks"]), "\n".join(rows)]
    save(result)


def load_saved() -> list[Result]:
    """Every saved result, in the order of their names: a quick run where there are no figures."""
    paths = {path.stem: path for folder in (QUICK, RESULTS) for path in folder.glob("*.json")}
    return [load(path) for _, path in sorted(paths.items())]


def number(value: float | None) -> str:
    """Three significant digits (counts whole), thousands grouped; an absent or infinite bound is a dash."""
    if value is None or not math.isfinite(value):
        return "-"
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def table(findings: Sequence[Finding]) -> str:
    """Findings as a Markdown table."""
    rows = ["| what | value | 95 % interval | n | must be | holds |", "|---|---|---|---|---|---|"]
    for f in findings:
        interval = "" if f.low is None and f.high is None else f"{number(f.low)} - {number(f.high)}"
        holds = {True: "yes", False: "**no**", None: ""}[f.holds]
        rows.append(f"| {f.what} | {number(f.value)} {f.unit} | {interval} | {f.n:,} | {f.limit} | {holds} |")
    return "\n".join(rows)


def section(result: Result) -> str:
    """One benchmark as Markdown: question, command, machine, table, remarks."""
    machine = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in result.machine.items())
    lines = [f"## {result.benchmark}", "", result.question, "", f"`{result.command}` ({machine})", ""]
    if result.quick:
        lines += [_QUICK, ""]
    lines += [table(result.findings), *(f"\n{remark}" for remark in result.remarks)]
    return "\n".join(lines) + "\n"


def write_page(results: Sequence[Result]) -> Path:
    """RESULTS.md from saved results; gives the file. Sections of benchmarks that left none here stand as they are."""
    head = (
        "# Figures\n\nEach section names the command that made it; README.md says what is measured and how.\n"
        "A limit applies to the worse end of the interval: ceilings to the upper bound, floors to the lower.\n"
    )
    sections = _sections()
    for result in results:
        stands = sections.get(result.benchmark, "")
        if not (result.quick and stands and _QUICK not in stands):
            sections[result.benchmark] = section(result)
    PAGE.write_text("\n".join([head, *(text for _, text in sorted(sections.items()))]))
    return PAGE


def _sections() -> dict[str, str]:
    """The sections of the page by the names of their benchmarks."""
    if not PAGE.exists():
        return {}
    parts = PAGE.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}
