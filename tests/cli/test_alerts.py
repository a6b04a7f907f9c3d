"""`trimtab alerts` on a project that does not run: what is wrong, who sees to it, what is watched."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.control.alerting import MODEL, ONCALL, declared
from trimtab.cli import run
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertStore
from trimtab.journal.outbox import Outbox
from trimtab.processes.alert_book import AlertBook
from trimtab.signals.alerts.alert import Evidence, Measured, WhatChanged
from trimtab.signals.alerts.life import HOLD_NS, Found, Moved
from trimtab.signals.alerts.monitors import Place

TASK = 'owner = "support"\nmodel = "small"\nobjective.success = 0.99\n'
ESCAPE = "\x1b[31mred"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an open alert, whose words hold a control code."""
    watch = declared(tmp_path, MODEL + ONCALL, extract=TASK)
    now_ns = SystemClock().wall_ns()
    evidence = Evidence("falls", "share", "", Measured(0.99, 900), Measured(0.9, 100, 0.82, 0.95), 50_000.0, 43_200.0)
    found = Found(Place("extract", "parse_rate_falls"), "parse_rate", "page", now_ns - HOLD_NS, evidence, "support")
    (tmp_path / ".trimtab").mkdir()
    book = AlertBook(AlertStore(open_state(tmp_path / ".trimtab" / "state.db")), IdSource(), now_ns)
    with contextlib.closing(book):
        for at_ns in (now_ns - HOLD_NS, now_ns):
            moved = book.advance([found], at_ns, lambda one: True, lambda place: False)
            cause = WhatChanged("lock", "test", now_ns, "1" * 64, "2" * 64, f"prompts/extract: {ESCAPE}")
            book.keep(
                [
                    Moved(type(one.alert)(**{**_facts(one), "causes": (cause,), "worst": ("call-1",)}), one.step)
                    for one in moved
                ],
                watch,
                at_ns,
            )
    return tmp_path


def _facts(moved: Moved) -> dict[str, Any]:
    return {name: getattr(moved.alert, name) for name in moved.alert.__struct_fields__}


def said(capsys: pytest.CaptureFixture[str], *words: str, project: Path, status: int = 0) -> str:
    """What a verb prints."""
    assert run(["alerts", *words, "--project", str(project)]) == status
    return capsys.readouterr().out


def alert_of(capsys: pytest.CaptureFixture[str], project: Path) -> dict[str, Any]:
    [one] = json.loads(said(capsys, "list", "--state", "all", "--json", project=project))["alerts"]
    assert isinstance(one, dict)
    return one


def test_what_is_wrong_is_listed_and_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence, then whole: figures, causes, calls, history; control codes are shown and not obeyed."""
    listed = said(capsys, "list", project=project)
    assert "! open" in listed
    assert "parse_rate fell from 99.0 % to 90.0 %" in " ".join(listed.split())
    alert = alert_of(capsys, project)["id"]
    assert f"Next: trimtab alerts show {alert}" in listed
    shown = said(capsys, "show", alert, project=project)
    for part in (
        "50,000 to 1, where 43,200 to 1",
        "lock 11111111 -> 22222222",
        "trimtab calls show call-1",
        "open, by",
    ):
        assert part in shown
    assert "\x1b" not in shown
    assert f"Next: trimtab alerts ack {alert}" in shown


def test_a_person_sees_to_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Acknowledged, then resolved, with who and why in its history; once over nothing more can be done."""
    alert = alert_of(capsys, project)["id"]
    assert "o acknowledged" in said(capsys, "ack", alert, "--why", "on it", project=project)
    assert json.loads(said(capsys, "resolve", alert, "--json", project=project))["state"] == "resolved"
    history = json.loads(said(capsys, "show", alert, "--json", project=project))["history"]
    assert [(one["after"], one["by"], one["why"]) for one in history[2:]] == [
        ("acknowledged", "(owner)", "on it"),
        ("resolved", "(owner)", ""),
    ]
    said(capsys, "accept", alert, project=project, status=1)
    said(capsys, "ack", "nobody", project=project, status=1)
    assert "There are no such alerts." in said(capsys, "list", project=project)


def test_silences(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task is silenced for a while, which is listed, mutes, and ends."""
    assert "load test" in said(capsys, "silence", "extract", "--for", "2h", "--why", "load test", project=project)
    assert alert_of(capsys, project)["muted"] is True
    [one] = json.loads(said(capsys, "silences", "--json", project=project))["silences"]
    assert (one["task"], one["by"], one["why"]) == ("extract", "(owner)", "load test")
    assert "load test" in said(capsys, "silences", project=project)
    said(capsys, "unsilence", one["id"], project=project)
    assert "Nothing is silenced." in said(capsys, "silences", project=project)
    said(capsys, "silence", "extract", "--for", "soon", "--why", "x", project=project, status=2)
    said(capsys, "silence", "--for", "2h", "--why", "x", project=project, status=1)


def test_what_is_watched(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules that need no monitor are there from the start."""
    rules = json.loads(said(capsys, "rules", "--json", project=project))["rules"]
    assert {(one["task"], one["rule"]) for one in rules} >= {("extract", "availability_burns"), ("", "replica_down")}
    assert "availability_burns" in said(capsys, "rules", project=project)


def test_a_rule_is_tried(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be sent is said; with --send it waits in the outbox."""
    told = said(capsys, "test", "cost_rises", "--task", "extract", project=project)
    assert "Would be sent to oncall" in told
    assert "Next: trimtab alerts test cost_rises --send" in told
    said(capsys, "test", "cost_rises", "--send", project=project)
    with contextlib.closing(Outbox(open_state(project / ".trimtab" / "state.db"))) as outbox:
        assert [one.kind for one in outbox.due(2**62, 10)] == ["opened", "test"]
    said(capsys, "test", "nothing", project=project, status=1)
