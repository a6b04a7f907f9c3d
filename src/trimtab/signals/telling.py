"""What is told of signals at once: figures and objectives of a window, and the catalogue as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from trimtab.policy.snapshot import TaskPolicy
from trimtab.signals.calibration import ReliabilityShown, reliability_of
from trimtab.signals.catalogue import SIGNALS
from trimtab.signals.export.promql import expression
from trimtab.signals.figure import Figures, Gauge
from trimtab.signals.figures import Counted, FigureQuery, figures
from trimtab.signals.judged import CALIBRATION
from trimtab.signals.objectives import ObjectiveFigure, objectives
from trimtab.signals.signal import Better, Family, Kind, Source


class Told(Struct, frozen=True):
    """Figures of a window, how the tasks in it stand with their objectives now, and how well confidence tells what is
    right; the latter two only where a whole window is asked for, by task.
    """

    figures: Figures
    objectives: tuple[ObjectiveFigure, ...] = ()
    reliability: tuple[ReliabilityShown, ...] = ()


class Described(Struct, frozen=True):
    """A signal in words. `among` is the denominator; `promql` finds the same in Prometheus, empty where none does."""

    name: str
    family: Family
    kind: Kind
    unit: str
    better: Better
    source: Source
    says: str
    means: str
    of: str
    among: str
    promql: str


class Catalogue(Struct, frozen=True):
    """All signals."""

    signals: tuple[Described, ...]


def told(
    telemetry: Counted,
    query: FigureQuery,
    policies: Mapping[str, TaskPolicy],
    gauges: Sequence[Gauge] = (),
) -> Told:
    """Figures and objectives; objectives are reckoned at the end of the window. Raises as `figures` does."""
    found = figures(telemetry, query, gauges)
    is_whole = query.by == "task" and not query.step_s
    names = set(query.signals)
    goals = objectives(telemetry, policies, query.until_ns, query.tasks) if is_whole else ()
    is_calibrated = is_whole and (not names or CALIBRATION.name in names)
    told_of = reliability_of(telemetry, query.since_ns, query.until_ns, query.tasks) if is_calibrated else ()
    return Told(found, tuple(one for one in goals if not names or one.signal in names), told_of)


def catalogue() -> Catalogue:
    """Every signal as data."""
    return Catalogue(
        tuple(
            Described(
                one.name,
                one.family,
                one.kind,
                one.unit,
                one.better,
                one.source,
                one.says,
                one.means,
                one.of,
                one.among,
                expression(one, "1h"),
            )
            for one in SIGNALS
        )
    )
