"""The journal of runs: what appends cost, beside DBOS; how much room runs take; what a crash of the machine leaves."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from bench import intervals, machine
from bench.journaled import images
from bench.journaled.keeping import keeper
from bench.journaled.room import Room
from bench.options import Options
from bench.report import Result
from trimtab.journal.asks import Begin, Begun, Finish, Open
from trimtab.journal.client import BlockingKeeper, KeeperClient
from trimtab.journal.entries import Result as Ended
from trimtab.journal.entries import Started, body_of

BENCH = Path(__file__).resolve().parents[1]
FOLDER = BENCH / "out" / "journal"
DBOS = BENCH / "out" / "dbos"
OUTPUT = b"x" * 300
LONG = 5 << 10
ALONE_MS, RATE, WRITERS = 2.5, 1000.0, 32
ROOM_MB = 1.0
IMAGES = 10_000


def run(options: Options, result: Result) -> None:
    """Each part by itself."""
    parts: dict[str, Callable[[Options, Result], None]] = {
        "trimtab": appends,
        "dbos": dbos,
        "room": room,
        "images": crash_images,
    }
    for arm, measure in parts.items():
        if options.wants(arm):
            options.tell(f"journal: {arm}")
            measure(options, result)
    shutil.rmtree(FOLDER, ignore_errors=True)


def empty(name: str) -> Path:
    """An empty folder on the disk that results lie on."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def appends(options: Options, result: Result) -> None:
    """Intents and results through keeper and its socket, each on the disk before it is answered."""
    rounds = options.rounds or options.size(10, 2)
    rates, alone, long = [], [], []
    for number in range(rounds):
        with keeper(empty(f"appends{number}")) as path, machine.on_core(machine.cores().load):
            alone.append(median(one_by_one(path, f"a{number}", OUTPUT, options.size(300, 30))))
            long.append(median(one_by_one(path, f"l{number}", Random(number).randbytes(LONG), options.size(100, 20))))
            rates.append(asyncio.run(together(path, options.size(5, 1))))
    result.at_most("append through keeper, alone: p50", intervals.mean(alone), ALONE_MS, "ms")
    result.show(f"append of a result of {LONG:,} bytes, alone: p50", intervals.mean(long), "ms")
    result.at_least(f"appends a second of {WRITERS} writers", intervals.mean(rates), RATE)


def one_by_one(path: Path, run: str, output: bytes, steps: int) -> list[float]:
    """The time of each append, in ms; of outputs that are long, of each result alone."""
    asking, took, after = BlockingKeeper(path), [], 0
    body = body_of(output)
    asking.do(Open(run, Started(1, "bench"), "driver"))
    for number in range(steps):
        begun_s = time.perf_counter()
        after = seq_of(asking.do(begin(run, number, after)))
        if body.inline is not None:
            took.append(1000 * (time.perf_counter() - begun_s))
        fresh = output if body.inline is not None else number.to_bytes(4, "big") + output[4:]
        body = body_of(fresh)
        begun_s = time.perf_counter()
        asking.do(Finish(run, 1, Ended(1, after, "ok", body), b"" if body.inline is not None else fresh))
        took.append(1000 * (time.perf_counter() - begun_s))
    asking.close()
    return took


async def together(path: Path, seconds: float) -> float:
    """Appends a second of writers that each take one step after another."""
    asking = KeeperClient(path)
    end_s = time.perf_counter() + seconds

    async def writer(number: int) -> int:
        run, count, after = f"w{number}", 0, 0
        await asking.do(Open(run, Started(1, "bench"), f"driver{number}"))
        while time.perf_counter() < end_s:
            after = seq_of(await asking.do(begin(run, count, after)))
            await asking.do(Finish(run, 1, Ended(1, after, "ok", body_of(OUTPUT))))
            count += 2
        return count

    begun_s = time.perf_counter()
    counts = await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    took_s = time.perf_counter() - begun_s
    await asking.close()
    return sum(counts) / took_s


def begin(run: str, number: int, after: int) -> Begin:
    """The ask for a step."""
    request = sha256(b"%d" % number).hexdigest()
    return Begin(run, 1, "tool", "look", request, body_of(OUTPUT), branch="main", after=after)


def seq_of(told: object) -> int:
    """Where the intent is."""
    assert isinstance(told, Begun), told
    return told.seq


def dbos(options: Options, result: Result) -> None:
    """Steps of DBOS, whose database commits to the same disk: as it comes, and with a write-ahead log."""
    python = DBOS / "bin" / "python"
    if not python.exists():
        options.tell("journal: installing DBOS into an environment of its own")
        subprocess.run([sys.executable, "-m", "venv", DBOS], check=True)
        pip = [DBOS / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-r", BENCH / "peers" / "dbos.txt"], check=True)
    for mode, what in (("delete", "as it comes"), ("wal", "with a write-ahead log")):
        alone, rates = [], []
        for number in range(options.rounds or options.size(5, 1)):
            database = empty(f"dbos-{mode}-{number}") / "dbos.db"
            with sqlite3.connect(database) as connection:
                connection.execute(f"PRAGMA journal_mode = {mode}")
                connection.execute("CREATE TABLE there (is_one INTEGER)")
            found = dbos_steps(python, database, options)
            alone.append(found["p50_ms"])
            rates.append(found["steps_per_s"])
        result.show(f"DBOS {what}: step alone (one commit; ours is two appends), p50", intervals.mean(alone), "ms")
        result.show(f"DBOS {what}: steps a second of {WRITERS} workflows", intervals.mean(rates))


def dbos_steps(python: Path, database: Path, options: Options) -> dict[str, float]:
    """What its process measured."""
    script = BENCH / "journaled" / "dbos_steps.py"
    command = [python, script, database, str(options.size(200, 30)), str(WRITERS), str(options.size(5, 1))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def room(options: Options, result: Result) -> None:
    """Bytes of a run of model calls, each with the whole conversation so far and a tool's answer of 5 KB."""
    sizes: dict[int, tuple[int, int, float]] = {}
    for calls in (100, options.size(1000, 200)):
        kept = Room(empty(f"room{calls}"), options.seed)
        for _ in range(calls):
            kept.call()
        sizes[calls] = (*kept.sizes(), kept.journal_s / calls)
    (few, (written, small, slow)), (many, (_, large, slower)) = sizes.items()
    what = f"a run of {few} calls with tools' answers of {LONG:,} bytes"
    result.tell_value(f"{what}: as it is written", written / 1e6, "MB")
    result.worst(f"{what}: once its packs are finished", small / 1e6, ROOM_MB, "MB")
    result.tell_value(f"a run of {few} calls: the conversations as they were sent", kept.sent(few) / 1e6, "MB")
    result.worst(f"bytes a call of {many:,} calls over those of {few}", (large / many) / (small / few), 1.1)
    result.worst(f"CPU time of the journal a call of {many:,} calls over that of {few}", slower / slow, 1.5)
    result.tell_value(f"CPU time of the journal a call of {few} calls", 1000 * slow, "ms")


def crash_images(options: Options, result: Result) -> None:
    """Images of crashes of the machine at random places of recorded workloads."""
    count = options.size(IMAGES, 200)
    workloads, faults, by_wrong = options.size(20, 2), Counter[str](), Counter[str]()
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as place:
        for number in range(workloads):
            for synchronous, found in (("FULL", faults), ("NORMAL", by_wrong)):
                folder = Path(place) / f"{number}{synchronous}"
                (folder / "image").mkdir(parents=True)
                trace = images.workload(folder, 120, options.seed + number, synchronous)
                some = count // workloads if synchronous == "FULL" else count // workloads // 10
                for image in images.images(trace, some, options.seed + number):
                    found[images.fault(image, folder / "image")] += 1
                shutil.rmtree(folder)
    total = faults.total()
    opened = sum(times for what, times in faults.items() if "opened" in what)
    result.equal("images of crashes of the machine: that did not open, or were corrupt", opened, 0, n=total)
    result.equal("images of crashes of the machine: with any fault", total - faults[""], 0, n=total)
    wrong = by_wrong.total() - by_wrong[""]
    result.tell_value("the same of a journal that does not wait for the disk: with a fault", wrong, n=by_wrong.total())
    result.raw["images"] = {"faults": dict(faults)}
