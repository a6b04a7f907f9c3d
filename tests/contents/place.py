"""A data directory with real bodies, spools and `state.db`, a store in memory, and what reads and judges calls."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.store.samples import call
from tests.store.spools import SegmentWriter
from trimtab.assemble.changes import changes, kept_bodies
from trimtab.assemble.judgements import JudgementWorks, judgement_works
from trimtab.database.migrate import open_state
from trimtab.declare.alerting import Completion
from trimtab.declare.project import Defaults, Gateway, Listen, Output, Prompt, Redaction, Schema, Turn
from trimtab.journal.judgements import Judgements
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.desk import Stores
from trimtab.processes.directory import DataDirectory
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.events import Confidence, Score, Settled
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.room import Room
from trimtab.store.ingest import Bounds, Ingest
from trimtab.store.memory import MemoryTelemetry
from trimtab.testing import JumpingClock

SCHEMA = Schema(
    json.dumps(
        {
            "properties": {
                "label": {"enum": ["billing", "access", "other"]},
                "urgent": {"type": "boolean"},
                "amount": {"type": "number"},
            }
        }
    ),
    "5c" * 32,
)
ANSWER = {"label": "billing", "urgent": True, "amount": 12.5}
CONTROL = "c0-0123456789ab"


def policy(name: str, redaction: Redaction = "full") -> TaskPolicy:
    defaults = Defaults()
    return TaskPolicy(
        name=name,
        owner="support",
        task_class="interactive",
        models=("small",),
        sampling=None,  # type: ignore[arg-type]
        deadline=defaults.deadline,
        objective=None,  # type: ignore[arg-type]
        retry=defaults.retry,
        redaction=redaction,
        prompt=Prompt((Turn("user", "{{ ticket }}{{ vip }}{{ age }}"),), ("age", "ticket", "vip"), "ab" * 32),
        output=Output(SCHEMA),
    )


def snapshot(*policies: TaskPolicy) -> Snapshot:
    gateway, tasks = Gateway(Listen("127.0.0.1", 8400), workers=1), {one.name: one for one in policies}
    return Snapshot("d" * 64, "test", "", gateway, Defaults(), {}, {}, {}, tasks, {}, {}, keys_required=True)


@dataclass
class Place:
    """Everything on one data directory; `again` opens it anew, as after a restart."""

    root: Path
    clock: JumpingClock = field(default_factory=JumpingClock)
    telemetry: MemoryTelemetry = field(default_factory=MemoryTelemetry)
    snapshot: Snapshot = field(default_factory=lambda: snapshot(policy("route")))
    completion: Completion | None = None
    events_a_batch: int = 1000

    def __post_init__(self) -> None:
        self.directory = DataDirectory(self.root)
        self.names = (f"{number:032x}" for number in itertools.count(1))
        room = Room(self.root, "g0-a", self.clock, Disk(), reserve_bytes=1 << 16, spool_limit_bytes=1 << 30)
        packs = RollingLog(self.root / "bodies" / "g0-a", PACK, self.clock, Disk(), max_bytes=1 << 20, max_age_s=3600)
        self.bodies = Bodies(packs, room, self.clock)
        self.spool = SegmentWriter(self.root / "spool")
        self.noted = changes(self.directory, CONTROL, self.clock)
        self.kept = kept_bodies(self.directory, CONTROL, self.clock)
        self.again()

    def again(self) -> None:
        """Opens what reads the directory."""
        self.index = BodyIndex(self.root / "bodies")
        judgements = Judgements(open_state(self.directory.state))
        self.works: JudgementWorks = judgement_works(
            judgements, self.telemetry, self.index, lambda: self.snapshot, self.watch, self.noted, self.clock
        )
        self.ingest = self.ingesting(self.telemetry)

    def ingesting(self, telemetry: Any) -> Ingest:
        return Ingest(
            self.root / "spool",
            self.root / "ingest",
            telemetry,
            self.clock,
            bodies=self.index,
            enrich=self.works.enrich,
            keepers=self.works.keepers,
            bounds=Bounds(self.events_a_batch),
        )

    def watch(self) -> Watch:
        return Watch(tasks={"route": TaskWatch(completion=self.completion)})

    def stores(self) -> Stores:
        return Stores(
            self.telemetry, self.ingest, self.index, judging=self.works.judging, judgements=self.works.judgements
        )

    def call(self, request: bytes, answer: bytes, task: str = "route", **fields: Any) -> Settled:
        """A call that has ended, as the gateway records it: its bodies as its task's redaction lets them be kept."""
        known = self.snapshot.tasks.get(task)
        redaction: Redaction = known.redaction if known else self.snapshot.defaults.undeclared_redaction
        refs = self.bodies.request(request, None, redaction)
        capture = self.bodies.capture(redaction)
        if answer:
            capture.add(answer, self.clock.monotonic())
        response = self.bodies.response(capture)
        self.bodies.flush()
        return self.ended(request_body=refs.body, response_body=response, size=len(answer), task=task, **fields)

    def ended(
        self,
        *,
        request_body: str = "",
        response_body: str = "",
        size: int = 0,
        run: str = "",
        at_ns: int = 0,
        key: str = "k",
        confidence: dict[str, Confidence] | None = None,
        **fields: Any,
    ) -> Settled:
        """A call with what records tell of it."""
        known = {"verdict": "valid", "response_bytes": size, "response_body": response_body, **fields}
        name = next(self.names)
        made = call(name, at_ns or self.clock.wall_ns(), confidence=confidence or {}, **known)
        admitted = msgspec.structs.replace(
            made.admitted, request_body=request_body, run=run or name, key=key, schema=SCHEMA.digest, prompt="ab" * 32
        )
        return msgspec.structs.replace(made, admitted=admitted, at_ns=made.at_ns)

    def write(self, *calls: Settled) -> None:
        """Records calls."""
        for one in calls:
            self.spool.write(one.admitted, one)

    def take_in(self) -> None:
        """Ingests all that waits."""
        while self.ingest.step():
            pass
        self.ingest.step()

    def chores(self) -> None:
        """What is done from time to time, and what came of it."""
        for chore in self.works.chores:
            chore.do()
        self.take_in()

    def scores(self, name: str = "") -> list[Score]:
        """The scores that are stored, of a name: the last of each id."""
        found = {one.id: one for one in self.telemetry._scores}
        return [one for one in found.values() if not name or one.name == name]


def chat(answer: object) -> bytes:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return json.dumps({"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"content": text}}]}).encode()


def asked(text: str = "Where is my order? It has not come yet.", **inputs: Any) -> bytes:
    body: dict[str, Any] = {"model": "route", "messages": [{"role": "user", "content": text}]}
    return json.dumps(body | ({"trimtab": {"inputs": inputs}} if inputs else {})).encode()
