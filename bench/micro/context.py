"""What a context strategy costs: CPU of reading, counting and choosing for one request, first and when it comes again.

`python bench/micro/context.py [TOKENIZER.json]` prints microseconds of CPU (user and system, one process) for histories
of 100 messages of 1 KB, half of them of tools: the median over many histories. Counted by estimate, and by a tokenizer.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import sys
import time
from pathlib import Path

from trimtab.declare.project import Context, Deadlines, FileDigest, Objective, Retry, Sampling
from trimtab.gateway.context.tokens import ESTIMATING, Counter, load
from trimtab.gateway.context.window import Remembered, Window
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.policy.snapshot import TaskPolicy

HISTORIES = 60
MESSAGES = 100
WORDS = ("late", "parcel", "invoice", "refund", "please", "order", "since", "Tuesday", "été", "the", "a", "customer")
TOKENIZER = Path(__file__).parents[2] / "src" / "trimtab" / "demo" / "models" / "jobs-mid" / "tokenizer.json"
SURFACE = ChatCompletions()


def text(source: random.Random, size: int) -> str:
    """Prose of about so many characters."""
    words = source.choices(WORDS, k=size // 6)
    return " ".join(words)


def history(source: random.Random) -> bytes:
    """A chat of an agent: each second pair of messages is a tool call with its result."""
    messages = [{"role": "system", "content": text(source, 2000)}, {"role": "user", "content": text(source, 1000)}]
    while len(messages) < MESSAGES:
        call = f"call_{len(messages)}"
        function = {"name": "search", "arguments": json.dumps({"query": text(source, 900)})}
        messages.append({"role": "assistant", "tool_calls": [{"id": call, "type": "function", "function": function}]})
        messages.append({"role": "tool", "tool_call_id": call, "content": text(source, 1000)})
    return json.dumps({"model": "triage", "messages": messages}).encode()


def task(context: Context) -> TaskPolicy:
    """A task with this context."""
    return TaskPolicy(
        name="triage",
        owner="",
        task_class="interactive",
        models=("small",),
        sampling=Sampling(),
        deadline=Deadlines(),
        objective=Objective(),
        retry=Retry(),
        redaction="full",
        prompt=None,
        context=context,
    )


def measure(counter: Counter, context: Context) -> tuple[float, float]:
    """Median microseconds of CPU for a history that is new, and for one that is known."""
    source = random.Random(3)
    window = Window(task(context), (), lambda: counter, Remembered())
    first, again = [], []
    for _ in range(HISTORIES):
        asked = SURFACE.read(history(source))
        for taken in (first, again, again, again):
            began = time.process_time_ns()
            request = window.request(SURFACE.history, asked, ())
            measured = window.measure(request, request.read())
            chosen = window.choose(request, asked, measured)
            window.use(measured, chosen.kept)
            SURFACE.history.with_messages(asked, [request.messages[place] for place in chosen.kept])
            taken.append((time.process_time_ns() - began) / 1000)
    return statistics.median(first), statistics.median(again)


def main() -> None:
    """Prints one figure a line."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TOKENIZER
    file = FileDigest(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    contexts = {
        "keep_system_and_recent": Context(strategy="keep_system_and_recent", max_input_tokens=8000),
        "summarise (chosen, not written)": Context(strategy="summarise", max_input_tokens=8000, model="small"),
    }
    for by, counter in (("by estimate", ESTIMATING), ("by tokenizer", load(path.parent, file))):
        for name, context in contexts.items():
            first, again = measure(counter, context)
            print(f"{name}, {by}: first {first:.0f} us, known {again:.0f} us")


if __name__ == "__main__":
    main()
