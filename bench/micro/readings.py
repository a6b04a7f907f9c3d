"""What reading a call's bodies costs control, off the path of calls.

`python bench/micro/readings.py` prints microseconds of CPU for each call (one process, the lowest of several rounds):
for its search text, made of 300 calls a second at most, and for its readings, made of ten calls of a task a second.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trimtab.clock import SystemClock
from trimtab.declare.project import Defaults, Gateway, Listen, Output, Prompt, Schema, Turn
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.processes.contents import ContentReader, Readings, text_of
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.events import Admitted, Settled
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.room import Room

ROUNDS = 7
CALLS = 200
SCHEMA = Schema(
    json.dumps(
        {
            "properties": {
                "label": {"enum": ["billing", "access", "other"]},
                "urgent": {"type": "boolean"},
                "amount": {"type": "number"},
                "reason": {"type": "string"},
            }
        }
    ),
    "5c" * 32,
)
SENTENCE = "My printer stopped working after the update, order {n} has not come, and nobody answers my mails. "
ANSWER = json.dumps(
    {"label": "billing", "urgent": True, "amount": 12.5, "reason": "The customer was charged twice. " * 6}
)


def snapshot() -> Snapshot:
    """A snapshot with one task that keeps bodies whole and answers under a schema."""
    defaults = Defaults()
    fields: dict[str, Any] = {
        "sampling": None,
        "objective": None,
        "deadline": defaults.deadline,
        "retry": defaults.retry,
    }
    prompt = Prompt((Turn("user", "{{ ticket }}"),), ("ticket",), "ab" * 32)
    task = TaskPolicy("t", "", "interactive", ("m",), **fields, redaction="full", prompt=prompt, output=Output(SCHEMA))
    gateway = Gateway(Listen("127.0.0.1", 8400), workers=1)
    return Snapshot("d" * 64, "bench", "", gateway, defaults, {}, {}, {}, {"t": task}, {}, {}, keys_required=True)


def request(size: int, number: int) -> bytes:
    """A conversation of so many bytes that ends in a question."""
    turn = SENTENCE.format(n=number)
    history = [{"role": ("user", "assistant")[n % 2], "content": turn * 3} for n in range(size // (3 * len(turn)))]
    return json.dumps({"model": "t", "messages": [*history, {"role": "user", "content": turn * 4}]}).encode()


def whole(text: str) -> bytes:
    """An answer in one piece."""
    return json.dumps(
        {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
    ).encode()


def streamed(text: str, pieces: int) -> bytes:
    """The same answer as a stream of so many events."""
    size = -(-len(text) // pieces)
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    parts += [""] * (pieces - len(parts))
    events = [json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"content": part}}]}) for part in parts]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()


def recorded(bodies: Bodies, number: int, size: int, answer: bytes) -> Settled:
    """A call with its bodies kept."""
    refs = bodies.request(request(size, number), None, "full")
    capture = bodies.capture("full")
    capture.add(answer, 0.0)
    digest = bodies.response(capture)
    bodies.flush()
    admitted = Admitted(
        f"{number:032x}",
        1,
        "g0",
        "bench",
        "s",
        "t",
        "k",
        "chat_completions",
        "t",
        request_body=refs.body,
        schema=SCHEMA.digest,
    )
    return Settled(
        admitted, number * 10**9, "ok", 200, 1, verdict="valid", response_body=digest, response_bytes=len(answer)
    )


def lowest(work: Callable[[], object]) -> float:
    """Microseconds of CPU a call."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) / CALLS * 1e6)
    return min(found)


def measured(size: int, answer: bytes) -> tuple[float, float]:
    """Microseconds of CPU for the search text and for the readings of a call."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as directory:
        room = Room(Path(directory), "g0", clock, Disk(), reserve_bytes=1 << 20, spool_limit_bytes=1 << 40)
        log = RollingLog(Path(directory) / "bodies" / "g0", PACK, clock, Disk(), max_bytes=1 << 30, max_age_s=3600)
        bodies = Bodies(log, room, clock)
        calls = [recorded(bodies, number, size, answer) for number in range(CALLS)]
        index = BodyIndex(Path(directory) / "bodies")
        index.update()
        made = snapshot()
        reader = ContentReader(index, lambda: made)
        readings = Readings(reader)
        assert len(readings.read(reader.glance(calls[0]))) == 5
        texts = lowest(lambda: [text_of(reader.glance(call), ()) for call in calls])
        return texts, lowest(lambda: [readings.read(reader.glance(call)) for call in calls])


def main() -> None:
    """Prints a line for each kind of call."""
    shapes = {
        "1 KB asked, answer whole": (1_000, whole(ANSWER)),
        "1 KB asked, answer in 100 events": (1_000, streamed(ANSWER, 100)),
        "20 KB asked, answer whole": (20_000, whole(ANSWER)),
        "200 KB asked, answer in 1,000 events": (200_000, streamed(ANSWER, 1_000)),
    }
    for name, (size, answer) in shapes.items():
        texts, readings = measured(size, answer)
        print(f"{name}: search text {texts:,.0f} us, readings {readings:,.0f} us")


if __name__ == "__main__":
    main()
