"""A worker in a process of its own: each line of its input is a JSON list [method of the board, arguments...]."""

import json
import subprocess
import sys
from pathlib import Path

from trimtab.gateway.board import Board

path, slot, epoch = sys.argv[1:]
board = Board.open(Path(path), int(slot), epoch)


def leave_child():
    """Starts a process that outlives this one."""
    return subprocess.Popen(["sleep", "60"]).pid


def churn(column, tokens, times):
    """Counts one call in and out, over and over."""
    for _ in range(times):
        board.acquire(column, tokens)
        board.release(column, tokens)


actions = {"leave_child": leave_child, "churn": churn}
print("ready", flush=True)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    keywords = {"trial": arguments.pop()} if name in ("failed", "worked") else {}
    action = actions.get(name) or getattr(board, name)
    print(json.dumps(action(*arguments, **keywords)), flush=True)
