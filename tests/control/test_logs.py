"""Our own processes log one JSON object a line, without secrets."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from trimtab.processes.logs import JsonLines, event

Line = dict[str, object]


class Log:
    """A logger whose lines are read back."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.logger = logging.getLogger("trimtab.test")
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(JsonLines("control"))
        self.logger.addHandler(self.handler)

    def lines(self) -> list[Line]:
        return [msgspec.json.decode(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.logger.removeHandler(made.handler)


def test_a_line_says_who_when_what(log: Log) -> None:
    """Time in UTC to the millisecond, level, process, event and its facts."""
    event(log.logger, logging.WARNING, "telemetry_down", detail="refused", lag_bytes=7)
    (line,) = log.lines()
    at = datetime.fromisoformat(str(line.pop("ts")))
    assert at.utcoffset() is not None
    assert line == {
        "level": "warning",
        "process": "control",
        "event": "telemetry_down",
        "fields": {"detail": "refused", "lag_bytes": 7},
    }


def test_a_line_stays_one_line(log: Log) -> None:
    """Line ends in a value, and values that JSON does not know, make no second line."""
    event(log.logger, logging.ERROR, "odd", text="a\nb", thing=frozenset({1}))
    (line,) = log.lines()
    assert line["fields"] == {"text": "a\nb", "thing": [1]}


def test_an_exception_comes_with_its_trace(log: Log) -> None:
    """The trace is part of the line."""
    try:
        int("no such thing")
    except ValueError:
        log.logger.exception("failed")
    (line,) = log.lines()
    assert "no such thing" in str(line["error"])
    assert line["event"] == "failed"


@pytest.mark.parametrize("secret", ["tt_0123456789abcdef0123456789abcdef0123456789a", "sk-proj-0123456789abcdef"])
def test_keys_never_reach_the_log(log: Log, secret: str) -> None:
    """Not in the event, not in a fact, not in a trace."""
    event(log.logger, logging.ERROR, f"sent Bearer {secret}", header=f"authorization: Bearer {secret}")
    try:
        int(secret)
    except ValueError:
        log.logger.exception("failed")
    assert secret not in log.stream.getvalue()
    assert len(log.lines()) == 2
