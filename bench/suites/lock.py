"""What the lock costs and finds: a check of 50 tasks, a thousand locks without a change, every kind of single change.

The check is the whole `trimtab lock --check` of a project of 50 tasks with prompts, output schemas and cases, 20 tools
and 6 models, each run beside a start of the same interpreter that does nothing: what is told is the difference.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.gateway import TRIMTAB
from bench.intervals import Estimate, difference
from bench.options import Options
from bench.report import Result
from tests.lock import governed
from tests.lock.mutations import MUTATIONS
from trimtab.declare.load import load
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import Lock, decode, encode
from trimtab.lock.resolve import resolve

LIMIT_S = 0.3
TASKS, TOOLS, MODELS, CASES = 50, 20, 6, 100
RELOCKS = 1_000
KINDS = 60
MAKE = """
import sys
from pathlib import Path
from trimtab.declare.load import load
from trimtab.lock.lockfile import encode
from trimtab.lock.resolve import resolve
sys.stdout.buffer.write(encode(resolve(load(Path(sys.argv[1]), cpus=2), None).lock))
"""


def run(options: Options, result: Result) -> None:
    """Each part in a folder of its own."""
    for arm, measure in {"check": check, "relocks": relocks, "mutations": mutations}.items():
        if options.wants(arm):
            options.tell(f"lock: {arm}")
            with tempfile.TemporaryDirectory(prefix="trimtab-lock-") as folder:
                measure(Path(folder), options, result)


def check(folder: Path, options: Options, result: Result) -> None:
    """`trimtab lock --check`, less what a start of the interpreter takes."""
    write(folder)
    subprocess.run([TRIMTAB, "lock"], cwd=folder, check=True, capture_output=True)
    pairs = [
        (timed(folder, TRIMTAB, "lock", "--check"), timed(folder, sys.executable, "-c", "pass"))
        for _ in range(options.size(60, 5) + 1)
    ][1:]
    walls = [(one.wall_s, other.wall_s) for one, other in pairs]
    result.raw["check_s"] = pairs
    result.at_most(f"trimtab lock --check of {TASKS} tasks, beyond a start of Python", difference(walls), LIMIT_S, "s")
    result.tell_value("the same, median", median(one - other for one, other in walls), "s", n=len(walls))
    result.show("the same in CPU", difference([(one.cpu_s, other.cpu_s) for one, other in pairs]), "s")
    lock = decode((folder / "trimtab.lock").read_bytes())
    result.tell_value("entries of that lock", len(lock.entries))
    result.tell_value("its size", (folder / "trimtab.lock").stat().st_size / 1024, "KiB")
    (folder / "tasks" / "t7" / "prompt.md").write_text("user:\n{{ question }} {{ when }}\n")
    told = subprocess.run([TRIMTAB, "lock", "--check"], cwd=folder, capture_output=True, text=True, check=False)
    result.equal("exit status of a check after an edit", told.returncode, 1)


class Taken(NamedTuple):
    """What a command took: wall time, and CPU of user and system."""

    wall_s: float
    cpu_s: float


def timed(folder: Path, *command: str | Path) -> Taken:
    """Runs a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall_s = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def relocks(folder: Path, options: Options, result: Result) -> None:
    """Locks again and again: with the earlier lock and without, and in processes with other hash seeds."""
    governed.write(folder / "first")
    first = encode(resolve(load(folder / "first", cpus=2), None).lock)
    count = options.size(RELOCKS, 20)
    taken_s, other = [], 0
    held: Lock | None = None
    for number in range(count):
        begin = time.monotonic()
        data = encode(resolve(load(folder / "first", cpus=2), held).lock)
        taken_s.append(time.monotonic() - begin)
        other += data != first
        held = decode(data) if number % 2 == 0 else None
    result.equal("locks without a change that are not byte for byte the same", other, 0, n=count)
    result.tell_value("one lock of the governed project, median", median(taken_s) * 1000, "ms", n=count)
    files = list(governed.FILES.items())
    processes = options.size(20, 3)
    apart = 0
    for seed in range(processes):
        copy = governed.write(folder / f"copy{seed}", dict(files[seed:] + files[:seed]))
        made = subprocess.run(
            [sys.executable, "-c", MAKE, copy],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        )
        apart += made.stdout != first
    result.equal("locks of other processes, folders and orders of files that differ", apart, 0, n=processes)


def mutations(folder: Path, _: Options, result: Result) -> None:
    """Every single change of the table: found and named."""
    project = governed.write(folder / "project")
    held = governed.locked(project)
    missed, unnamed = [], []
    for number, mutation in enumerate(MUTATIONS):
        copy = folder / f"copy{number}"
        shutil.copytree(project, copy)
        mutation.make(copy)
        found = differences(held, governed.locked(copy, held))
        told = [one.words for one in found if one.key == mutation.key]
        if not found:
            missed.append(mutation.name)
        elif not any(all(part in words for part in mutation.words) for words in told):
            unnamed.append(mutation.name)
    result.raw.update(missed=missed, unnamed=unnamed)
    result.equal("kinds of single change that are not found", len(missed), 0, n=len(MUTATIONS))
    result.equal("kinds that are found and not named", len(unnamed), 0, n=len(MUTATIONS))
    result.at_least("kinds of single change in the table", exactly(len(MUTATIONS)), KINDS)


def exactly(count: int) -> Estimate:
    """A count, which has no interval."""
    return Estimate(count, count, count, 1)


def write(folder: Path) -> None:
    """A project of 50 tasks."""
    put = governed.put
    put(folder, "trimtab.toml", "".join(map(model, range(MODELS))))
    for number in range(TOOLS):
        put(folder, f"tools/tool{number}.json", json.dumps(tool(number), indent=2))
    for number in range(TASKS):
        at = f"tasks/t{number}"
        put(folder, f"{at}/task.toml", task(number))
        put(folder, f"{at}/prompt.md", prompt(number))
        put(folder, f"{at}/output.schema.json", json.dumps(schema(12), indent=2))
        put(folder, f"{at}/cases.jsonl", "".join(f'{{"inputs": {{"question": "q{row}"}}}}\n' for row in range(CASES)))


def model(number: int) -> str:
    """Of two models one is hosted, and one served by a vLLM."""
    if number % 2:
        return (
            f'[models.m{number}]\nmodel = "gpt-{number}-2026-08-01"\nengine = "openai"\n'
            f'replicas = ["https://api.openai.com"]\n'
        )
    return (
        f'[models.m{number}]\nmodel = "org/model-{number}"\nengine = "vllm"\nrevision = "{number:040}"\n'
        f'replicas = ["http://10.0.0.{number + 1}:8000"]\n'
        f'served = {{ server = "vllm==0.32.0", flags = ["--max-model-len", "8192"] }}\n'
    )


def tool(number: int) -> dict[str, Any]:
    """A tool with eight parameters."""
    return {
        "description": f"Does what number {number} does. " * 8,
        "effect": "read",
        "input_schema": schema(8),
    }


def schema(properties: int) -> dict[str, Any]:
    """A flat schema."""
    names = [f"field{number}" for number in range(properties)]
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": f"the {name} of it", "minLength": 1} for name in names},
        "required": names,
        "additionalProperties": False,
    }


def task(number: int) -> str:
    """A task with everything that is usual."""
    return (
        f'model = "m{number % MODELS}"\nfallback = ["m{(number + 1) % MODELS}"]\nowner = "support"\n'
        f"sampling = {{ temperature = 0.0, max_output_tokens = 256 }}\n"
        f'tools = ["tool{number % TOOLS}", "tool{(number + 7) % TOOLS}"]\n'
        f'output = {{ schema = "output.schema.json", on_invalid = "repair" }}\n'
        f'context = {{ strategy = "keep_system_and_recent", recent = 20 }}\n'
    )


def prompt(number: int) -> str:
    """A prompt of thirty lines with two inputs."""
    lines = "\n".join(f"{line}. What task {number} has to mind in the {line}th place, in a line." for line in range(30))
    return f"system:\n{lines}\n\nuser:\n{{{{ question }}}}{{% if when %}} It is for {{{{ when }}}}.{{% endif %}}\n"
