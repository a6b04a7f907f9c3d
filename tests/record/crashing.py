"""Workers that are killed: run by `test_crash.py` in a process of its own.

`python -m tests.record.crashing DIRECTORY ROUNDS SEED` forks a worker for each round, in an epoch of its own. A worker
admits and settles calls as fast as it can and says after each step what it has been promised: `A call` once `admit`
returned, `S call` once a flush after `settle` did. It is killed after a number of bytes drawn from the seed. What was
said goes to standard output, as `epoch promise call`.
"""

import os
import random
import signal
import sys
from pathlib import Path

from tests.record.wiring import Worker, admitted, settled


def work(directory, epoch, say):
    """Admits and settles until it is killed."""
    worker = Worker(directory, epoch=epoch, segment_bytes=20_000, pack_bytes=20_000)
    number = 0
    while True:
        call = f"{epoch}-{number:06d}"
        body = b'{"messages":["%s"]}' % call.encode()
        refs = worker.bodies.request(body, [b'"%s"' % call.encode()], "full")
        worker.recorder.admit(admitted(call, request_body=refs.body))
        os.write(say, f"{epoch} A {call}\n".encode())
        if number % 3:
            worker.recorder.settle(settled(call))
            worker.recorder.flush()
            os.write(say, f"{epoch} S {call}\n".encode())
        number += 1


def main(directory, rounds, seed):
    """Kills one worker after another."""
    source = random.Random(seed)
    for number in range(rounds):
        hear, say = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(hear)
            work(directory, f"g0-{number:012d}", say)
        os.close(say)
        said = b""
        enough = source.randrange(1, 40_000)
        while len(said) < enough:
            said += os.read(hear, 4096)
        os.kill(child, signal.SIGKILL)
        while block := os.read(hear, 65536):
            said += block
        os.close(hear)
        os.waitpid(child, 0)
        sys.stdout.write(said.decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
