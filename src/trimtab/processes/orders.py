"""What a child is started with: one JSON object on its command line. Descriptors are inherited; no secret is in it."""

from __future__ import annotations

from msgspec import Struct

from trimtab.declare.project import Control, Data


class GatewayOrders(Struct, frozen=True):
    """For a gateway worker: its slot and epoch, its socket and channel, and the snapshot to begin with."""

    slot: int
    epoch: str
    listener: int
    channel: int
    snapshot: str
    data: Data


class ControlOrders(Struct, frozen=True):
    """For control: its channel, the snapshot to begin with, where it listens, and the port the gateway listens on."""

    channel: int
    snapshot: str
    control: Control
    data: Data
    gateway_port: int = 0


class DemoOrders(Struct, frozen=True):
    """For the demo engine: its socket and channel, and the models it serves."""

    listener: int
    channel: int
    models: tuple[str, ...]
