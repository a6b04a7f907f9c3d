"""A run as a gateway and an agent keep it on disk: calls with a conversation that grows, and tools' answers."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from pathlib import Path
from random import Random

from bench.journaled.keeping import store_in
from trimtab.clock import SystemClock
from trimtab.journal.asks import Ask, Begin, Begun, Finish, Open, Refused, Told
from trimtab.journal.entries import Body, Result, Started, body_of
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.retention import compact
from trimtab.record.room import Room as Space

TOOL_BYTES = 5 << 10
SYSTEM = "You look after refunds. Use the tools, and say what you did. " * 20
WORDS = 4000
"""Words that tools' answers are made of."""


class Room:
    """One run in a folder; `journal_s` is the CPU time that its journal took."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.journal_s = 0.0
        self._folder = folder
        self._chance = Random(seed)
        self._words = [
            "".join(self._chance.choices("etaoinshrdlu", k=self._chance.randint(2, 10))) for _ in range(WORDS)
        ]
        self._store = store_in(folder)
        clock = SystemClock()
        log = RollingLog(folder / "bodies" / "w0-1", PACK, clock, Disk(), max_bytes=1 << 26, max_age_s=3600.0)
        space = Space(folder, "w0-1", clock, Disk(), reserve_bytes=4096, spool_limit_bytes=1 << 40)
        self._bodies = Bodies(log, space, clock)
        self._messages: list[bytes] = [json.dumps({"role": "system", "content": SYSTEM}).encode()]
        self._sent: list[int] = []
        self._after = 0
        self._ask(Open("r", Started(1, "refund"), "d"))

    def call(self) -> None:
        """The model is asked with all that was said, calls a tool, and the tool answers."""
        number = len(self._sent)
        request = b'{"model":"main","messages":[' + b",".join(self._messages) + b"]}"
        self._sent.append(len(request))
        kept = self._bodies.request(request, self._messages, "full")
        tool = {"id": f"call_{number}", "name": "look", "arguments": json.dumps({"order": number})}
        answer = json.dumps({"role": "assistant", "content": None, "tool_calls": [tool]}).encode()
        body = Body(kept.body, len(request))
        self._step("model", "chat", sha256(request).hexdigest(), body, answer)
        self._bodies.flush()
        output = json.dumps({"order": number, "history": self._text()}).encode()
        self._step("tool", "look", sha256(b"%d" % number).hexdigest(), body_of(b'{"order":%d}' % number), output)
        said = {"role": "tool", "tool_call_id": f"call_{number}", "content": output.decode()}
        self._messages += [answer, json.dumps(said).encode()]

    def sizes(self) -> tuple[int, int]:
        """The bytes of all files: as they were written, and once control has made finished packs small."""
        self._store.close()
        self._bodies.close()
        written = self._size()
        for pack in self._folder.rglob("*.pack"):
            compact(pack)
        return written, self._size()

    def _size(self) -> int:
        files = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith("reserve")]
        return sum(path.stat().st_size for path in files)

    def sent(self, calls: int) -> int:
        """The bytes of the first requests."""
        return sum(self._sent[:calls])

    def _text(self) -> str:
        words: list[str] = []
        size = 0
        while size < TOOL_BYTES:
            words.append(self._chance.choice(self._words))
            size += len(words[-1]) + 1
        return " ".join(words)

    def _step(self, kind: str, label: str, request: str, body: Body, output: bytes) -> None:
        begun = self._ask(Begin("r", 1, kind, label, request, body, branch="main", after=self._after))  # type: ignore[arg-type]
        assert isinstance(begun, Begun)
        self._after = begun.seq
        made = body_of(output)
        result = Result(1, begun.seq, "ok", made, took_s=0.51, cost_pusd=120_000, input_tokens=4000, output_tokens=80)
        self._ask(Finish("r", 1, result, b"" if made.inline is not None else output))

    def _ask(self, ask: Ask) -> Told:
        begun_s = time.process_time()
        (told,) = self._store.do([ask])
        self.journal_s += time.process_time() - begun_s
        assert not isinstance(told, Refused), told
        return told
