"""Verbs that have commands of their own: each is listed with its line, whole."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import click

WHOLE: Final = 10_000
"""Characters of a sentence; none is as long."""


class Part(NamedTuple):
    """Where the `command` of a part of a verb lies, and what it does in a line."""

    module: str
    help: str


class Commands(click.Group):
    """A verb with commands of its own; help tells the first sentence of each, where click cuts it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands and their sentences into the help."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(WHOLE)) for name, one in found if one is not None])


class Parts(click.Group):
    """A verb with the parts it is given, each loaded when it is asked for."""

    def __init__(self, *arguments: Any, parts: Mapping[str, Part], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._parts = parts

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self._parts)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a part, loaded now."""
        part = self._parts.get(cmd_name)
        if part is None:
            return None
        command: click.Command = import_module(part.module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the parts and their lines into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, part.help) for name, part in self._parts.items()])
