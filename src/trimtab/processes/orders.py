"""What a child is started with: one JSON object on its command line. Descriptors are inherited; no secret is in it."""

from __future__ import annotations

from msgspec import Struct

from trimtab.declare.project import Control, Data


class GatewayOrders(Struct, frozen=True):
    """For a gateway worker: its slot and epoch, its socket and channel, and the snapshot to begin with.

    `root` is the project's folder, in which the tokenizers of its models lie. With `journaled` calls of runs are in the
    journal, which keeper keeps.
    """

    slot: int
    epoch: str
    listener: int
    channel: int
    snapshot: str
    root: str
    data: Data
    journaled: bool = False


class KeeperOrders(Struct, frozen=True):
    """For keeper: its epoch, the socket on which it answers, and its channel."""

    epoch: str
    listener: int
    channel: int
    data: Data


class ControlOrders(Struct, frozen=True):
    """For control: its channel and epoch, the snapshot to begin with, where it listens, and the gateway's port.

    `root` is the project's folder: the lock lies in it, and what a tool's MCP server is started in.
    """

    channel: int
    epoch: str
    snapshot: str
    root: str
    control: Control
    data: Data
    gateway_port: int = 0


class DemoOrders(Struct, frozen=True):
    """For the demo engine: its socket and channel, and the models it serves."""

    listener: int
    channel: int
    models: tuple[str, ...]
