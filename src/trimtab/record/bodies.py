"""The one body store, written side: every request and answer once, in append-only packs, by what it is."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from trimtab.clock import Clock
from trimtab.record import chains, packs, redact
from trimtab.record.capture import Capture
from trimtab.record.chains import Around, Gap
from trimtab.record.log import RollingLog
from trimtab.record.packs import Kind
from trimtab.record.redact import Redaction
from trimtab.record.room import Room

PACK_BYTES = 64 << 20
PACK_AGE_S = 3600.0
PENDING_BYTES = 256 << 10
"""What may wait for a flush; more is written at once."""
KNOWN_BODIES = 32_768
"""Digests remembered so that what the pack has is not written again; when there are more, all are forgotten once."""
INLINE_MESSAGE_BYTES = 1024
"""A longer message is a blob of its own, which other chains can share."""
INLINE_GAP_BYTES = 256
"""A longer piece around the messages (tools, say) is a blob of its own, which other requests can share."""


class RequestRefs(NamedTuple):
    """Where a request's body and its message chain are kept: digests in hexadecimal, empty where nothing is."""

    body: str
    messages: str


NOT_KEPT = RequestRefs("", "")


class Bodies:
    """Bodies of one worker's calls.

    Frames are gathered and written with one call, at the latest by the `flush` the recorder makes before it writes the
    events that refer to them. What this pack holds already is not written again; each pack is complete in itself, so
    that a pack can be deleted when all calls made while it was the newest are. While the disk is full no bodies are
    kept, only their digests; `lost` counts the frames that were not written for that reason.
    """

    def __init__(self, log: RollingLog, room: Room, clock: Clock) -> None:
        self.lost = 0
        self._log = log
        self._room = room
        self._clock = clock
        self._parts: list[bytes] = []
        self._ends: list[int] = [0]
        self._known: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"Bodies({self._log!r}, {self._ends[-1]} bytes waiting, {self.lost} frames lost)"

    def request(self, body: bytes, messages: Sequence[bytes] | None, redaction: Redaction) -> RequestRefs:
        """Keeps a request as far as its task allows; `messages` are slices of `body` that make up its message list.

        `body` of the answer is the sha256 of the body (of its preview under `preview`), `messages` the last node of
        the chain its messages make (under `full` only).
        """
        if redaction == "none":
            return NOT_KEPT
        if redaction == "digest":
            return RequestRefs(sha256(body).hexdigest(), "")
        self._roll_if_due()
        if redaction == "preview":
            return RequestRefs(self._keep_blob(redact.preview_of(body)).hex(), "")
        digest = sha256(body).digest()
        head = self._known.get(digest)
        if head is None:
            head = self._keep_request(digest, body, messages or ())
        return RequestRefs(digest.hex(), head.hex())

    def capture(self, redaction: Redaction) -> Capture:
        """A capture for the answer of an attempt that begins now; hand it to `response` or close it."""
        return Capture(redaction, self._clock.monotonic(), self._keep_piece)

    def response(self, capture: Capture) -> str:
        """Keeps an answer as far as its capture's redaction allows; its digest, empty for no answer and for `none`."""
        if capture.redaction == "none" or not capture.size:
            return ""
        digest, pieces = capture.finish()
        if capture.redaction == "full":
            self._roll_if_due()
            if pieces == []:
                self._keep(Kind.BLOB, digest, capture.held())
            elif pieces is not None:
                self._keep(Kind.PIECES, digest, b"".join(pieces))
        elif capture.redaction == "preview":
            self._roll_if_due()
            digest = self._keep_blob(redact.preview(capture.held(), digest, capture.size))
        return digest.hex()

    def flush(self) -> None:
        """Writes what waits; what a full disk does not take is lost, and the room is told.

        Raises `StoreError` when the disk fails; all that waited is lost then.
        """
        ends = self._ends
        if len(ends) == 1:
            self._roll_if_due()
            return
        parts, self._parts, self._ends = self._parts, [], [0]
        kept = 0
        try:
            if not self._room.full:
                kept = self._log.append(parts, lambda limit: max(end for end in ends if end <= limit))
            if kept < ends[-1]:
                self._room.fill()
        finally:
            if kept < ends[-1]:
                self._known.clear()
                self.lost += sum(1 for end in ends if end > kept)

    def sync_due(self) -> bool:
        """Whether a sync would bring anything to the disk."""
        return self._log.sync_due()

    def sync(self) -> None:
        """Waits until what was written is on the disk; may run in a thread."""
        self._log.sync()

    def close(self) -> None:
        """Writes what waits and seals the pack."""
        self.flush()
        self._log.close()

    def _roll_if_due(self) -> None:
        if self._log.due():
            if self._parts:
                self.flush()
            self._log.roll()
            self._known.clear()

    def _keep_request(self, digest: bytes, body: bytes, messages: Sequence[bytes]) -> bytes:
        """Puts a request in; returns the head of its chain, empty where it has none."""
        texts = [bytes(message) for message in messages]
        found = chains.gaps(body, texts) if texts else None
        if found is None:
            self._keep(Kind.BLOB, digest, body)
            return b""
        head = self._keep_chain(texts)
        around = Around(len(body), head, len(texts), [self._kept_gap(gap) for gap in found])
        self._keep(Kind.REQUEST, digest, chains.encode(around), head)
        return head

    def _keep_chain(self, messages: Sequence[bytes]) -> bytes:
        parent = chains.ROOT
        for message in messages:
            message_digest = sha256(message).digest()
            node = chains.node_digest(parent, message_digest)
            if node not in self._known:
                if len(message) <= INLINE_MESSAGE_BYTES:
                    self._keep(Kind.NODE, node, parent + message)
                else:
                    self._keep(Kind.BLOB, message_digest, message)
                    self._keep(Kind.LINK, node, parent + message_digest)
            parent = node
        return parent

    def _kept_gap(self, gap: Gap) -> Gap:
        if len(gap.text) <= INLINE_GAP_BYTES:
            return gap
        return Gap(gap.times, b"", self._keep_blob(gap.text))

    def _keep_piece(self, piece: bytes) -> bytes | None:
        return None if self._room.full else self._keep_blob(piece)

    def _keep_blob(self, content: bytes) -> bytes:
        digest = sha256(content).digest()
        self._keep(Kind.BLOB, digest, content)
        return digest

    def _keep(self, kind: Kind, digest: bytes, content: bytes, head: bytes = b"") -> None:
        """Puts a frame among those that wait, unless the pack has it already."""
        known = self._known
        if digest in known:
            return
        if len(known) >= KNOWN_BODIES:
            known.clear()
        known[digest] = head
        length = len(content)
        self._parts += (packs.head(kind, digest, length), content)
        end = self._ends[-1] + packs.HEAD_BYTES + length
        self._ends.append(end)
        if end >= PENDING_BYTES:
            self.flush()
