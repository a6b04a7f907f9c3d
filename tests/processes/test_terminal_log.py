"""The log as people read it on a terminal."""

from __future__ import annotations

import io
import logging
import re

from trimtab.processes.logs import JsonLines, PlainLines, configure, event


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def logged(formatter: logging.Formatter, level: int, name: str, **fields: object) -> str:
    """What a formatter makes of an event."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record))

    logger = logging.Logger("test")
    logger.addHandler(Keep())
    event(logger, level, name, **fields)
    return lines[0]


def test_line_has_time_process_event_and_facts() -> None:
    """A line for people has no braces; a list stands on lines of its own; a warning says so."""
    plain = PlainLines("gateway")
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d gateway    draining  reason=stop open_calls=2",
        logged(plain, logging.INFO, "draining", reason="stop", open_calls=2),
    )
    assert logged(plain, logging.ERROR, "edit_refused", mistakes=["a:1: x", "b:2: y"]).endswith(
        "ERROR edit_refused  mistakes=\n    a:1: x\n    b:2: y"
    )
    assert logged(plain, logging.INFO, "ready").endswith("gateway    ready")


def test_secrets_stay_out_of_it() -> None:
    """What looks like a key is left out of a line for people as it is of JSON."""
    key = "tt_" + "a" * 43
    for formatter in (PlainLines("gateway"), JsonLines("gateway")):
        assert key not in logged(formatter, logging.INFO, "odd", detail=f"Bearer {key}", many=[f"Bearer {key}"])


def test_terminal_gets_lines_and_everything_else_json() -> None:
    """Whether the stream is a terminal decides the form."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    try:
        for stream, begins in ((Terminal(), re.compile(r"\d\d:")), (io.StringIO(), re.compile(r"\{"))):
            configure("gateway", stream)
            event(logging.getLogger("trimtab"), logging.INFO, "ready")
            assert begins.match(stream.getvalue())
    finally:
        root.handlers = before
        root.setLevel(level)
        logging.captureWarnings(False)
