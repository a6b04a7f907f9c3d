"""What the pages of alerts ask for and do: handed in by control, so that this room need not know the processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from trimtab.journal.outbox import Letter
from trimtab.policy.watch import AlertRule, Maintenance, Receiver
from trimtab.signals.alerts.alert import Act, Silence
from trimtab.signals.alerts.shown import AlertDetail, AlertShown, RulesShown


class Quiet(Struct, frozen=True):
    """Why nobody is told of some alerts now: silences, the next to end first, and windows of maintenance."""

    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()


class AlertDesk(Protocol):
    """The alerts of this host. Every operation raises `StoreError`; those that change something `CallError` where that
    cannot be.
    """

    async def detail(self, alert: str) -> AlertDetail | None:
        """One alert with its history and its group; None if there is none of that id."""

    async def rule(self, task: str, name: str) -> AlertRule | None:
        """A rule in force of a task, or of the whole project."""

    async def declared(self) -> Mapping[str, Sequence[AlertRule]]:
        """The rules in force by task, those of the whole project under the empty name."""

    async def told(self, group: str) -> Sequence[Letter]:
        """What was or is to be told of a group, the newest first."""

    async def rules(self) -> RulesShown:
        """All that is watched."""

    async def receivers(self) -> Sequence[Receiver]:
        """Those that are declared, by name."""

    async def quiet(self) -> Quiet:
        """What keeps people from being told now."""

    async def act(self, alert: str, what: Act, by: str, why: str, tasks: tuple[str, ...] = ()) -> AlertShown:
        """What a person does with an alert, and with others of its group where they are of `tasks`, if any is told."""

    async def silence(self, wanted: Silence, length_s: float) -> Silence:
        """Tells nobody of some alerts for so long from now on."""

    async def unsilence(self, silence: str) -> Silence:
        """Ends a silence now."""

    async def send_test(self, receiver: str) -> None:
        """Lets a receiver be told of an alert that is none."""
