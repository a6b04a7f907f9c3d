"""The version of the rules for classes is raised with the rules: locks hold what was found under it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import trimtab.contracts
from trimtab.contracts import rules

FILES = (
    "classify", "compiling", "engine_anthropic", "engine_guidance", "engine_vllm", "engine_xgrammar", "findings",
    "jsontext", "overlap", "patterns", "strict",
)  # fmt: skip
"""The modules that decide what class a schema has."""
VERSION = 1
SOURCES = "d20d255f26159206638e2c96633e9d41e5aa5317c73343939ab4ec9a8878ccaa"
"""The rules as they were when their version was last thought of."""


def test_version() -> None:
    """When this fails: raise `rules.VERSION` if any schema has another class or finding now, then write both here."""
    folder = Path(trimtab.contracts.__file__).parent
    texts = b"".join(hashlib.sha256((folder / f"{name}.py").read_bytes()).digest() for name in FILES)
    assert (rules.VERSION, hashlib.sha256(texts).hexdigest()) == (VERSION, SOURCES)
