"""What drifted is on the report: detections of every kind, newest first, and nothing else that changed."""

from __future__ import annotations

from msgspec.structs import replace

from tests.reports.test_report import WINDOW
from tests.reports.test_terminal import text_of, words
from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.record.events import Change
from trimtab.reports.drift import KINDS, Drifted
from trimtab.reports.report import compile_report
from trimtab.reports.terminal import MOST_DRIFTED
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch

SWAPPED = Change(NOON_NS, "model_identity", "small http://a", "'x' -0.25", "'x' -0.75", "control", "exact: evidence")
SWITCH = Change(NOON_NS, "snapshot", "test", "a", "b", "edit")


def telemetry(*changes: Change) -> MemoryTelemetry:
    made = MemoryTelemetry()
    made.insert(Batch((call("a"),), (), changes), "t")
    return made


def test_a_detection_is_on_the_report() -> None:
    """With its time, both sides and the evidence; a switch of the snapshot is no drift."""
    report = compile_report(telemetry(SWAPPED, SWITCH), WINDOW, {})
    assert report.drift == (
        Drifted(NOON_NS, "model_identity", "small http://a", "'x' -0.25", "'x' -0.75", "exact: evidence"),
    )
    assert "model small http://a: 'x' -0.25 -> 'x' -0.75; exact: evidence" in words(text_of(report))


def test_every_kind_of_drift_is_told() -> None:
    """Models and tools alike, newest first."""
    changes = [replace(SWAPPED, kind=kind, at_ns=NOON_NS + at * SECOND_NS) for at, kind in enumerate(KINDS)]
    found = compile_report(telemetry(*changes), WINDOW, {}).drift
    assert [one.kind for one in found] == list(reversed(KINDS))


def test_it_is_told_without_calls_too() -> None:
    """A night without traffic hides no swap."""
    quiet = MemoryTelemetry()
    quiet.insert(Batch((), (), (SWAPPED,)), "t")
    told = words(text_of(compile_report(quiet, WINDOW, {})))
    assert "'x' -0.25 -> 'x' -0.75" in told
    assert "No calls ended from" in told


def test_only_the_latest_are_printed() -> None:
    """Beyond five it says how many there are and where to find them."""
    changes = [replace(SWAPPED, at_ns=NOON_NS + at) for at in range(MOST_DRIFTED + 3)]
    assert "! and 3 earlier: `trimtab report --json`" in words(text_of(compile_report(telemetry(*changes), WINDOW, {})))


def test_a_report_of_one_task_is_not_of_the_host() -> None:
    """A key that may see one task sees its figures, not what befell the host."""
    assert compile_report(telemetry(SWAPPED), replace(WINDOW, tasks=("route",)), {}).drift == ()


def test_foreign_words_bring_no_control_codes() -> None:
    """A server's answer is in the sides; it moves no cursor."""
    evil = replace(SWAPPED, after="\x1b[2J\r\nfine")
    assert "\x1b" not in text_of(compile_report(telemetry(evil), WINDOW, {}))
