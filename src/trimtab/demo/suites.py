"""The cases of the demo's suites, made from a seed: `python -m trimtab.demo.suites FOLDER` writes them again.

They are questions of the jobs that the demo's models know, in words that training showed, each once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trimtab.demo.jobs import TOOLS, Example, Job, JobGenerator
from trimtab.demo.traffic import INPUT_OF_TASK, JOB_OF_TASK

SEED: Final = 20_260
COUNT: Final = 300
EFFECTS: Final = {"get_weather": "read", "find_order": "read", "create_refund": "write"}


def cases(task: str, count: int = COUNT) -> list[dict[str, Any]]:
    """Rows of a suite's data set: an id, the prompt's input, and the answer that is right."""
    made: dict[str, dict[str, Any]] = {}
    for example in _examples(JOB_OF_TASK[task]):
        question = example.messages[-1]["content"]
        if question not in made:
            name = f"{task}-{len(made) + 1:03d}"
            made[question] = {"id": name, "inputs": {INPUT_OF_TASK[task]: question}, "expected": _expected(example)}
        if len(made) == count:
            return list(made.values())
    raise AssertionError


def tools() -> dict[str, dict[str, Any]]:
    """The tools that the models were trained to call, as files of a project."""
    found = {}
    for tool in TOOLS:
        told = tool["function"]
        found[told["name"]] = {
            "name": told["name"],
            "description": told["description"],
            "input_schema": told["parameters"],
            "effect": EFFECTS[told["name"]],
        }
    return found


def write(folder: Path) -> None:
    """Writes cases and tools into the folder of the demo's project."""
    for task in JOB_OF_TASK:
        lines = "".join(f"{json.dumps(case)}\n" for case in cases(task))
        (folder / "tasks" / task / "cases.jsonl").write_text(lines, encoding="utf-8")
    (folder / "tools").mkdir(exist_ok=True)
    for name, tool in tools().items():
        (folder / "tools" / f"{name}.json").write_text(f"{json.dumps(tool, indent=2)}\n", encoding="utf-8")


def _examples(job: Job) -> Iterator[Example]:
    jobs = JobGenerator(SEED, "test", heldout_words=False)
    while True:
        yield jobs.sample(job)


def _expected(example: Example) -> Any:
    if example.job == "route":
        return example.answer
    return json.loads(example.answer.removeprefix("<tool_call>").removesuffix("</tool_call>"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
