"""What the answers of a task must keep, compiled once for a snapshot and shared by all its calls."""

from __future__ import annotations

from msgspec import Raw, Struct

from trimtab.contracts.incremental import Plan, compile_plan
from trimtab.contracts.toolcalls import ToolSpec
from trimtab.contracts.validate import Validator
from trimtab.declare.project import Output, Repetition, ToolCalls
from trimtab.gateway.surfaces.surface import ToolEdit
from trimtab.policy.snapshot import UNDECLARED, Snapshot, TaskPolicy


class Contract(Struct, frozen=True, eq=False):
    """A task's contract; without `output` there is no schema to keep."""

    task: str
    output: Output | None = None
    validator: Validator | None = None
    plan: Plan | None = None
    schema: Raw = Raw()
    tools: tuple[ToolSpec, ...] = ()
    tool_edits: tuple[ToolEdit, ...] = ()
    tool_calls: ToolCalls = ToolCalls()
    repetition: Repetition = "off"

    @property
    def holds_text(self) -> bool:
        """Whether nothing of an answer is released until its text is known to be valid."""
        return self.output is not None and (self.output.hold or self.output.on_invalid == "repair")

    @property
    def holds_calls(self) -> bool:
        """Whether nothing of an answer that may call tools is released until its calls are known to be valid."""
        return self.tool_calls.hold or self.tool_calls.on_invalid == "repair"


UNDECLARED_CONTRACT = Contract(UNDECLARED)
"""Calls of no task: their tool calls are looked at, and that is all."""


def contracts(snapshot: Snapshot) -> dict[str, Contract]:
    """The contracts of a snapshot's tasks by name; raises `SchemaInvalid`, which a checked declaration never does."""
    return {name: contract_of(task) for name, task in snapshot.tasks.items()}


def contract_of(task: TaskPolicy) -> Contract:
    """The compiled contract of one task."""
    output = task.output
    validator = None if output is None else Validator(output.schema.text)
    return Contract(
        task=task.name,
        output=output,
        validator=validator,
        plan=None if validator is None else compile_plan(validator.schema),
        schema=Raw(b"" if output is None else output.schema.text.encode()),
        tools=tuple(ToolSpec(tool.name, tool.input_schema.text, declared=True) for tool in task.tools),
        tool_edits=tuple(
            ToolEdit(tool.name, tool.description, Raw(tool.input_schema.text.encode())) for tool in task.tools
        ),
        tool_calls=task.tool_calls,
        repetition=task.repetition,
    )
