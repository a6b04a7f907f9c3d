"""The log of our own processes: one JSON object a line on standard error, or a line for people on a terminal.

`{"ts": "2026-11-23T10:00:00.123Z", "level": "info", "process": "control", "event": "ready", "fields": {...}}`. A module
of any room logs with the standard library: the message is the event's name, `extra={"fields": {...}}` its facts.
What looks like a key or a password is left out of every line.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from trimtab.record.redact import scrub


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "ts": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "event": scrub(record.getMessage()),
        }
        fields: dict[str, object] = getattr(record, "fields", {})
        if fields:
            line["fields"] = {name: _clean(value) for name, value in fields.items()}
        if record.exc_info:
            line["error"] = scrub(self.formatException(record.exc_info))
        return msgspec.json.encode(line, enc_hook=repr).decode()


class PlainLines(logging.Formatter):
    """Formats a record as one line for a person: `10:00:00 gateway  draining  reason=stop open_calls=2`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; a warning or an error says so."""
        at = datetime.fromtimestamp(record.created).astimezone()
        level = "" if record.levelno < logging.WARNING else f"{record.levelname} "
        fields: dict[str, object] = getattr(record, "fields", {})
        facts = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
        line = f"{at:%H:%M:%S} {self._process:<10} {level}{scrub(record.getMessage())}  {facts}".rstrip()
        return f"{line}\n{scrub(self.formatException(record.exc_info))}" if record.exc_info else line


def configure(process: str, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Sends all logs of this process to a stream (standard error unless told). Once a process."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(PlainLines(process) if handler.stream.isatty() else JsonLines(process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)


def event(logger: logging.Logger, level: int, name: str, **fields: object) -> None:
    """Logs an event with its facts."""
    logger.log(level, name, extra={"fields": fields})


def _clean(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return scrub(value) if isinstance(value, str) else value


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return "".join(f"\n    {_clean(each)}" for each in value)
    return str(_clean(value))
