"""Who is told: `[receivers.NAME]`, `[owners.NAME]` and `[[maintenance]]` of `trimtab.toml`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trimtab.declare import values
from trimtab.declare.alerting import Address, Maintenance, Receiver, ReceiverKind, Severity
from trimtab.declare.host import placed
from trimtab.declare.keys import PATTERNS
from trimtab.declare.mistakes import nearest, one_of
from trimtab.declare.project import Secret
from trimtab.declare.table import Table

KIND: Final[values.Read[ReceiverKind]] = values.choice("webhook", "slack", "pagerduty", "email", "alertmanager")
SEVERITY: Final[values.Read[Severity]] = values.choice("page", "ticket")
MAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
WEEKLY: Final = re.compile(r"(mon|tue|wed|thu|fri|sat|sun) ([01][0-9]|2[0-3]):([0-5][0-9])", re.IGNORECASE)
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 1440
NS_PER_S: Final = 1_000_000_000
MAX_RECEIVERS: Final = 256
MAX_WINDOWS: Final = 256
EXAMPLES: Final = {
    "webhook": '"https://hooks.example.com/trimtab"',
    "slack": '"env:SLACK_URL"',
    "pagerduty": '"https://events.pagerduty.com/v2/enqueue"',
    "email": '"smtp://mail.example.com:587"',
    "alertmanager": '"http://alertmanager:9093"',
}
FOR_MAIL: Final = ("to", "sender", "user")
Moment = tuple[bool, int]
"""Whether it comes every week, and the minute of the week or ns since 1970."""


def read_receivers(table: Table, root: Path) -> dict[str, Receiver]:
    """The receivers whose names are good, by name."""
    names = [name for name in sorted(table) if values.NAME.fullmatch(name)]
    if len(names) > MAX_RECEIVERS:
        table.wrong("", f"there are {len(names)} receivers", f"declare at most {MAX_RECEIVERS}")
    return {name: _read_receiver(name, table.table(name), root) for name in names[:MAX_RECEIVERS]}


def read_owners(table: Table) -> dict[str, tuple[str, ...]]:
    """The receivers of each owner."""
    names = (name for name in sorted(table) if PATTERNS["<owner>"].fullmatch(name))
    return {name: table.table(name).each("receivers", values.name, example='"oncall"') for name in names}


def check_receivers(table: Table, key: str, known: Iterable[str]) -> None:
    """The receivers that a list names are declared."""
    names = tuple(known)
    for index, name in table.elements(key, values.name):
        if name not in names:
            close = nearest(name, names)
            hint = f"did you mean {close}?" if close else f"declare [receivers.{name}] in trimtab.toml"
            table.wrong_at((key, index), f"there is no receiver {values.show(name)}", hint)


def check_owners(table: Table, owners: Collection[str]) -> None:
    """Every owner with receivers owns a task, so that a misspelt one does not go untold."""
    for name in table:
        if PATTERNS["<owner>"].fullmatch(name) and name not in owners:
            close = nearest(name, owners)
            hint = (
                f"did you mean {values.show(close)}?" if close else "write it as owner in a task.toml, or take it out"
            )
            table.wrong(name, f"no task is owned by {values.show(name)}", hint)


def read_maintenance(tables: tuple[Table, ...], tasks: Collection[str]) -> tuple[Maintenance, ...]:
    """The windows of maintenance; `tasks` are the tasks there are."""
    if len(tables) > MAX_WINDOWS:
        tables[MAX_WINDOWS].wrong("", f"there are {len(tables)} windows", f"declare at most {MAX_WINDOWS}")
    found = [_read_window(table, tasks) for table in tables[:MAX_WINDOWS]]
    return tuple(window for window in found if window is not None)


def _read_receiver(name: str, table: Table, root: Path) -> Receiver:
    kind = table.required("kind", KIND, one_of(f'"{kind}"' for kind in EXAMPLES))
    shown = kind or "webhook"
    url = table.required("url", _address(shown), EXAMPLES[shown])
    receiver = Receiver(
        name=name,
        kind=shown,
        url=_placed(url, root),
        secret=_placed(table.get("secret", _secret, None), root),
        to=tuple(one for _, one in table.elements("to", _mail)),
        sender=table.get("sender", _mail, ""),
        user=table.get("user", values.text, ""),
        severities=table.each("severities", SEVERITY) or ("page", "ticket"),
    )
    if kind is not None:
        _check_receiver(table, receiver)
    return receiver


def _check_receiver(table: Table, one: Receiver) -> None:
    if one.kind == "email":
        table.required("sender", _mail, '"trimtab@example.com"')
        table.elements("to", _mail, example='"oncall@example.com"')
        if (one.secret is None) != (not one.user):
            given, other = ("user", "secret") if one.user else ("secret", "user")
            instead = f"write {other} too, or take {given} out"
            table.wrong(given, f"{table.name(given)} stands without {other}", instead)
    else:
        for key in FOR_MAIL:
            if key in table:
                table.wrong(key, f"{table.name(key)} has no use with the kind {one.kind}", "take it out")
    if one.kind == "pagerduty" and "secret" not in table:
        table.wrong("", f"the receiver {one.name} has no routing key", 'write secret = "env:PAGERDUTY_KEY"')
    if one.kind == "slack" and "secret" in table:
        table.wrong("secret", f"{table.name('secret')} has no use with the kind slack", "its url is the secret")
    if one.kind == "slack" and one.url is not None and not one.url.is_secret:
        what = f"{table.name('url')} is written down, and whoever reads it may post (it is not repeated here)"
        table.wrong("url", what, 'write url = "env:SLACK_URL" or "file:/path/to/it"')


def _address(kind: ReceiverKind) -> values.Read[Address]:
    """A URL of the kind's schemes without credentials, or where a secret one lies."""

    def read(value: object) -> Address:
        if isinstance(value, str) and value.startswith(("env:", "file:")):
            return _secret(value)
        if kind == "email":
            return Address(_mail_server(value))
        return Address(values.server(value))

    return read


def _mail_server(value: object) -> str:
    instead = 'write "smtp://HOST:587" (STARTTLS) or "smtps://HOST:465"'
    if not isinstance(value, str) or not values.VISIBLE.fullmatch(value):
        raise values.Wrong("not the URL of a mail server", instead)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise values.Wrong("a URL whose host or port is malformed", instead) from None
    if parts.username is not None or parts.password is not None:
        raise values.Wrong("a URL with credentials (not repeated here)", "take them out and use user and secret")
    is_plain = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in {"smtp", "smtps"} or not values.HOST.fullmatch(parts.hostname or "") or not is_plain:
        raise values.Wrong("not the URL of a mail server", instead)
    return f"{parts.scheme}://{parts.hostname}:{port or (465 if parts.scheme == 'smtps' else 587)}"


def _secret(value: object) -> Address:
    found = values.secret(value)
    return Address(f"{found.kind}:{found.place}", is_secret=True)


def _placed(address: Address | None, root: Path) -> Address | None:
    """A secret's file lies in the project, unless its path is whole."""
    if address is None or not address.is_secret:
        return address
    kind, _, place = address.text.partition(":")
    secret = placed(Secret("file" if kind == "file" else "env", place), root)
    return address if secret is None else Address(f"{secret.kind}:{secret.place}", is_secret=True)


def _mail(value: object) -> str:
    if not isinstance(value, str) or not MAIL.fullmatch(value):
        raise values.Wrong(f"{values.show(value)}, not a mail address", 'write one, such as "oncall@example.com"')
    return value


def _read_window(table: Table, tasks: Collection[str]) -> Maintenance | None:
    reason = table.required("reason", values.text, '"nightly reload of the cluster"')
    begins = table.required("begins", _moment, '"sun 02:00"')
    ends = table.required("ends", _moment, '"sun 04:00"')
    named = table.each("tasks", values.name)
    for index, name in table.elements("tasks", values.name):
        if name not in tasks:
            close = nearest(name, tasks)
            hint = f"did you mean {close}?" if close else "name a folder of tasks/"
            table.wrong_at(("tasks", index), f"there is no task {values.show(name)}", hint)
    if begins is None or ends is None:
        return None
    if begins[0] != ends[0]:
        table.wrong(
            "ends", f"{table.name('begins')} and ends are of two kinds", "write a day of the week or a date in both"
        )
    elif begins == ends or (not begins[0] and ends[1] < begins[1]):
        table.wrong("ends", f"{table.name('ends')} does not come after begins", "write a later time")
    return Maintenance(reason or "", begins[1], ends[1], begins[0], named)


def _moment(value: object) -> Moment:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise values.Wrong(f"{values.show(value)}, without a zone", "write one behind it, such as Z for UTC")
        whole = value.astimezone(UTC)
        return False, int(whole.timestamp()) * NS_PER_S
    match = WEEKLY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        instead = 'write "sun 02:00" (UTC) for every week, or a date and time such as 2026-12-24T22:00:00Z'
        raise values.Wrong(f"{values.show(value)}, not a time", instead)
    return True, DAYS.index(match[1].lower()) * DAY_MINUTES + int(match[2]) * 60 + int(match[3])
