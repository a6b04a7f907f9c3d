"""What pages are made of: handed in by control, so that this room need not know the processes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

from trimtab.clock import Clock
from trimtab.console.alert_desk import AlertDesk
from trimtab.console.endpoint import Visitor
from trimtab.console.evaluation_desk import EvaluationDesk
from trimtab.console.history_desk import HistoryDesk, ToolDrift
from trimtab.console.label_desk import LabelDesk
from trimtab.console.letter_desk import LetterDesk, Redrives
from trimtab.console.review_desk import ReviewDesk
from trimtab.console.run_desk import RunDesk
from trimtab.console.undeclared_desk import UndeclaredDesk
from trimtab.journal.dead_letters import DeadLetters, Tally
from trimtab.journal.saved_views import SavedView
from trimtab.policy.snapshot import Snapshot
from trimtab.signals.alerts.shown import AlertShown
from trimtab.signals.engine.standing import ReplicaStanding
from trimtab.signals.figure import Gauge
from trimtab.store.telemetry import Telemetry

T = TypeVar("T")
KEPT_S: Final = 15.0
"""How old a figure may be that is shown again without being reckoned again."""
MOST_KEPT: Final = 256


class Bodies(Protocol):
    """Where the bodies of calls are found."""

    def read(self, digest: str) -> bytes | None:
        """The bytes a digest stands for; None if they are not kept."""


class Stores(Protocol):
    """What may be asked in the one thread that has it open."""

    @property
    def telemetry(self) -> Telemetry:
        """The analytical store."""

    @property
    def bodies(self) -> Bodies | None:
        """Bodies of calls."""

    @property
    def letters(self) -> DeadLetters | None:
        """Dead letters."""


class Desk(Protocol):
    """Whoever puts questions to the stores."""

    async def ask(self, question: Callable[[Any], T]) -> T:
        """The answer; raises `StoreError` when telemetry is not open or fails."""


class Views(Protocol):
    """Filters of calls that somebody named. Every operation raises `StoreError`."""

    def all(self) -> tuple[SavedView, ...]:
        """All of them, by name."""

    def keep(self, view: SavedView) -> None:
        """Keeps one, in the place of one of the same name; raises `InvalidRequest` for one too many."""

    def drop(self, name: str) -> bool:
        """Lets go of one; whether there was one of that name."""


Feedback = Callable[[Visitor, bytes], Awaitable[object]]
"""Takes in a judgement as `POST /api/feedback` does; raises `CallError` or `StoreError`."""


@dataclass(frozen=True)
class Need:
    """Something that waits for a person: it stands at the top of the overview."""

    mark: Literal["!", "?"]
    words: str
    href: str
    task: str = ""
    since_ns: int = 0


class Asker:
    """Asks the desk; an answer that was given a moment ago, or is on its way, is shared."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def ask(self, question: Callable[[Stores], T]) -> T:
        """The answer of the stores; raises `StoreError`."""
        return await self._desk.ask(question)

    async def figures(self, key: Hashable, question: Callable[[Stores], T]) -> T:
        """The same, kept for 15 s under a key that must tell all that the question depends on."""
        now_s = self._clock.monotonic()
        at_s, kept = self._kept.get(key, (0.0, None))
        if kept is None or now_s - at_s >= KEPT_S or (kept.done() and (kept.cancelled() or kept.exception())):
            kept = asyncio.ensure_future(self._desk.ask(question))
            self._kept[key] = (now_s, kept)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        answer: T = await asyncio.shield(kept)
        return answer


async def no_needs() -> Sequence[Need]:
    """Nothing waits."""
    return ()


async def no_alerts(since_ns: int, until_ns: int) -> Sequence[AlertShown]:
    """No alert."""
    return ()


@dataclass(frozen=True)
class Standings:
    """How replicas stand; `detail` says why engines and calls are not compared, where they are not."""

    replicas: Sequence[ReplicaStanding] = ()
    detail: str = ""


async def no_replicas() -> Standings:
    """No replica."""
    return Standings()


@dataclass(frozen=True)
class Parts:
    """What pages ask. `alerts` gives those that are active, or began in a range; `needs` what else waits for a person;
    `gauges` what the host and the engines said last. `views` and `feedback` are None where nothing can be kept,
    `alert_desk`, `letters` and `redrives` where there are no alerts and no dead letters, `history` where no project is
    known, `evaluations`, `labels`, `runs` and `reviews` where none are kept. `drifting` gives tools that are not as
    they were locked, `rollout` a line on what is rolled out, if anything.
    """

    clock: Clock
    asker: Asker
    policy: Callable[[], Snapshot]
    dead: Callable[[], Sequence[Tally]] = tuple
    alerts: Callable[[int, int], Awaitable[Sequence[AlertShown]]] = no_alerts
    needs: Callable[[], Awaitable[Sequence[Need]]] = no_needs
    gauges: Callable[[], Sequence[Gauge]] = tuple
    replicas: Callable[[], Awaitable[Standings]] = no_replicas
    views: Views | None = None
    feedback: Feedback | None = None
    alert_desk: AlertDesk | None = None
    history: HistoryDesk | None = None
    drifting: Callable[[], Sequence[ToolDrift]] = tuple
    letters: LetterDesk | None = None
    redrives: Redrives | None = None
    undeclared: UndeclaredDesk | None = None
    evaluations: EvaluationDesk | None = None
    labels: LabelDesk | None = None
    rollout: Callable[[], str] = str
    runs: RunDesk | None = None
    reviews: ReviewDesk | None = None
