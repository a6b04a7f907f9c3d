"""The `served` table of a model: what identifies the thing behind its name, as far as its owner knows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.files import in_project
from trimtab.declare.keys import PATTERNS
from trimtab.declare.names import data_set_name
from trimtab.declare.open_text import check_variable, flag, open_text
from trimtab.declare.project import Adapter, Served
from trimtab.declare.table import Table, dotted

IMAGE: Final = re.compile(r"(?:[^\s@]{1,255}@)?sha256:[0-9a-f]{64}")
MAX_FLAGS: Final = 256
MAX_VARIABLES: Final = 256
MAX_WEIGHTS: Final = 4096


def read_served(table: Table, root: Path) -> Served:
    """The `served` table."""
    usual, file = Served(), in_project(root)
    return Served(
        server=table.get("server", open_text, usual.server),
        image=table.get("image", _image, usual.image),
        flags=tuple(word for _, word in table.elements("flags", flag, most=MAX_FLAGS, repeated=True)),
        environment=_read_environment(table.table("environment")),
        hardware=table.get("hardware", open_text, usual.hardware),
        dtype=table.get("dtype", open_text, usual.dtype),
        quantization=table.get("quantization", open_text, usual.quantization),
        weights=_read_weights(table.table("weights")),
        chat_template=table.get("chat_template", file, None),
        tokenizer=table.get("tokenizer", file, None),
        adapter=_read_adapter(table.table("adapter")) if "adapter" in table else None,
        trained_on=table.each("trained_on", data_set_name),
    )


def _image(value: object) -> str:
    """A container image by its digest; a tag can be moved."""
    if not isinstance(value, str) or not IMAGE.fullmatch(value):
        instead = 'write "sha256:..." or "name@sha256:...", as `docker images --digests` shows it'
        raise values.Wrong(f"{values.show(value)}, not an image by its digest", instead)
    return open_text(value)


def _read_environment(table: Table) -> dict[str, str]:
    """Variables by their names, sorted; one that names a secret is a mistake that does not repeat its value."""
    found = {}
    for name in sorted(_bounded(table, MAX_VARIABLES)):
        if PATTERNS["<variable>"].fullmatch(name):
            try:
                check_variable(name)
            except values.Wrong as wrong:
                table.wrong(name, f"{table.name(name)} is {wrong.what}", wrong.instead)
                continue
            found[name] = table.get(name, open_text, "")
    return found


def _read_weights(table: Table) -> dict[str, str]:
    names = sorted(_bounded(table, MAX_WEIGHTS))
    return {name: table.get(name, values.hexadecimal, "") for name in names if PATTERNS["<file>"].fullmatch(name)}


def _bounded(table: Table, most: int) -> list[str]:
    if len(table) > most:
        table.wrong("", f"{dotted(table.path)} has {len(table)} entries", f"write at most {most}")
    return list(table)[:most]


def _read_adapter(table: Table) -> Adapter | None:
    name, base = table.required("name", open_text, '"support-lora"'), table.required("base", open_text, '"Qwen3-8B"')
    revision, trained_on = table.get("revision", open_text, ""), table.each("trained_on", data_set_name)
    return Adapter(name, base, revision, trained_on) if name and base else None
