"""What recording costs: CPU of a call's events and bodies, of a streamed chunk, and what compaction saves.

`python bench/micro/records.py` prints microseconds of CPU (user and system, one process), the lowest of several rounds,
since other work on the machine can only add to it.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from trimtab.clock import SystemClock
from trimtab.record import retention
from trimtab.record.bodies import PACK_AGE_S, PACK_BYTES, Bodies
from trimtab.record.capture import Capture
from trimtab.record.disk import Disk
from trimtab.record.events import Admitted, Attempt, Settled, Usage
from trimtab.record.frames import SEGMENT
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.recorder import Recorder
from trimtab.record.redact import Redaction
from trimtab.record.room import Room
from trimtab.record.spool import SEGMENT_AGE_S, SEGMENT_BYTES, Spool

EPOCH = "g0-0123456789ab"
ROUNDS = 7
REDACTIONS: tuple[Redaction, ...] = ("none", "digest", "full")
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
USAGE = Usage(input=211, cache_read=64, output=128)


def words(source: random.Random) -> list[str]:
    """A vocabulary in which common words are shorter and said more often, as in prose."""
    known = ["".join(source.choices(LETTERS, k=2 + rank.bit_length() // 2)) for rank in range(2000)]
    return [word for rank, word in enumerate(known) for _ in range(1 + 400 // (rank + 1))]


WORDS = words(random.Random(1))


def text(source: random.Random, size: int) -> str:
    """Prose of `size` characters."""
    return " ".join(source.choices(WORDS, k=size // 3 + 1))[:size]


def worker(directory: Path) -> tuple[Recorder, Bodies]:
    """A recorder as a gateway worker has one."""
    clock, disk = SystemClock(), Disk()
    room = Room(directory, EPOCH, clock, disk, reserve_bytes=16 << 20, spool_limit_bytes=8 << 30)
    segments = RollingLog(
        directory / "spool" / EPOCH, SEGMENT, clock, disk, max_bytes=SEGMENT_BYTES, max_age_s=SEGMENT_AGE_S
    )
    packs = RollingLog(directory / "bodies" / EPOCH, PACK, clock, disk, max_bytes=PACK_BYTES, max_age_s=PACK_AGE_S)
    bodies = Bodies(packs, room, clock)
    return Recorder(Spool(segments), bodies, room), bodies


def lowest(count: int, act: Callable[[int], object]) -> float:
    """Microseconds of CPU of one `act(i)`."""
    best = float("inf")
    for r in range(ROUNDS):
        began = time.process_time_ns()
        for i in range(count):
            act(r * count + i)
        best = min(best, (time.process_time_ns() - began) / count / 1000)
    return best


def call(recorder: Recorder, bodies: Bodies, redaction: Redaction, number: int, body: bytes, answer: bytes) -> None:
    """One call that is not streamed; its end is written with the next call, as under load."""
    refs = bodies.request(body, list(msgspec.json.decode(body, type=Body).messages), redaction)
    name = f"{number:032x}"
    admitted = Admitted(
        call=name,
        at_ns=1_795_000_000_000_000_000 + number,
        worker=EPOCH,
        environment="production",
        snapshot="5f2b9c" * 10,
        task="triage",
        key="support-app",
        surface="chat_completions",
        model="triage",
        cost_bound_pusd=71_000_000,
        run=name,
        request_bytes=len(body),
        request_body=refs.body,
        messages=refs.messages,
        max_output_tokens=256,
    )
    recorder.admit(admitted)
    capture = bodies.capture(redaction)
    capture.add(answer, time.monotonic())
    recorder.attempt(
        Attempt(name, 1, admitted.at_ns, "small", "http://10.0.0.11:8000", "ok", 0.25, 0.0, 0.2, None, 200, True)
    )
    kept = bodies.response(capture)
    recorder.settle(
        Settled(
            admitted,
            admitted.at_ns,
            "ok",
            200,
            1,
            model="small",
            replica="http://10.0.0.11:8000",
            total_s=0.25,
            finish_reason="stop",
            usage=USAGE,
            cost_pusd=113_000_000,
            cost_label="exact",
            response_bytes=len(answer),
            response_body=kept,
            upstream_model="Qwen/Qwen3-8B",
            upstream_id="chatcmpl-0123456789",
            choices=1,
            chunk_delays_us=capture.delays_us,
            chunk_lengths=capture.lengths,
        )
    )
    capture.close()


class Body(msgspec.Struct):
    """As much of a request as tells its messages apart."""

    messages: list[msgspec.Raw]


def request(source: random.Random, size: int, number: int = 0) -> bytes:
    """A chat request of about `size` bytes with a system prompt and one question of its own."""
    system = {"role": "system", "content": "You sort messages. Answer with one word."}
    user = {"role": "user", "content": f"{number} {text(source, max(1, size - 180))}"}
    return msgspec.json.encode({"model": "triage", "messages": [system, user], "temperature": 0, "max_tokens": 256})


def chunk(source: random.Random) -> bytes:
    """One event of a streamed answer, about 220 bytes."""
    delta = {"index": 0, "delta": {"content": source.choice(WORDS) + " "}, "logprobs": None, "finish_reason": None}
    said = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk", "created": 1795000000}
    return b"data: " + msgspec.json.encode(said | {"model": "Qwen/Qwen3-8B", "choices": [delta]}) + b"\n\n"


def calls(recorder: Recorder, bodies: Bodies, source: random.Random) -> None:
    """Prints what a call costs, by the size of its request and what is kept of it."""
    answer = msgspec.json.encode({"choices": [{"message": {"content": text(source, 900)}}]})
    for size, count in ((1_000, 2_000), (100_000, 100), (1_000_000, 10)):
        requests = [request(source, size, i) for i in range(count * ROUNDS)]
        reading = lowest(count, partial(read, requests))
        for redaction in REDACTIONS:
            cost = lowest(count, partial(record, recorder, bodies, redaction, requests, answer))
            print(f"call, {size} B request, {redaction}: {cost - reading:.1f} us")


def read(requests: list[bytes], number: int) -> None:
    """What `call` does that is not recording."""
    list(msgspec.json.decode(requests[number], type=Body).messages)


def record(
    recorder: Recorder, bodies: Bodies, redaction: Redaction, requests: list[bytes], answer: bytes, number: int
) -> None:
    """One call of a round; every answer is another."""
    call(recorder, bodies, redaction, number, requests[number], b"%s%d" % (answer, number))


def chunks(bodies: Bodies, source: random.Random) -> None:
    """Prints what a chunk of a streamed answer costs."""
    some = [chunk(source) for _ in range(1000)]
    for redaction in REDACTIONS:
        capture = bodies.capture(redaction)
        cost = lowest(20_000, partial(take, capture, some))
        print(f"streamed chunk of 220 B, {redaction}: {cost:.2f} us")


def take(capture: Capture, some: list[bytes], number: int) -> None:
    """One chunk every 20 ms."""
    capture.add(some[number % 1000], number * 0.02)


def compaction(directory: Path, source: random.Random) -> None:
    """Prints what finished packs shrink to, and what making their index takes."""
    recorder, bodies = worker(directory)
    for number in range(300):
        bodies.request(request(source, 4_000, number), None, "full")
        capture = bodies.capture("full")
        capture.add(b"".join(chunk(source) for _ in range(300)), 0.0)
        bodies.response(capture)
    recorder.close()
    packs = sorted((directory / "bodies").glob("*/*.pack"))
    size = sum(path.stat().st_size for path in packs)
    began = time.process_time()
    saved = sum(retention.compact(path) for path in packs)
    seconds = time.process_time() - began
    print(f"compaction of requests and event streams: {size} B to {size - saved} B, {size / 1e6 / seconds:.0f} MB/s")
    began = time.process_time()
    BodyIndex(directory / "bodies").update()
    print(f"index of these packs: {(time.process_time() - began) * 1e3:.1f} ms")


def main() -> None:
    """Prints one figure a line; a directory on the disk to be measured may be given."""
    source = random.Random(7)
    base = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=base) as name:
        recorder, bodies = worker(Path(name))
        calls(recorder, bodies, source)
        chunks(bodies, source)
        recorder.close()
        print(f"write(2) of 700 B, for comparison: {write_cost(Path(name)):.1f} us")
    with tempfile.TemporaryDirectory(dir=base) as name:
        compaction(Path(name), source)


def write_cost(directory: Path) -> float:
    """What the system call itself takes."""
    fd = os.open(directory / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    data = bytes(700)
    cost = lowest(5_000, lambda _: os.write(fd, data))
    os.close(fd)
    return cost


if __name__ == "__main__":
    main()
