"""What a task folder says: `task.toml`, and `prompt.md` where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.completion import read_completion
from trimtab.declare.context import read_context
from trimtab.declare.contract import REPETITION, read_output, read_tool_calls, read_tools
from trimtab.declare.governance import REDACTION, read_deadlines, read_objective, read_retry
from trimtab.declare.library import Library
from trimtab.declare.mistakes import Mistakes, nearest
from trimtab.declare.names import data_set_name
from trimtab.declare.project import Defaults, InputType, Match, Prompt, Sampling, Task
from trimtab.declare.prompts import read_prompt
from trimtab.declare.review_rules import read_review_sample, read_reviews
from trimtab.declare.runs import read_volatile
from trimtab.declare.source import Source, read_toml
from trimtab.declare.table import Table

FOLDER: Final = "tasks"
TASK_FILE: Final = "task.toml"
PROMPT_FILE: Final = "prompt.md"
MAX_TASKS: Final = 1000
MAX_STOPS: Final = 16
MAX_INPUTS: Final = 256
SEED_BITS: Final = 63
INPUT_TYPE: Final[values.Read[InputType]] = values.choice("string", "integer", "number", "boolean", "array", "object")


def task_folders(root: Path, mistakes: Mistakes) -> tuple[str, ...]:
    """The names of the task folders, sorted; hidden folders and plain files in `tasks` are passed over."""
    folder = root / FOLDER
    try:
        found = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_dir())
    except FileNotFoundError:
        return ()
    except OSError as failure:
        mistakes.add(FOLDER, 1, f"the folder cannot be read ({failure.strerror})", "make it a folder that you may read")
        return ()
    if len(found) > MAX_TASKS:
        mistakes.add(FOLDER, 1, f"there are {len(found)} tasks", f"declare at most {MAX_TASKS}")
    return tuple(found[:MAX_TASKS])


def read_task_file(root: Path, name: str, mistakes: Mistakes) -> Source | None:
    """A task's table, or None and a mistake."""
    path = f"{FOLDER}/{name}/{TASK_FILE}"
    if not values.NAME.fullmatch(name):
        mistakes.add(path, 1, f"the folder {values.show(name)} is not a name", "use 1 to 64 of a-z 0-9 . _ -")
    return read_toml(root, path, mistakes, 'write it, with at least model = "..."')


def read_task(name: str, table: Table, defaults: Defaults, library: Library) -> Task:
    """One task; what it does not say is as in `[defaults]`."""
    tools, sample = read_tools(table, library), table.table("review_sample")
    return Task(
        name=name,
        model=table.required("model", values.name, '"small"') or "",
        owner=table.get("owner", values.text, ""),
        task_class=table.get("class", values.choice("interactive", "background"), "interactive"),
        fallback=table.each("fallback", values.name),
        match=_read_match(table.table("match")),
        sampling=_read_sampling(table.table("sampling")),
        deadline=read_deadlines(table.table("deadline"), defaults.deadline),
        objective=read_objective(table.table("objective")),
        retry=read_retry(table.table("retry"), defaults.retry),
        redaction=table.get("redaction", REDACTION, defaults.redaction),
        prompt=_read_prompt(name, table, library),
        output=read_output(table.table("output"), f"{FOLDER}/{name}", library) if "output" in table else None,
        tools=tools,
        tool_calls=read_tool_calls(table.table("tool_calls")),
        repetition=table.get("repetition", REPETITION, "flag"),
        context=read_context(table.table("context")),
        retrieval=table.each("retrieval", values.name),
        volatile=read_volatile(table.table("runs"), defaults.volatile),
        completion=read_completion(table.table("completion")) if "completion" in table else None,
        reviews=read_reviews(table, (tool.name for tool in tools)),
        review_sample=read_review_sample(sample) if "review_sample" in table else None,
    )


def _read_prompt(name: str, table: Table, library: Library) -> Prompt | None:
    """The task's prompt, with what `task.toml` says of it."""
    path, inputs, about = f"{FOLDER}/{name}/{PROMPT_FILE}", table.table("inputs"), table.table("prompt")
    types = read_inputs(inputs)
    prompt = read_prompt(library.parts, path, types, about.each("tuned_on", data_set_name))
    if prompt is None and not library.has(path):
        for each, key in ((inputs, "inputs"), (about, "prompt")):
            if key in table:
                each.wrong("", f"{key} has no use: the task has no {PROMPT_FILE}", f"write {path}, or take it out")
    if prompt is not None and types:
        _check_inputs(inputs, types, prompt)
    return prompt


def read_inputs(table: Table) -> dict[str, InputType]:
    """The `inputs` table: the type of each input that is declared."""
    if len(table) > MAX_INPUTS:
        table.wrong("", f"there are {len(table)} inputs", f"declare at most {MAX_INPUTS}")
    names = [name for name in sorted(table)[:MAX_INPUTS] if values.INPUT.fullmatch(name)]
    return {name: table.get(name, INPUT_TYPE, "string") for name in names}


def _check_inputs(table: Table, types: dict[str, InputType], prompt: Prompt) -> None:
    """Where inputs are declared, they are those that the prompt names."""
    for name in prompt.inputs:
        if name not in types:
            close = nearest(name, set(types) - set(prompt.inputs))
            hint = f"did you mean {close}?" if close else f'write {name} = "string" under [inputs]'
            table.wrong("", f"the prompt fills in {values.show(name)}, which inputs does not declare", hint)
    for name in types:
        if name not in prompt.inputs:
            what = f"{table.name(name)} is filled in nowhere in the prompt"
            table.wrong(name, what, f"write {{{{ {name} }}}} there, or take it out")


def _read_match(table: Table) -> Match:
    return Match(
        keys=table.each("keys", values.name, single=True),
        system_prompt=table.each("system_prompt", values.digest, single=True),
    )


def _read_sampling(table: Table) -> Sampling:
    return Sampling(
        temperature=table.get("temperature", values.number(0, 2), None),
        top_p=table.get("top_p", values.number(0, 1, above=True), None),
        max_output_tokens=table.get("max_output_tokens", values.whole(1, 10_000_000), None),
        seed=table.get("seed", values.whole(-(2**SEED_BITS), 2**SEED_BITS - 1), None),
        stop=_read_stop(table),
    )


def _read_stop(table: Table) -> tuple[str, ...] | None:
    if "stop" not in table:
        return None
    return tuple(text for _, text in table.elements("stop", _stop, most=MAX_STOPS, single=True, example='"END"'))


def _stop(value: object) -> str:
    """Any text, line ends too: what a model may write."""
    if not isinstance(value, str) or not 1 <= len(value) <= 1000:
        raise values.Wrong(values.show(value), "write a string of 1 to 1,000 characters")
    return value
