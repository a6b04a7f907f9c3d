"""What a review's decision is bound to, so that no other action can ride on it.

The first binding is over the tool, what it was declared as, its arguments and the lock. That of an edited action is
over the first and the arguments that took the place of the proposed ones.
"""

from __future__ import annotations

from trimtab.journal.requests import canonical


def binding(tool: str, definition: str, arguments: object, lock: str) -> str:
    """What a decision on these arguments is bound to; sha256 (hexadecimal). `arguments` is JSON as bytes, or data."""
    return canonical("tool", tool, {"definition": definition, "lock": lock, "arguments": _digest(arguments)}).digest


def edited_binding(binds: str, arguments: object) -> str:
    """What a decision that puts these arguments in the place of others is bound to; sha256 (hexadecimal)."""
    return canonical("tool", "", {"edited": binds, "arguments": _digest(arguments)}).digest


def _digest(arguments: object) -> str:
    return canonical("tool", "", arguments).digest
