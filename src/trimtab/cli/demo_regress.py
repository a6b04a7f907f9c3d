"""Plants a change in a demo that runs, sends calls, and waits for the alert that tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from trimtab.cli.alerts_client import AskedOffice, Wanted
from trimtab.cli.answers import Refused
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.lock_text import today
from trimtab.cli.lock_write import held_lock, put, with_authors
from trimtab.cli.screen import console
from trimtab.clock import SystemClock
from trimtab.declare.load import PROJECT_FILE, load
from trimtab.declare.project import Listen, Project
from trimtab.demo.regression import TASK, NotTheDemo, Regression
from trimtab.demo.traffic import OK, SHARES, Traffic
from trimtab.demo.welcome import RANGE
from trimtab.errors import TrimtabError
from trimtab.lock.diff import differences
from trimtab.lock.resolve import resolve
from trimtab.processes.directory import DataDirectory
from trimtab.processes.replicas_api import Replicas
from trimtab.signals.alerts.alert import Act
from trimtab.signals.alerts.shown import AlertShown
from trimtab.signals.figure import Cell
from trimtab.signals.telling import Told

SIGNAL: Final = "parse_rate"
GREEN: Final = ("ttft", "tpot", "error_rate")
"""What an operator of a serving cluster looks at."""
MODEL: Final = "small"
LOOK_S: Final = 2.0
SETTLE_S: Final = 3.0
"""Until the last calls are in telemetry."""
MINUTE_NS: Final = 60_000_000_000
FAILURES: Final = 3


class NoCalls(TrimtabError):
    """No call of the demo was answered ({detail}). Look at `trimtab status`, and whether `trimtab up --demo` runs."""


class Plan(Struct, frozen=True):
    """How long calls go well, how long the alert is waited for, how many are sent a second, and whether it stays."""

    before_s: float
    give_up_s: float
    rate: float
    seed: int
    keep: bool


class EngineSeen(Struct, frozen=True):
    """What the engine says of itself over its last minutes: means of its times, in seconds, and what waits in it."""

    first_token_s: float | None
    per_token_s: float | None
    waiting: float
    preemptions: float | None


class Shown(Struct, frozen=True):
    """What came of it: the alert (None: it did not open), others that opened meanwhile, what was changed, figures of
    all tasks and of the engine before and since, calls that failed, and where pages tell more. Times are ns since 1970.
    """

    alert: AlertShown | None
    others: tuple[AlertShown, ...]
    planted_ns: int
    waited_s: float
    sent: dict[str, int]
    changes: tuple[str, ...]
    lock_before: str
    lock_after: str
    prompt_before: str
    prompt_after: str
    before: tuple[Cell, ...]
    since: tuple[Cell, ...]
    engine_before: EngineSeen | None
    engine_since: EngineSeen | None
    failing: tuple[str, ...]
    console: str
    restored: bool


def regression_of(folder: Path) -> Regression:
    """The change of the demo in a folder; raises `NotTheDemo`, and `DeclarationError` for a project with mistakes."""
    if not (folder / PROJECT_FILE).exists():
        raise NotTheDemo(folder=str(folder))
    return Regression(folder, DataDirectory.of(load(folder)).root / "demo" / "prompt.md")


def restored(folder: Path, regression: Regression) -> bool:
    """Puts the prompt back and locks it; False where nothing was changed."""
    if not regression.restore():
        return False
    lock_again(folder)
    return True


def lock_again(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    """Writes the project's lock: its id before and after, and what changed in words."""
    project, held = load(folder), held_lock(folder)
    lock, _ = with_authors(project, folder, resolve(project, held.lock, today=today()).lock, held.lock)
    put(folder, lock)
    changed = tuple(one.words for one in differences(held.lock, lock)) if held.lock is not None else ()
    return held.lock.lock_id if held.lock is not None else "", lock.lock_id, changed


class Stage:
    """A demo that runs, and what is done to it."""

    def __init__(self, folder: Path, plan: Plan, *, quiet: bool) -> None:
        self._folder = folder
        self._plan = plan
        self._regression = regression_of(folder)
        project = load(folder)
        self._project = project
        self._gateway = url_of(project.gateway.listen)
        self._console = console_of(project)
        self._client = ControlClient(DataDirectory.of(project).control_socket)
        self._office = AskedOffice(DataDirectory.of(project).control_socket)
        self._clock = SystemClock()
        self._quiet = quiet

    def play(self) -> Shown:
        """All of it, and the prompt put back unless it shall stay.

        Raises `NotTheDemo`, `ControlUnreachable` where nothing runs, `NoCalls`, and what a project raises that cannot
        be read, locked or written.
        """
        restored(self._folder, self._regression)
        self._clear()
        began_ns = self._clock.wall_ns()
        with ExitStack() as stack:
            traffic = stack.enter_context(Traffic(self._gateway, self._plan.rate, self._plan.seed, self._clock))
            self._pass("calls go well", self._plan.before_s, traffic, lambda: None)
            if not traffic.sent.ends["ok"]:
                ends = ", ".join(f"{end}: {count}" for end, count in traffic.sent.ends.most_common(3))
                raise NoCalls(detail=ends or "none ended")
            if not self._plan.keep:
                stack.callback(restored, self._folder, self._regression)
            engine = self._engine()
            words = self._regression.plant()
            locks = lock_again(self._folder)
            planted_ns = self._clock.wall_ns()
            alert = self._pass("waiting for the alert", self._plan.give_up_s, traffic, lambda: self._alert(planted_ns))
        waited_s = (self._clock.wall_ns() - planted_ns) / 1e9
        later = self._engine()
        time.sleep(SETTLE_S)
        found = self._office.list(Wanted(state="active", limit=100))
        floor, ceiling = planted_ns // MINUTE_NS * MINUTE_NS, -(-planted_ns // MINUTE_NS) * MINUTE_NS
        return Shown(
            alert=alert,
            others=tuple(one for one in found if one.found_ns > began_ns and (alert is None or one.id != alert.id)),
            planted_ns=planted_ns,
            waited_s=waited_s,
            sent=dict(traffic.sent.ends),
            changes=locks[2],
            lock_before=locks[0],
            lock_after=locks[1],
            prompt_before=words[0],
            prompt_after=words[1],
            before=self._figures(began_ns // MINUTE_NS * MINUTE_NS, floor),
            since=self._figures(ceiling, self._clock.wall_ns()),
            engine_before=engine,
            engine_since=later,
            failing=alert.worst[:FAILURES] if alert is not None else (),
            console=f"{self._console}/{f'alerts/{alert.id}' if alert else ''}?{RANGE}" if self._console else "",
            restored=not self._plan.keep,
        )

    def _clear(self) -> None:
        """An alert of an earlier run would hide this one's."""
        for one in self._office.list(Wanted(task=TASK, signal=SIGNAL, state="active")):
            why: tuple[Act, str] = "resolve", "trimtab demo regress begins anew"
            self._office.act(one.id, *why)

    def _alert(self, planted_ns: int) -> AlertShown | None:
        """The alert that tells of the change, once somebody would be told of it."""
        found = self._office.list(Wanted(task=TASK, signal=SIGNAL, state="open"))
        return next((one for one in found if one.opened_ns and one.found_ns > planted_ns), None)

    def _engine(self) -> EngineSeen | None:
        """What the engine says of itself now; None where nothing was read of it yet."""
        status, body = self._client.ask("GET", "/api/replicas")
        if status != OK:
            raise Refused(detail=refusal(body).message)
        found = msgspec.json.decode(body, type=Replicas).replicas
        view = next((one.engine for one in found if one.model == MODEL), None)
        if view is None:
            return None
        waiting = view.values.get("queue_depth", 0.0)
        return EngineSeen(view.rates.ttft_s, view.rates.tpot_s, waiting, view.rates.preemptions)

    def _figures(self, since_ns: int, until_ns: int) -> tuple[Cell, ...]:
        """The tasks' figures in a window of whole minutes."""
        if until_ns <= since_ns:
            return ()
        asked = [("since", iso(since_ns)), ("until", iso(until_ns)), *(("task", one) for one in SHARES)]
        asked += [("signal", name) for name in (SIGNAL, *GREEN)]
        status, body = self._client.ask("GET", f"/api/signals?{urlencode(asked)}")
        if status != OK:
            raise Refused(detail=refusal(body).message)
        return msgspec.json.decode(body, type=Told).figures.cells

    def _pass(
        self, what: str, seconds: float, traffic: Traffic, look: Callable[[], AlertShown | None]
    ) -> AlertShown | None:
        """Lets time pass while calls are sent, until something is found or it is over."""
        until = self._clock.monotonic() + seconds
        with progress(what, seconds, quiet=self._quiet) as tell:
            while (now := self._clock.monotonic()) < until:
                found = look()
                if found is not None:
                    return found
                tell(seconds - (until - now), traffic.sent.calls)
                time.sleep(min(LOOK_S, until - now))
        return None


@contextmanager
def progress(what: str, seconds: float, *, quiet: bool) -> Iterator[Callable[[float, int], None]]:
    """Shows how far a phase is, with its rate and the time left; a line for a phase where nobody's terminal is."""
    screen = console()
    if quiet or not screen.is_terminal:
        if not quiet:
            screen.print(f"{what}, {seconds:.0f} s at most")
        yield lambda passed, calls: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - terminals only

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn()
    with Progress(*columns, console=screen) as bar:
        row = bar.add_task(f"{what:<22}", total=seconds, told="")
        first: list[tuple[float, int]] = []

        def tell(passed: float, calls: int) -> None:
            first.append((passed, calls))
            (since, before) = first[0]
            rate = (calls - before) / (passed - since) if passed > since else 0.0
            bar.update(row, completed=passed, told=f"{calls:,} calls, {rate:.1f} a second")

        yield tell


def url_of(listen: Listen) -> str:
    """The address on this machine of what listens there."""
    host = "127.0.0.1" if listen.host in ("", "0.0.0.0") else listen.host  # noqa: S104 - it is asked, not bound
    return f"http://{host}:{listen.port}"


def console_of(project: Project) -> str:
    """Where the console is reached; empty where control does not listen."""
    return url_of(project.control.listen) if project.control.listen is not None else ""


def iso(at_ns: int) -> str:
    """A time as routes read it."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat()
