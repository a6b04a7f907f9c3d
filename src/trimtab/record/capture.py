"""A copy of an answer while it goes by, with the delay and length of each chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from trimtab.record import varints
from trimtab.record.redact import PREVIEW_BYTES, Redaction

PIECE_BYTES = 16 << 10
"""How much of an answer is held in memory before it goes into the body store as a piece."""
MAX_CHUNKS = 65_536
"""Chunks told apart; whatever comes later counts into the last one."""
MAX_KEPT_BYTES = 256 << 20
"""Of a longer answer only the digest is kept."""

KeepPiece = Callable[[bytes], bytes | None]


class Capture:
    """The answer of one attempt.

    What is held depends on the redaction: of `full` all bytes (16 KiB at most in memory, what came before is in the
    body store as pieces), of `preview` the first 64 KiB, of `digest` a running sha256, of `none` nothing. Sizes and
    times are kept always. `keep_piece` stores a piece and returns its digest, None when there is no room for it.
    """

    __slots__ = (
        "_chunks",
        "_delays_us",
        "_hash",
        "_held",
        "_held_bytes",
        "_keep_piece",
        "_last_delay_us",
        "_last_length",
        "_last_s",
        "_lengths",
        "_pieces",
        "redaction",
        "size",
    )

    def __init__(self, redaction: Redaction, began_s: float, keep_piece: KeepPiece) -> None:
        self.redaction = redaction
        self.size = 0
        self._last_s = began_s
        self._keep_piece = keep_piece
        self._chunks = 0
        self._delays_us = bytearray()
        self._lengths = bytearray()
        self._last_delay_us = 0
        self._last_length = 0
        self._hash = None if redaction == "none" else hashlib.sha256()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._pieces: list[bytes] | None = []

    def __repr__(self) -> str:
        return f"Capture({self.redaction}, {self._chunks} chunks, {self.size} bytes, {self._held_bytes} held)"

    def add(self, data: bytes, now_s: float) -> None:
        """Takes the next chunk, which came at `now_s` (monotonic seconds)."""
        length = len(data)
        delay_us = max(0, int((now_s - self._last_s) * 1e6))
        self._last_s = now_s
        self.size += length
        self._chunks += 1
        if self._chunks < MAX_CHUNKS:
            varints.append(self._delays_us, delay_us)
            varints.append(self._lengths, length)
        else:
            self._last_delay_us += delay_us
            self._last_length += length
        if self._hash is None:
            return
        if self.redaction == "full":
            if self._held_bytes >= PIECE_BYTES:
                self._spill()
            self._held.append(data)
            self._held_bytes += length
        else:
            self._hash.update(data)
            if self.redaction == "preview" and self._held_bytes < PREVIEW_BYTES:
                self._held.append(data[: PREVIEW_BYTES - self._held_bytes])
                self._held_bytes += len(self._held[-1])

    @property
    def delays_us(self) -> bytes:
        """Microseconds since the chunk before (of the first: since the capture began), packed as varints."""
        return self._packed(self._delays_us, self._last_delay_us)

    @property
    def lengths(self) -> bytes:
        """Bytes of each chunk, packed as varints."""
        return self._packed(self._lengths, self._last_length)

    def _packed(self, packed: bytearray, last: int) -> bytes:
        if self._chunks < MAX_CHUNKS:
            return bytes(packed)
        whole = bytearray(packed)
        varints.append(whole, last)
        return bytes(whole)

    def _spill(self) -> None:
        """Moves what is held into the body store."""
        data = self.held()
        if self._hash is not None:
            self._hash.update(data)
        self._held = []
        self._held_bytes = 0
        if self._pieces is None:
            return
        piece = self._keep_piece(data) if self.size <= MAX_KEPT_BYTES else None
        if piece is None:
            self._pieces = None
        else:
            self._pieces.append(piece)

    def held(self) -> bytes:
        """The bytes in memory: all of a short answer, the beginning for a preview."""
        return self._held[0] if len(self._held) == 1 else b"".join(self._held)

    def finish(self) -> tuple[bytes, list[bytes] | None]:
        """The answer's sha256, and the digests of the pieces it was stored in.

        No pieces mean that all of it is in `held()`; None, that not all of it was kept.
        """
        if self._hash is None:
            raise ValueError("a capture that keeps nothing has no digest")
        if self.redaction == "full":
            if self._pieces == []:
                self._hash.update(self.held())
            else:
                self._spill()
        return self._hash.digest(), self._pieces

    def close(self) -> None:
        """Lets go of what is in memory."""
        self._held = []
        self._held_bytes = 0
        self._pieces = None
