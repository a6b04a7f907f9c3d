"""Server-sent events, split as the WHATWG HTML standard, section 9.2, tells a client to."""

from __future__ import annotations

MAX_EVENT_BYTES = 8 << 20


FIELDS = frozenset({b"", b"data", b"event", b"id", b"retry"})


class NotAnEvent(Exception):
    """A line of an event stream begins with no field the standard knows."""


class EventTooLarge(Exception):
    """An event ran past `MAX_EVENT_BYTES` without its blank line."""


class EventSplitter:
    """Cuts a byte stream into whole events and holds back what is not whole yet."""

    __slots__ = ("_held", "_size")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether bytes of an unfinished event are held back."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The events completed by `data`, each with its blank line; raises `EventTooLarge`."""
        if not self._held and data.endswith(b"\n\n") and data.count(b"\n\n") == 1 and b"\r" not in data:
            return [data]
        if not data:
            return []
        self._held.append(data)
        self._size += len(data)
        events: list[bytes] = []
        if b"\n" in data:
            text = b"".join(self._held)
            start = 0
            while end := _event_end(text, start):
                events.append(text[start:end])
                start = end
            self._held = [text[start:]] if start < len(text) else []
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


def data_of(event: bytes) -> bytes | None:
    """The event's data, or None for one that has none (a comment, a ping, a bare `event:` line).

    Raises `NotAnEvent` for a line that is no field of the standard: a browser skips it, but here it means that the
    server is not speaking what it says.
    """
    if event.startswith(b"data: ") and event.find(b"\n") >= len(event) - 2:
        return event[6:-2]
    lines = []
    for line in event.splitlines():
        name, colon, value = line.partition(b":")
        if name == b"data" and colon:
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif name not in FIELDS:
            raise NotAnEvent
    return b"\n".join(lines) if lines else None
