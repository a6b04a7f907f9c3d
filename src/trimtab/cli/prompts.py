"""`trimtab prompts`: what is sent for a task, and how its prompt came to be."""

from __future__ import annotations

from importlib import import_module
from typing import Final, NamedTuple

import click


class Part(NamedTuple):
    """Where the `command` of a part of the verb lies, and what it does in a line."""

    module: str
    help: str


PARTS: Final = {
    "render": Part("trimtab.cli.prompts_render", "Show exactly what is sent for some inputs."),
    "log": Part("trimtab.cli.prompts_log", "Show each version of a prompt, what changed, and its figures since."),
}


class Parts(click.Group):
    """The parts of the verb; each is loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(PARTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a part, loaded now."""
        part = PARTS.get(cmd_name)
        if part is None:
            return None
        command: click.Command = import_module(part.module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the parts and their lines into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, part.help) for name, part in PARTS.items()])


@click.group(cls=Parts)
def command() -> None:
    """Show what is sent for a task, and how its prompt came to be."""
