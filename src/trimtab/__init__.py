"""Trimtab: runs LLM applications and agents reliably, cheaply and observably in production.

`load` reads a project, `render` makes the messages of a task's prompt, as the gateway does. They are loaded when they
are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.declare.load import load
    from trimtab.declare.rendering import Rendered
    from trimtab.declare.rendering import render_task as render

__version__ = "0.1.0"

__all__ = ["Rendered", "__version__", "load", "render"]

_PLACES = {
    "load": ("trimtab.declare.load", "load"),
    "render": ("trimtab.declare.rendering", "render_task"),
    "Rendered": ("trimtab.declare.rendering", "Rendered"),
}


def __getattr__(name: str) -> Any:
    """A name of the public face; raises `AttributeError` for any other."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _PLACES[name]
    found = globals()[name] = getattr(import_module(module), there)
    return found
