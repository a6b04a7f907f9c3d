"""A copy of an answer while it goes by, with the delay and length of each chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from msgspec import Struct

from trimtab.record import varints
from trimtab.record.redact import PREVIEW_BYTES, Redaction

BATCH_CHUNKS = 16
SMALL_BYTES = 384
"""Chunks wait, 16 at most and none larger than this, and are taken in together."""
PIECE_BYTES = 16 << 10
"""How much of an answer is held in memory before it goes into the body store as a piece."""
MAX_CHUNKS = 65_536
"""Chunks told apart; whatever comes later counts into the last one."""
MAX_KEPT_BYTES = 256 << 20
"""Of a longer answer only the digest is kept."""

KeepPiece = Callable[[bytes], bytes | None]


class Capture(Struct, eq=False):
    """The answer of one attempt.

    What is held depends on the redaction: of `full` all bytes (16 KiB at most in memory, what came before is in the
    body store as pieces), of `preview` the first 64 KiB, of `digest` a running sha256, of `none` nothing. Sizes and
    times are kept always. `last_s` is when the chunk before the next one came, at first when the attempt began.
    `keep_piece` stores a piece and returns its digest, None when there is no room for it.
    """

    redaction: Redaction
    last_s: float
    keep_piece: KeepPiece
    _waiting: list[bytes] = []
    _times_s: list[float] = []
    _size: int = 0
    _chunks: int = 0
    _delays_us: bytearray = bytearray()
    _lengths: bytearray = bytearray()
    _last_delay_us: int = 0
    _last_length: int = 0
    _hash: Any = None
    _held: list[bytes] = []
    _held_bytes: int = 0
    _pieces: list[bytes] | None = []

    def __repr__(self) -> str:
        return f"Capture({self.redaction}, {self.size} bytes in {self._chunks} chunks, {self._held_bytes} held)"

    def add(self, data: bytes, now_s: float) -> None:
        """Takes the next chunk, which came at `now_s` (monotonic seconds)."""
        if not self._size and not self._waiting and len(data) > SMALL_BYTES:
            self._take_first(data, now_s)
            return
        self._waiting.append(data)
        self._times_s.append(now_s)
        if len(data) > SMALL_BYTES or len(self._times_s) == BATCH_CHUNKS:
            self._take()

    def add_all(self, chunks: list[bytes], times_s: list[float]) -> None:
        """Takes several chunks, at least one, and when each of them came; both lists are the capture's from now on."""
        self._take()
        self._waiting, self._times_s = chunks, times_s
        self._take()

    @property
    def size(self) -> int:
        """Bytes so far."""
        self._take()
        return self._size

    @property
    def delays_us(self) -> bytes:
        """Microseconds since the chunk before (of the first: since the capture began), packed as varints."""
        self._take()
        return self._packed(self._delays_us, self._last_delay_us)

    @property
    def lengths(self) -> bytes:
        """Bytes of each chunk, packed as varints."""
        self._take()
        return self._packed(self._lengths, self._last_length)

    def held(self) -> bytes:
        """The bytes in memory: all of a short answer, the beginning for a preview."""
        self._take()
        return self._held[0] if len(self._held) == 1 else b"".join(self._held)

    def finish(self) -> tuple[bytes, list[bytes] | None]:
        """The answer's sha256, and the digests of the pieces it was stored in.

        No pieces mean that all of it is in `held()`; None, that not all of it was kept.
        """
        if self.redaction == "none":
            raise ValueError("a capture that keeps nothing has no digest")
        self._take()
        if self.redaction == "full":
            if self._pieces == []:
                self._digest(self.held())
            else:
                self._spill()
        return self._hash.digest(), self._pieces

    def close(self) -> None:
        """Lets go of what is in memory."""
        self._take()
        self._held = []
        self._held_bytes = 0
        self._pieces = None

    def _take_first(self, data: bytes, now_s: float) -> None:
        """Takes a large first chunk, which most often is the whole answer."""
        delay_s = now_s - self.last_s
        self.last_s = now_s
        self._chunks = 1
        varints.extend(self._delays_us, (int(delay_s * 1e6) if delay_s > 0 else 0,))
        varints.extend(self._lengths, (len(data),))
        self._keep(data)

    def _take(self) -> None:
        """Takes in the chunks that wait."""
        chunks, times_s = self._waiting, self._times_s
        if not chunks:
            return
        self._waiting, self._times_s = [], []
        self._count([len(chunk) for chunk in chunks], [self.last_s, *times_s])
        self._keep(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    def _keep(self, data: bytes) -> None:
        """Takes the bytes in, as far as the redaction allows."""
        self._size += len(data)
        if self.redaction == "full":
            if self._held_bytes and self._held_bytes + len(data) > PIECE_BYTES:
                self._spill()
            self._hold(data)
        elif self.redaction != "none":
            self._digest(data)
            if self.redaction == "preview" and self._held_bytes < PREVIEW_BYTES:
                self._hold(data[: PREVIEW_BYTES - self._held_bytes])

    def _count(self, lengths: list[int], times_s: list[float]) -> None:
        """Notes lengths and delays; `times_s` begins with the time of the chunk before."""
        self.last_s = times_s[-1]
        delays_us = [int((now_s - last_s) * 1e6) if now_s > last_s else 0 for last_s, now_s in pairwise(times_s)]
        told_apart = max(0, MAX_CHUNKS - 1 - self._chunks)
        self._chunks += len(lengths)
        if self._chunks >= MAX_CHUNKS:
            self._last_delay_us += sum(delays_us[told_apart:])
            self._last_length += sum(lengths[told_apart:])
            del delays_us[told_apart:], lengths[told_apart:]
        varints.extend(self._delays_us, delays_us)
        varints.extend(self._lengths, lengths)

    def _packed(self, packed: bytearray, last: int) -> bytes:
        if self._chunks < MAX_CHUNKS:
            return bytes(packed)
        whole = bytearray(packed)
        varints.extend(whole, (last,))
        return bytes(whole)

    def _digest(self, data: bytes) -> None:
        if self._hash is None:
            self._hash = hashlib.sha256(data)
        else:
            self._hash.update(data)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)

    def _spill(self) -> None:
        """Moves what is held into the body store."""
        data = b"".join(self._held)
        self._digest(data)
        self._held = []
        self._held_bytes = 0
        if self._pieces is None:
            return
        piece = self.keep_piece(data) if self._size <= MAX_KEPT_BYTES else None
        if piece is None:
            self._pieces = None
        else:
            self._pieces.append(piece)
