"""Who answers `status`, `calls` and `report`: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from starlette.datastructures import QueryParams

from trimtab.assemble.stores import open_stores
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.holding import held
from trimtab.clock import Clock, SystemClock
from trimtab.console.call_query import call_search
from trimtab.declare.project import Project
from trimtab.errors import TrimtabError
from trimtab.gateway.board_view import BoardView
from trimtab.policy.compile import compile as compile_policy
from trimtab.processes.api import DEFAULT_WINDOW, kept_bodies
from trimtab.processes.dead import whole_tasks
from trimtab.processes.desk import Stores
from trimtab.processes.directory import DataDirectory
from trimtab.processes.seen import Seen, read_seen
from trimtab.processes.status import Status, TelemetryState
from trimtab.record.events import Attempt, Settled
from trimtab.reports.prompts import PromptReports, prompt_reports
from trimtab.reports.report import Report, Scope, compile_report
from trimtab.reports.window import since_ns
from trimtab.store.search import CallPage
from trimtab.store.telemetry import CallDetail, CallFilter, ReportQuery


class Wanted(Struct, frozen=True):
    """What a verb was asked for; an empty field narrows nothing."""

    task: tuple[str, ...] = ()
    model: str = ""
    outcome: str = ""
    since: str = ""
    limit: int = 0
    by_model: bool = False
    by_prompt: bool = False
    by_lock: bool = False
    lock: tuple[str, ...] = ()

    def query(self) -> str:
        """The same as parameters of control's routes."""
        given = [("task", task) for task in self.task] + [("lock", lock) for lock in self.lock]
        given += [(name, getattr(self, name)) for name in ("model", "outcome", "since") if getattr(self, name)]
        given += [("limit", str(self.limit))] if self.limit else []
        given += [(name, "true") for name in ("by_model", "by_prompt", "by_lock") if getattr(self, name)]
        return "?" + urlencode(given) if given else ""


class CallList(Struct, frozen=True):
    """The answer to /api/calls."""

    calls: tuple[Settled, ...]


Bodies = dict[str, str | None]


class CallShown(Struct, frozen=True):
    """One call as `calls show --json` gives it."""

    call: Settled
    attempts: tuple[Attempt, ...]
    bodies: Bodies


class Refused(TrimtabError):
    """{detail}"""


class Answers(Protocol):
    """What the verbs ask; every operation raises `TrimtabError` where there is no answer."""

    is_live: bool

    def status(self) -> Status:
        """What the host is doing."""

    def calls(self, wanted: Wanted) -> tuple[Settled, ...]:
        """The calls that ended last, newest first."""

    def search(self, asked: Sequence[tuple[str, str]]) -> CallPage:
        """A page of calls, by parameters as `console/call_query` reads them."""

    def call(self, call: str) -> CallDetail:
        """One call with its attempts."""

    def bodies(self, call: str) -> Bodies:
        """What was said in one call, as far as it was kept."""

    def report(self, wanted: Wanted) -> Report:
        """The figures of each task."""

    def prompts(self, wanted: Wanted) -> PromptReports:
        """The figures of each version of the tasks' prompts."""

    def seen(self, wanted: Wanted) -> Seen:
        """What of a window of calls a lock can be held against."""


@contextmanager
def answers(root: Path) -> Iterator[Answers]:
    """Whoever can answer for the project in `root`, also where its latest edit has mistakes.

    Raises `DeclarationError` for a project of which not even the data directory can be told. What is asked raises
    `ControlUnreachable` when something runs there but does not answer.
    """
    with held(root) as (places, project):
        if project is None:
            yield AskedAnswers(ControlClient(places.control_socket))
            return
        with closing(OwnAnswers(project, places, SystemClock())) as own:
            yield own


class AskedAnswers:
    """Control answers."""

    is_live = True

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def status(self) -> Status:
        """What the host is doing."""
        return msgspec.json.decode(self._get("/api/status"), type=Status)

    def calls(self, wanted: Wanted) -> tuple[Settled, ...]:
        """The calls that ended last, newest first."""
        return msgspec.json.decode(self._get(f"/api/calls{wanted.query()}"), type=CallList).calls

    def search(self, asked: Sequence[tuple[str, str]]) -> CallPage:
        """A page of calls, by parameters as `console/call_query` reads them."""
        return msgspec.json.decode(self._get(f"/api/calls?{urlencode(list(asked))}"), type=CallPage)

    def call(self, call: str) -> CallDetail:
        """One call with its attempts."""
        return msgspec.json.decode(self._get(f"/api/calls/{quote(call, safe='')}"), type=CallDetail)

    def bodies(self, call: str) -> Bodies:
        """What was said in one call, as far as it was kept."""
        return msgspec.json.decode(self._get(f"/api/calls/{quote(call, safe='')}/bodies"), type=Bodies)

    def report(self, wanted: Wanted) -> Report:
        """The figures of each task."""
        return msgspec.json.decode(self._get(f"/api/report{wanted.query()}"), type=Report)

    def prompts(self, wanted: Wanted) -> PromptReports:
        """The figures of each version of the tasks' prompts."""
        return msgspec.json.decode(self._get(f"/api/prompts{wanted.query()}"), type=PromptReports)

    def seen(self, wanted: Wanted) -> Seen:
        """What of a window of calls a lock can be held against."""
        return msgspec.json.decode(self._get(f"/api/seen{wanted.query()}"), type=Seen)

    def _get(self, target: str) -> bytes:
        status, body = self._client.ask("GET", target)
        if status != 200:
            raise Refused(detail=refusal(body).message)
        return body


class OwnAnswers:
    """This process answers, under the directory's lock, from stores it opens when it is first asked."""

    is_live = False

    def __init__(self, project: Project, places: DataDirectory, clock: Clock) -> None:
        self._project = project
        self._places = places
        self._clock = clock
        self._stores: Stores | None = None

    def close(self) -> None:
        """Lets go of the stores."""
        if self._stores is not None:
            self._stores.close()

    def status(self) -> Status:
        """That nothing runs."""
        now_ns = self._clock.wall_ns()
        state = TelemetryState(up=False, since_ns=now_ns, detail="nothing runs here")
        return Status(now_ns, self._project.environment, "", (), BoardView((), ()), state)

    def calls(self, wanted: Wanted) -> tuple[Settled, ...]:
        """The calls that ended last, newest first."""
        since = since_ns(wanted.since, self._clock.wall_ns()) if wanted.since else 0
        limit = wanted.limit or CallFilter.limit
        narrowed = CallFilter(wanted.task, wanted.model, wanted.outcome, since, limit, wanted.lock)
        return self._open().telemetry.tail(narrowed)

    def search(self, asked: Sequence[tuple[str, str]]) -> CallPage:
        """A page of calls, by parameters as `console/call_query` reads them."""
        query = QueryParams(list(asked))
        wanted = call_search(query, tuple(query.getlist("task")), self._clock.wall_ns())
        return self._open().telemetry.search(wanted)

    def call(self, call: str) -> CallDetail:
        """One call with its attempts."""
        detail = self._open().telemetry.call(call)
        if detail is None:
            raise Refused(detail=f"there is no call {call} here; `trimtab calls tail` lists the latest")
        return detail

    def bodies(self, call: str) -> Bodies:
        """What was said in one call, as far as it was kept."""
        return kept_bodies(self._open(), self.call(call).call)

    def report(self, wanted: Wanted) -> Report:
        """The figures of each task."""
        now_ns = self._clock.wall_ns()
        since = since_ns(wanted.since or DEFAULT_WINDOW, now_ns)
        apart = wanted.by_model, wanted.by_prompt, wanted.by_lock
        scope = Scope(since, now_ns, wanted.task, wanted.model, *apart)
        return compile_report(self._open().telemetry, scope, compile_policy(self._project).tasks)

    def prompts(self, wanted: Wanted) -> PromptReports:
        """The figures of each version of the tasks' prompts."""
        now_ns = self._clock.wall_ns()
        since = since_ns(wanted.since, now_ns) if wanted.since else 0
        return prompt_reports(self._open().telemetry, Scope(since, now_ns, wanted.task, wanted.model))

    def seen(self, wanted: Wanted) -> Seen:
        """What of a window of calls a lock can be held against."""
        now_ns = self._clock.wall_ns()
        query = ReportQuery(since_ns(wanted.since or DEFAULT_WINDOW, now_ns), now_ns, wanted.task)
        return read_seen(self._open(), query)

    def _open(self) -> Stores:
        """The stores, with everything in them that the spool holds."""
        if self._stores is None:
            tasks = whole_tasks(compile_policy(self._project))
            self._stores = open_stores(self._places, self._project.data, self._clock, lambda: tasks)
            while self._stores.ingest.step():
                pass
        return self._stores
