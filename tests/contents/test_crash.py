"""SIGKILL of the process that ingests, at any moment: no reading, no judgement and no call of a run counts twice."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from tests.contents.ingest_process import Came, ingest
from tests.contents.place import ANSWER, Place, asked, chat

KILLS = 8
CALLS_A_ROUND = 40
EVENTS_A_BATCH = 20
GUARD_S = 60.0

fresh = multiprocessing.get_context("forkserver")
fresh.set_forkserver_preload(["__main__", "tests.contents.ingest_process"])


def work(directory: Path, epoch: str, pipe: Connection) -> None:
    """The process that is killed, or tells what is stored when nothing waits."""
    came = ingest(directory, epoch, EVENTS_A_BATCH, pipe.send)
    pipe.send(came)
    pipe.recv()


@contextmanager
def ingesting(directory: Path, number: int) -> Iterator[Connection]:
    ours, theirs = fresh.Pipe()
    process = fresh.Process(target=work, args=(directory, f"{number:012x}", theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join(GUARD_S)
        ours.close()


def heard(pipe: Connection) -> str | Came:
    assert pipe.poll(GUARD_S), "the process says nothing"
    word: str | Came = pipe.recv()
    return word


def test_kills_at_any_moment_count_each_reading_once(tmp_path: Path) -> None:
    """After kills between and amid inserts, each call has been read once, judged once, and counted once in its run."""
    place, moments = Place(tmp_path), random.Random(20_261_126)
    started_ns = place.clock.wall_ns()
    labels = ["billing", "billing", "access"]
    written, said = 0, set()
    for number in range(KILLS):
        for each in range(written, written + CALLS_A_ROUND):
            answer = chat(ANSWER | {"label": labels[each % 3]})
            run = "r1" if each % 4 == 3 else ""
            place.write(place.call(asked(f"order {each}"), answer, run=run, at_ns=started_ns + each * 10**9))
        written += CALLS_A_ROUND
        with ingesting(tmp_path, number) as pipe:
            said |= {type(heard(pipe)) for _ in range(moments.randrange(1, 10))}
    with ingesting(tmp_path, KILLS) as pipe:
        while not isinstance(last := heard(pipe), Came):
            continue
    alone = [each for each in range(written) if each % 4 != 3]
    assert said == {str}
    assert last.calls == written == 320
    assert {name: last.readings[name] for name in ("answer/label", "answer/amount", "input.sketch")} == {
        "answer/label": written,
        "answer/amount": written,
        "input.sketch": written,
    }
    assert last.completion == (len(alone), sum(each % 3 < 2 for each in alone))
    assert last.in_run == written // 4
