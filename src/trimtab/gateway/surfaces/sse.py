"""Server-sent events, split as the WHATWG HTML standard, section 9.2, tells a client to."""

from __future__ import annotations

from trimtab.gateway.surfaces.surface import NOT_JSON

MAX_EVENT_BYTES = 8 << 20


FIELDS = frozenset({b"", b"data", b"event", b"id", b"retry"})


class NotAnEvent(Exception):
    """A line of an event stream begins with no field the standard knows."""


class EventTooLarge(Exception):
    """An event ran past `MAX_EVENT_BYTES` without its blank line."""


NOT_A_STREAM = (*NOT_JSON, NotAnEvent, EventTooLarge)


def what_is_wrong(fault: Exception) -> str:
    """What one of `NOT_A_STREAM` says of a stream, in words."""
    if isinstance(fault, NotAnEvent):
        return "the stream holds lines that are no server-sent events"
    if isinstance(fault, EventTooLarge):
        return "an event of the stream has no end"
    return f"an event of the stream is not valid: {fault}"


class EventSplitter:
    """Cuts a byte stream into whole events; `held` is what it holds back because it is not whole yet."""

    __slots__ = ("_size", "held")

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The events completed by `data`, each with its blank line; raises `EventTooLarge`."""
        if not data:
            return []
        self.held.append(data)
        self._size += len(data)
        events: list[bytes] = []
        if b"\n" in data:
            text = b"".join(self.held)
            start = 0
            while end := _event_end(text, start):
                events.append(text[start:end])
                start = end
            self.held = [text[start:]] if start < len(text) else []
            self._size = len(text) - start
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLarge
        return events


def _event_end(data: bytes, start: int) -> int:
    """Where the event that begins at `start` ends, its blank line included; 0 if it is not whole."""
    plain = data.find(b"\n\n", start)
    if b"\r" not in data:
        return plain + 2 if plain >= 0 else 0
    ends = [plain + 2] if plain >= 0 else []
    for blank in (b"\r\n\r\n", b"\n\r\n"):
        at = data.find(blank, start)
        if at >= 0:
            ends.append(at + len(blank))
    return min(ends, default=0)


def sole_object(data: bytes) -> bytes | None:
    """The JSON object in bytes that are one whole event of one data line, as most reads of a stream are; else None."""
    if (
        data.startswith(b"data: {")
        and data.endswith(b"}\n\n")
        and data.find(b"\n") == len(data) - 2
        and b"\r" not in data
    ):
        return data[6:-2]
    return None


def data_of(event: bytes) -> bytes | None:
    """The event's data, or None for one that has none (a comment, a ping, a bare `event:` line).

    Raises `NotAnEvent` for a line that is no field of the standard: a browser skips it, but here it means that the
    server is not speaking what it says.
    """
    lines = []
    for line in event.splitlines():
        name, colon, value = line.partition(b":")
        if name == b"data" and colon:
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif name not in FIELDS:
            raise NotAnEvent
    return b"\n".join(lines) if lines else None
