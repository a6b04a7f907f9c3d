"""What `trimtab.toml` says of the host: `environment`, `[gateway]`, `[control]`, `[data]` and `[background]`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.background import Background
from trimtab.declare.project import Control, Data, Gateway, Limits, Listen, Secret, Tls
from trimtab.declare.table import Table

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30
TIB: Final = 1 << 40
DEFAULT_WORKERS: Final = 2
MAX_WORKERS: Final = 64
MAX_DEAD_LETTERS: Final = 1_000_000
MAX_WAITING: Final = 1_000_000
MAX_REQUEST: Final = 60 * MIB
"""What keeper takes in one ask holds it, with its headers."""
WEEK_S: Final = 7 * 86_400.0
GATEWAY_LISTEN: Final = Listen("127.0.0.1", 8400)
CONTROL_LISTEN: Final = Listen("127.0.0.1", 8401)
DATA_DIRECTORY: Final = ".trimtab"


def read_gateway(table: Table, root: Path, cpus: int) -> Gateway:
    """The `[gateway]` table; without `workers` there are two, or one on a machine with one core."""
    return Gateway(
        listen=_read_listen(table, root, GATEWAY_LISTEN),
        workers=table.get("workers", values.whole(1, MAX_WORKERS), min(DEFAULT_WORKERS, cpus)),
        limits=_read_limits(table),
        keys=table.get("keys", values.choice("required", "open"), "required"),
    )


def read_control(table: Table, root: Path) -> Control:
    """The `[control]` table."""
    return Control(_read_listen(table, root, CONTROL_LISTEN))


def read_data(table: Table, root: Path) -> Data:
    """The `[data]` table; a relative directory lies in the project."""
    telemetry = table.get("telemetry", values.telemetry, "chdb")
    password = table.get("telemetry_password", values.secret, None)
    if password is not None and telemetry == "chdb":
        table.wrong(
            "telemetry_password",
            "data.telemetry_password has no use: the embedded store has no users",
            "take it out, or write telemetry = the server's URL",
        )
    return Data(
        directory=str(root / table.get("directory", values.text, DATA_DIRECTORY)),
        retention_s=table.get("retention", values.duration(3600), 30 * 86_400.0),
        fsync_interval_s=table.get("fsync_interval", values.duration(0.001, 10), 0.05),
        reserve_bytes=table.get("reserve", values.size(MIB, TIB), 64 * MIB),
        spool_limit_bytes=table.get("spool_limit", values.size(16 * MIB, 1024 * TIB), 2 * GIB),
        telemetry=telemetry,
        telemetry_password=placed(password, root),
        dead_letters=table.get("dead_letters", values.whole(0, MAX_DEAD_LETTERS), 10_000),
        journal=placed(table.get("journal", values.secret, None), root),
    )


def read_background(table: Table, data: Data, gateway: Gateway) -> Background:
    """The `[background]` table: answers cannot be kept longer than bodies, nor requests be larger than any."""
    usual = Background()
    read = Background(
        waiting=table.get("waiting", values.whole(1, MAX_WAITING), usual.waiting),
        attempts=table.get("attempts", values.whole(1, 20), usual.attempts),
        deadline_s=table.get("deadline", values.duration(1, WEEK_S), usual.deadline_s),
        keep_s=table.get("keep", values.duration(60), min(usual.keep_s, data.retention_s)),
        concurrency=table.get("concurrency", values.whole(0, 1024), usual.concurrency),
        busy=table.get("busy", values.whole(1, MAX_WAITING), usual.busy),
        max_request=table.get(
            "max_request", values.size(KIB, MAX_REQUEST), min(usual.max_request, gateway.limits.max_body)
        ),
    )
    if read.keep_s > data.retention_s:
        table.wrong("keep", "background.keep is longer than data.retention, after which bodies go", "write less")
    if read.max_request > gateway.limits.max_body:
        table.wrong(
            "max_request", "background.max_request is over gateway.max_body, which holds for every call", "write less"
        )
    return read


def check_listeners(gateway_table: Table, control_table: Table, gateway: Gateway, control: Control) -> None:
    """Rules that join the two listeners."""
    ours, other = gateway.listen, control.listen
    if (ours.host, ours.port) == (other.host, other.port) and ours.port:
        control_table.wrong("listen", "control.listen is the gateway's address too", "write another port")
    if gateway.keys == "open":
        for table, listen, name in ((gateway_table, ours, "gateway"), (control_table, other, "control")):
            if not is_loopback(listen.host):
                table.wrong(
                    "listen" if "listen" in table else "keys",
                    f'gateway.keys is "open" while {name}.listen is {listen.host}, which others can reach',
                    'write keys = "required", or listen on 127.0.0.1',
                )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def placed(secret: Secret | None, root: Path) -> Secret | None:
    """A secret whose file, if relative, lies in the project."""
    if secret is None or secret.kind == "env":
        return secret
    return Secret("file", str(root / secret.place))


def existing_file(table: Table, key: str, root: Path) -> str | None:
    """The path of a file that is there; relative ones lie in the project."""
    written = table.get(key, values.text, None)
    if written is None:
        return None
    path = root / written
    try:
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        table.wrong(key, f"{table.name(key)} is {values.show(written)}, where there is no file", "name one that exists")
        return None
    return str(path)


def _read_listen(table: Table, root: Path, usual: Listen) -> Listen:
    listen = table.get("listen", values.listen, usual)
    return Listen(listen.host, listen.port, _read_tls(table.table("tls"), root) if "tls" in table else None)


def _read_tls(table: Table, root: Path) -> Tls | None:
    for key in ("cert", "key"):
        table.required(key, values.text, f'"tls/{key}.pem"')
    cert, key_file = existing_file(table, "cert", root), existing_file(table, "key", root)
    return Tls(cert, key_file) if cert and key_file else None


def _read_limits(table: Table) -> Limits:
    usual = Limits()
    ten_minutes, hour = values.duration(0.1, 600), values.duration(0.1, 3600)
    return Limits(
        max_header=table.get("max_header", values.size(KIB, MIB), usual.max_header),
        max_body=table.get("max_body", values.size(KIB, GIB), usual.max_body),
        max_connections=table.get("max_connections", values.whole(1, 1_000_000), usual.max_connections),
        header_timeout_s=table.get("header_timeout", ten_minutes, usual.header_timeout_s),
        body_timeout_s=table.get("body_timeout", hour, usual.body_timeout_s),
        idle_timeout_s=table.get("idle_timeout", hour, usual.idle_timeout_s),
        slow_reader_s=table.get("slow_reader", hour, usual.slow_reader_s),
        drain_s=table.get("drain", hour, usual.drain_s),
    )
