"""Alerts, silences and letters that stand in a state database, for pages to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from tests.console.past import NEW_LOCK, NEW_PROMPT, OLD_LOCK, OLD_PROMPT
from tests.console.seeding import HOSTILE, hostile
from tests.control.alerting import MODEL, declared
from trimtab.clock import Clock
from trimtab.database.migrate import open_state
from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertStore
from trimtab.journal.outbox import Outbox
from trimtab.policy.watch import Watch
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.alert_pages import AlertPages
from trimtab.processes.alert_sight import Sight
from trimtab.processes.alert_watch import AlertWatch
from trimtab.processes.desk import Desk
from trimtab.record.events import Settled
from trimtab.signals.alerts.alert import Alert, Evidence, Measured, Silence, Step, WhatChanged
from trimtab.signals.alerts.finding import worded
from trimtab.signals.alerts.life import Moved
from trimtab.signals.alerts.monitors import Place
from trimtab.store.telemetry import Batch

MINUTE_NS: Final = 60 * 10**9
LOCK_WORDS: Final = "prompts/extract: 2 sentences changed\nprompts/refund: turn 1 is another"
HALF: Final = "\ud800"
"""No database keeps half a character."""
TOML: Final = (
    MODEL
    + '[receivers.oncall]\nkind = "webhook"\nurl = "https://hooks.example.com/secret-path"\n'
    + '[receivers.chat]\nkind = "slack"\nurl = "env:CHAT_URL"\nseverities = ["ticket"]\n'
    + '[alerts]\nreceivers = ["oncall", "chat"]\nconsole_url = "https://console.example.com"\n'
    + '[[maintenance]]\nreason = "new power supply"\nbegins = "mon 00:00"\nends = "sun 23:59"\ntasks = ["idle"]\n'
)
TASK: Final = 'owner = "support"\nmodel = "small"\n'
OPEN, SLOW, SEEN, HOST, OVER, HELD = "open-1", "open-2", "seen-1", "host-1", "over-1", "held-1"
"""The ids of the alerts."""


def watched(root: Path) -> Watch:
    """What is declared: four tasks with the rules that exist without writing any."""
    return declared(root, TOML, extract=TASK, route=TASK, refund=TASK.replace("support", "money"), idle=TASK)


def alarms(folder: Path, watch: Watch, clock: Clock) -> tuple[AlertWatch, Outbox]:
    """A watch over a state database, and its outbox."""
    state = folder / "state.db"
    ids = IdSource(seed=7)
    at_work = AlertWatch(lambda: AlertStore(open_state(state)), lambda: watch, Sight(), clock, ids)
    return at_work, Outbox(open_state(state))


def alert_desk(at_work: AlertWatch, outbox: Outbox) -> AlertPages:
    """What pages are handed of them."""
    return AlertPages(at_work, outbox)


def alerts(now_ns: int, worst: Sequence[str] = (), prompt: str = NEW_PROMPT, before: str = OLD_PROMPT) -> list[Alert]:
    """One alert of each kind: open with a cause, acknowledged of another task, of the host, over, and held back."""
    began = now_ns - 70 * MINUTE_NS
    causes = (
        WhatChanged("prompt", "extract", began, before, prompt, "", 1.0),
        WhatChanged("lock", "test", began, OLD_LOCK, NEW_LOCK, LOCK_WORDS),
    )
    fell = Evidence(
        "falls", "share", "", Measured(0.991, 9000, 0.989, 0.993), Measured(0.934, 412, 0.91, 0.952), 5.2e4, 4.3e4
    )
    rose = Evidence("rises", "s", "p95", Measured(0.21, 8000), Measured(0.34, 300, 0.31, 0.38), 9e4, 4.3e4)
    found = [
        Alert(
            OPEN,
            Place("extract", "parse_rate_falls"),
            "parse_rate",
            "page",
            "open",
            OPEN,
            began,
            now_ns - 62 * MINUTE_NS,
            fell,
            "support",
            ("oncall",),
            ("small",),
            now_ns - 61 * MINUTE_NS,
            causes=causes,
            worst=tuple(worst),
        ),
        Alert(
            SLOW,
            Place("extract", "ttft_rises"),
            "ttft",
            "ticket",
            "open",
            OPEN,
            began,
            now_ns - 50 * MINUTE_NS,
            rose,
            "support",
            (),
            ("small",),
            now_ns - 49 * MINUTE_NS,
        ),
        Alert(
            SEEN,
            Place("route", "errors_rise"),
            "error_rate",
            "ticket",
            "acknowledged",
            SEEN,
            now_ns - 200 * MINUTE_NS,
            now_ns - 190 * MINUTE_NS,
            Evidence(
                "rises",
                "share",
                "",
                Measured(0.001, 8000, 0.0005, 0.002),
                Measured(0.02, 500, 0.011, 0.036),
                6e4,
                4.3e4,
            ),
            "support",
            (),
            ("small",),
            now_ns - 189 * MINUTE_NS,
            by="ana",
            why="the provider has an incident",
        ),
        Alert(
            HOST,
            Place("", "replica_down", "http://10.0.0.12:8000"),
            "replica_down",
            "ticket",
            "open",
            HOST,
            now_ns - 20 * MINUTE_NS,
            now_ns - 20 * MINUTE_NS,
            Evidence("happens", detail="its health check fails"),
            opened_ns=now_ns - 19 * MINUTE_NS,
        ),
        Alert(
            HELD,
            Place("route", "inputs_drift", field="input.language"),
            "inputs",
            "ticket",
            "pending",
            HELD,
            now_ns - 5 * MINUTE_NS,
            now_ns - MINUTE_NS // 2,
            Evidence("drifts", "", "de", Measured(0.15, 900, 0.12, 0.18), Measured(0.4, 60, 0.28, 0.53), 5e4, 4.3e4),
            "support",
        ),
    ]
    over = Alert(
        OVER,
        Place("refund", "tool_validity_falls"),
        "tool_validity",
        "page",
        "resolved",
        OVER,
        now_ns - 300 * MINUTE_NS,
        now_ns - 280 * MINUTE_NS,
        Evidence("falls", "share", "", Measured(0.97, 900, 0.95, 0.98), Measured(0.8, 60, 0.68, 0.88), 5e4, 4.3e4),
        "money",
        (),
        ("small",),
        now_ns - 279 * MINUTE_NS,
        ended_ns=now_ns - 120 * MINUTE_NS,
        by="ben",
        why="the tool is back",
    )
    return [worded(replace(one, changed_ns=one.ended_ns or one.opened_ns or one.found_ns)) for one in (*found, over)]


def failing(day: Batch) -> tuple[str, ...]:
    """The latest calls of `extract` whose answer did not keep to its schema."""
    found = [one for one in day.calls if one.admitted.task == "extract" and one.verdict == "invalid"]
    return tuple(one.admitted.call for one in sorted(found, key=lambda one: -one.at_ns)[:5])


def kept(book: AlertBook, rules: Watch, now_ns: int, those: Sequence[Alert]) -> None:
    """Puts alerts into a book, each with the steps of its life."""
    for one in those:
        steps = [Step(one.id, one.found_ns, "", "pending", "evidence")]
        if one.opened_ns and one.state != "open":
            steps.append(Step(one.id, one.opened_ns, "pending", "open", "evidence"))
        if one.state != "pending":
            steps.append(Step(one.id, one.changed_ns, steps[-1].after, one.state, one.by or "evidence", one.why))
        for step in steps:
            book.keep([Moved(one, step)], rules, one.changed_ns)


def hostile_alert(now_ns: int) -> Alert:
    """One whose every text is hostile."""
    script, image, link, escapes, turned, hidden = (one.replace(HALF, "") for one in HOSTILE)
    causes = (WhatChanged("prompt", script, now_ns, image, link, escapes), WhatChanged("tool_shape", turned, now_ns))
    evidence = Evidence("drifts", "share", hidden, Measured(0.1, 90), Measured(0.4, 60, 0.3, 0.5), detail=link)
    place = Place("route", "predictions_drift", field=script)
    facts = (place, "predictions", "ticket", "open", "hostile-1", now_ns - MINUTE_NS, now_ns, evidence, script)
    return worded(Alert("hostile-1", *facts, opened_ns=now_ns, changed_ns=now_ns, causes=causes, by=image, why=turned))


def hostile_letters(now_ns: int, keep: Callable[[bytes], str]) -> list[Settled]:
    """Calls that failed for good, of which every text is hostile, the request too."""
    body = "\n".join(HOSTILE).encode("utf-8", "replace")
    digest = keep(body)
    found = []
    for one in hostile(now_ns):
        if isinstance(one, Settled) and one.outcome != "ok" and HALF not in one.detail:
            admitted = replace(one.admitted, request_body=digest, request_bytes=len(body))
            found.append(replace(one, admitted=admitted))
    return found


async def learned(at_work: AlertWatch, desk: Desk) -> None:
    """Lets the watch look back half an hour, so that it knows what it watches."""
    await at_work.change(lambda book, rules, now: book.keep([], rules, now, now // MINUTE_NS - 30))
    await at_work.round(desk)


async def seed(
    at_work: AlertWatch,
    outbox: Outbox,
    now_ns: int,
    worst: Sequence[str] = (),
    more: Sequence[Alert] = (),
    but: Sequence[str] = (),
) -> None:
    """Puts all of it in: alerts (`but` those), a silence, and tellings that arrived, wait, and were given up."""
    those = [one for one in (*alerts(now_ns, worst), *more) if one.id not in but]
    await at_work.change(lambda book, rules, now: kept(book, rules, now, those))
    quiet = Silence("", "route", "", "inputs_drift", now_ns, now_ns + 240 * MINUTE_NS, "ana", "a campaign in Germany")
    await at_work.change(lambda book, rules, now: book.silence(quiet, now_ns))

    def delivered(*_: object) -> None:
        letters = [one for one in outbox.due(2**62, 100) if one.alert == OPEN]
        outbox.delivered(letters[0].id)
        for one in letters[1:]:
            outbox.failed(one.id, "HTTP 503", now_ns + MINUTE_NS)
        for one in outbox.due(2**62, 100):
            if one.alert == HOST:
                outbox.dead(one.id, "HTTP 410: the channel is archived", now_ns)

    await at_work.ask(delivered)
