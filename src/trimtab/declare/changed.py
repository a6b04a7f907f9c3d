"""What the calls of a fork are made with instead of what their tasks declare: a model, sampling, a prompt.

A change is asked for by name: `model`, `prompt` or `sampling.temperature`, and `triage.model` for the steps of that
label, or of that task, alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from trimtab.declare.project import Prompt, Sampling

SAMPLING: Final = tuple(field.name for field in structs.fields(Sampling))
SAMPLING_KINDS: Final = tuple(f"sampling.{name}" for name in SAMPLING)
KINDS: Final = ("model", "prompt", *SAMPLING_KINDS)
"""What can be changed of a call."""
JUDGES: Final = "judge "
"""How the label of a judge's step begins: it is pinned by its check, so what is changed for all steps is not for it."""
NOTED: Final = ("code",)
"""What is written down alone: whoever drives the run has it."""

Kind = Literal["model", "prompt", "sampling"]


class Change(Struct, frozen=True, omit_defaults=True):
    """One change. `kind` is one of `KINDS`, `label` the label or task of the steps it is for, empty for all.

    `value` is how it is told. Of a model there is its name in the declaration, of sampling the field that is not None,
    of a prompt the one for each task.
    """

    kind: str
    value: str
    label: str = ""
    model: str = ""
    sampling: Sampling = Sampling()
    prompts: dict[str, Prompt] = {}

    @property
    def name(self) -> str:
        """What it was asked for as."""
        return f"{self.label}.{self.kind}" if self.label else self.kind

    def is_for(self, label: str, task: str) -> bool:
        """Whether a step of that label and task is meant; a label within a name, `triage/second`, is that name's."""
        if label.startswith(JUDGES):
            return self.label == label
        return self.label in ("", label, task) or label.startswith(f"{self.label}/")


def for_step(changes: Iterable[Change], label: str, task: str) -> tuple[Change, ...]:
    """The changes that are meant for a step; one that names its steps takes the place of one that is for all."""
    found: dict[str, Change] = {}
    for change in sorted(changes, key=lambda one: bool(one.label)):
        if change.is_for(label, task):
            found[change.kind] = change
    return tuple(found.values())


def split_name(name: str) -> tuple[str, str]:
    """The label and the kind of a change's name; the kind is empty where it is none of `KINDS` or `NOTED`."""
    for kind in (*KINDS, *NOTED):
        if name == kind:
            return "", kind
        if name.endswith(f".{kind}"):
            return name[: -len(kind) - 1], kind
    return "", ""


encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(tuple[Change, ...]).decode
