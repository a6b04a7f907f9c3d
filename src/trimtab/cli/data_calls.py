"""`trimtab data from-calls` and `trimtab data coverage`."""

from __future__ import annotations

import click


@click.command("from-calls")
def from_calls() -> None:
    """Draw cases from recorded calls."""


@click.command()
def coverage() -> None:
    """Tell what of live traffic no case represents."""
