"""`trimtab prompts`: what is sent for a task, and how its prompt came to be."""

from __future__ import annotations

from typing import Final

import click

from trimtab.cli.parts import Part, Parts

PARTS: Final = {
    "render": Part("trimtab.cli.prompts_render", "Show exactly what is sent for some inputs."),
    "log": Part("trimtab.cli.prompts_log", "Show each version of a prompt, what changed, and its figures since."),
}


@click.group(cls=Parts, parts=PARTS)
def command() -> None:
    """Show what is sent for a task, and how its prompt came to be."""
