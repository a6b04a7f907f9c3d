import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trimtab.gateway.board import Board

A = ("small", "http://a")
SCRIPT = Path(__file__).with_name("board_process.py")


class Worker:
    """A worker process, told what to do with its board line by line."""

    def __init__(self, path, slot):
        self.epoch = f"g{slot}-process"
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, path, str(slot), self.epoch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def send(self, *call):
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()

    def result(self):
        return json.loads(self.process.stdout.readline())

    def do(self, *call):
        self.send(*call)
        return self.result()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def started(path):
    """Starts worker processes, and kills those that are left."""
    workers = []

    def start(slot):
        workers.append(Worker(path, slot))
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()


def half_open(worker):
    """A column whose breaker lets a trial through from 105.0 on."""
    (column,) = worker.do("columns", [A])
    for _ in range(5):
        worker.do("failed", column, 100.0, False)
    return column


def test_a_killed_worker_frees_its_trial(path, started):
    """SIGKILL of the worker that holds the trial lets another take it, with nobody's help."""
    first, second = started(0), started(1)
    column = half_open(first)
    second.do("columns", [A])
    assert first.do("claim_trial", column, 106.0)
    assert second.do("claim_trial", column, 106.0) == 0
    first.kill()
    assert second.do("claim_trial", column, 106.0)


def test_a_child_that_outlives_its_worker_holds_nothing(path, started):
    """Processes that a worker started do not keep its locks when it is killed."""
    first = started(0)
    column = half_open(first)
    assert first.do("claim_trial", column, 106.0)
    child = first.do("leave_child")
    first.kill()
    try:
        with_row = Board.open(path, 0, "g0-next")
        with_row.columns([A])
        assert with_row.claim_trial(column, 106.0)
        with_row.close()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_dead_workers_calls_are_cleared_by_whoever_reaps(path, started):
    """Until it is reaped a dead row still counts; reaping clears it, tells its epoch, and spares the living."""
    first, second = started(0), started(1)
    (column,) = first.do("columns", [A])
    second.do("columns", [A])
    first.do("acquire", column, 500)
    second.do("acquire", column, 7)
    watcher = Board.watch(path)
    assert watcher.reap() == []
    first.kill()
    assert watcher.in_flight(column) == 2
    assert watcher.reap() == [first.epoch]
    assert (watcher.in_flight(column), watcher.outstanding_tokens(column)) == (1, 7)
    assert [worker.epoch for worker in watcher.view(100.0).workers] == [second.epoch]
    watcher.close()


def test_a_successor_clears_its_predecessor(path, started):
    """A worker that starts after a crash finds no load of the dead one, and the breaker as it stood."""
    first = started(0)
    column = half_open(first)
    first.do("acquire", column, 500)
    first.kill()
    successor = started(0)
    assert successor.do("columns", [A]) == [column]
    assert successor.do("outstanding_tokens", column) == 0
    assert successor.do("closed", column) is False


def test_one_of_four_gets_the_trial(path, started):
    """Four processes that claim the same trial at the same moment: exactly one gets it, time after time."""
    workers = [started(slot % 2) for slot in range(4)]
    column = half_open(workers[0])
    for worker in workers[1:]:
        worker.do("columns", [A])
    for _ in range(25):
        for worker in workers:
            worker.send("claim_trial", column, 106.0)
        numbers = [worker.result() for worker in workers]
        (holder,) = [worker for worker, number in zip(workers, numbers, strict=True) if number]
        holder.do("free_trial", column)


def test_no_value_is_ever_seen_half_written(path, started):
    """While a worker writes a value of 62 bits over and over, another reads it whole or not at all."""
    worker = started(0)
    (column,) = worker.do("columns", [A])
    tokens = 0x2AAA_AAAA_5555_5555
    watcher = Board.watch(path)
    worker.send("churn", column, tokens, 50_000)
    done = threading.Thread(target=worker.result)
    done.start()
    seen = set()
    while done.is_alive():
        seen.update(watcher.outstanding_tokens(column) for _ in range(100))
    done.join()
    watcher.close()
    assert seen == {0, tokens}


def test_two_processes_agree_on_new_columns(path, started):
    """Workers that name new replicas at the same moment get the same column for the same replica."""
    workers = [started(0), started(1)]
    names = [("m", f"http://{number}") for number in range(30)]
    workers[0].send("columns", names)
    workers[1].send("columns", names[::-1])
    one, other = (worker.result() for worker in workers)
    assert one == other[::-1]
    assert len(set(one)) == 30
