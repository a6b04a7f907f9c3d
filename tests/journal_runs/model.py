"""What the journal of runs should say, worked out the simple way: lists in memory, each rule in words of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENDED = {"completed", "failed", "stopped", "cancelled"}
S = 1_000_000_000


@dataclass
class Step:
    """A step of a run by its seq."""

    seq: int
    label: str
    branch: str
    after: int
    epoch: int
    effect: str
    key: str
    binds: str = ""
    sent: bool = True
    result: tuple[str, bytes] | None = None
    result_seq: int = 0


@dataclass
class Review:
    """A review of a step."""

    id: str
    run: str
    of: int
    binds: str
    expires: int | None = None
    verdict: str | None = None
    by: str = ""
    approves: str = ""


@dataclass
class Run:
    """A run by its log, of which only the kinds of entries are kept."""

    id: str
    task: str
    log: list[str] = field(default_factory=list)
    state: str = "running"
    epoch: int = 0
    owner: str = ""
    until: int | None = None
    wake: int | None = None
    woken: bool = False
    waits_for: str = ""
    order: str = ""
    leased_at: int = 0
    steps: dict[int, Step] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str) -> int:
        """An entry more."""
        self.log.append(kind)
        return len(self.log)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED


class Model:
    """Answers asks with the name of a refusal, or with a tuple of what was told."""

    def __init__(self, now: int) -> None:
        self.runs: dict[str, Run] = {}
        self.reviews: dict[str, Review] = {}
        self.now = now

    # who may write

    def fenced(self, run: Run, epoch: int) -> str:
        """Why a driver may not write."""
        if run.ended:
            return "RunEnded"
        return "" if epoch == run.epoch and run.owner else "LeaseLost"

    def claimable(self, run: Run) -> bool:
        """Whether anybody may claim it now without naming it."""
        if run.ended or run.order or run.state == "parked":
            return False
        if run.owner:
            return run.until is None or run.until <= self.now
        return run.woken or (run.wake is not None and run.wake <= self.now)

    # leases

    def open(self, id: str, task: str, owner: str, ttl: int) -> Any:
        """Begins or takes up a run."""
        run = self.runs.get(id)
        if run is None:
            run = self.runs[id] = Run(id, task)
            run.add("Started")
            return self._grant(run, owner, ttl)
        return "RunExists" if run.task != task else self._take(run, owner, ttl)

    def claim(self, id: str, owner: str, ttl: int) -> Any:
        """Takes a run over by its id."""
        return self._take(self.runs[id], owner, ttl) if id in self.runs else "RunUnknown"

    def claimed(self, id: str, owner: str, ttl: int) -> Any:
        """The store chose that run."""
        assert self.claimable(self.runs[id])
        return self._grant(self.runs[id], owner, ttl)

    def _take(self, run: Run, owner: str, ttl: int) -> Any:
        if run.ended:
            return "RunEnded"
        if run.order:
            return "Halted"
        if run.owner == owner and run.leased_at == len(run.log):
            run.until = self.now + ttl
            return (run.epoch, len(run.log))
        if run.owner and run.until is not None and run.until > self.now:
            return "LeaseHeld"
        return self._grant(run, owner, ttl)

    def _grant(self, run: Run, owner: str, ttl: int) -> Any:
        run.epoch += 1
        run.owner, run.until, run.wake, run.woken = owner, self.now + ttl, None, False
        if run.state == "waiting":
            run.state, run.waits_for = "running", ""
        run.leased_at = run.add("Leased")
        return (run.epoch, len(run.log))

    def renew(self, id: str, epoch: int, ttl: int) -> Any:
        """Keeps a lease."""
        run = self.runs[id]
        if run.ended and epoch == run.epoch:
            return (run.epoch, len(run.log))
        if refusal := self.fenced(run, epoch):
            return refusal
        run.until = self.now + ttl
        return (run.epoch, len(run.log))

    def release(self, id: str, epoch: int, wake: int | None) -> Any:
        """Gives a lease back."""
        run = self.runs[id]
        if epoch == run.epoch and not run.owner:
            return (len(run.log), False)
        if refusal := self.fenced(run, epoch):
            return refusal
        if run.order in ("stop", "cancel"):
            self._end(run, "stopped" if run.order == "stop" else "cancelled")
            return (len(run.log), True)
        run.owner, run.until, run.wake = "", None, None
        if run.state == "running":
            run.state = "waiting"
        if run.state == "waiting":
            run.wake = wake
        return (len(run.log), True)

    # steps

    def begin(self, id: str, epoch: int, label: str, branch: str, after: int, effect: str, key: str, binds: str) -> Any:
        """What to do about a step."""
        run = self.runs[id]
        if refusal := self.fenced(run, epoch):
            return refusal
        if run.order:
            return "Halted"
        following = [step for step in run.steps.values() if step.branch == branch and step.seq > after]
        if following:
            return self._meet(run, min(following, key=lambda step: step.seq), label, binds)
        if binds:
            used = sum(step.binds == binds for step in run.steps.values())
            approved = sum(review.run == id and review.approves == binds for review in self.reviews.values())
            if used >= approved:
                return "NotApproved"
        seq = run.add("Intent")
        run.steps[seq] = Step(seq, label, branch, after, run.epoch, effect, key, binds)
        return ("go", seq, key, False)

    def _meet(self, run: Run, step: Step, label: str, binds: str) -> Any:
        if step.label != label:
            return "Divergence"
        if step.result is not None:
            return ("recorded", step.seq, "", False)
        if step.epoch == run.epoch and step.sent:
            return ("go", step.seq, step.key, False)
        if step.sent and step.effect != "read" and not (step.effect == "idempotent" and step.key):
            run.state, run.waits_for = "parked", f"step {step.seq}"
            return ("unknown", step.seq, "", False)
        step.sent, step.epoch = True, run.epoch
        return ("go", step.seq, step.key, True)

    def finish(self, id: str, epoch: int, of: int, outcome: str, output: bytes) -> Any:
        """The result of a step."""
        run = self.runs[id]
        step = run.steps.get(of)
        if step is None:
            return "StepUnknown"
        if step.result is not None:
            return (step.result_seq, False) if step.result == (outcome, output) else "ResultConflict"
        if epoch != run.epoch:
            return "RunEnded" if run.ended else "LeaseLost"
        step.result, step.result_seq = (outcome, output), run.add("Result")
        return (step.result_seq, True)

    # what is no effect

    def set(self, id: str, epoch: int) -> Any:
        """A value changes."""
        run = self.runs[id]
        return self.fenced(run, epoch) or (run.add("State"), True)

    def end(self, id: str, epoch: int, state: str) -> Any:
        """The run ends."""
        run = self.runs[id]
        if run.state == state:
            return (len(run.log), False)
        return self.fenced(run, epoch) or (self._end(run, state), True)

    def _end(self, run: Run, state: str) -> int:
        for review in self.reviews.values():
            if review.run == run.id and review.verdict is None:
                self._decide(review, "superseded", "journal", "")
        run.state, run.owner, run.until, run.wake = state, "", None, None
        run.order = run.waits_for = ""
        return run.add("Ended")

    def tell(self, id: str, event: str) -> Any:
        """An event comes."""
        run = self.runs[id]
        if event in run.events:
            return (run.events[event], False)
        if run.ended:
            return "RunEnded"
        run.events[event], run.woken = run.add("Arrived"), True
        return (run.events[event], True)

    # persons

    def review(self, id: str, epoch: int, of: int, binds: str, expires: int | None) -> Any:
        """A person is to be asked; `ask` where a review is to be made."""
        run = self.runs[id]
        if refusal := self.fenced(run, epoch):
            return refusal
        if run.order:
            return "Halted"
        if of not in run.steps:
            return "StepUnknown"
        same = [one for one in self.reviews.values() if (one.run, one.of, one.binds) == (id, of, binds)]
        same = [one for one in same if one.verdict != "superseded"]
        return same[-1].id if same else "ask"

    def asked(self, id: str, review: Review) -> None:
        """A review was made."""
        run = self.runs[id]
        for other in self.reviews.values():
            if other.run == id and other.of == review.of and other.verdict is None:
                self._decide(other, "superseded", "journal", "")
        run.add("Asked")
        run.state, run.waits_for = "waiting", f"review {review.id}"
        self.reviews[review.id] = review

    def decide(self, id: str, verdict: str, by: str, binds: str, now: str) -> Any:
        """A person says something."""
        review = self.reviews[id]
        run = self.runs[review.run]
        if review.verdict is not None:
            same = (review.verdict, review.by, review.binds) == (verdict, by, binds)
            return (len(run.log), False) if same else "ReviewDone"
        if binds != review.binds:
            return "BindingChanged"
        return (self._decide(review, verdict, by, now), True)

    def _decide(self, review: Review, verdict: str, by: str, now: str) -> int:
        run = self.runs[review.run]
        review.verdict, review.by = verdict, by
        review.approves = {"approved": review.binds, "edited": now}.get(verdict, "")
        if run.waits_for == f"review {review.id}":
            run.waits_for = ""
            if run.state == "waiting" and run.owner:
                run.state = "running"
        run.woken = run.woken or not run.ended
        return run.add("Decided")

    def reconcile(self, id: str, of: int, found: str, output: bytes) -> Any:
        """A person says what became of an effect."""
        run = self.runs[id]
        step = run.steps.get(of)
        if run.ended:
            return "RunEnded"
        if step is None:
            return "StepUnknown"
        if step.result is not None or not step.sent:
            return "OutcomeKnown"
        if step.epoch == run.epoch and run.owner and run.until is not None and run.until > self.now:
            return "AskInvalid"
        seq = run.add("Reconciled")
        if found == "happened":
            step.result, step.result_seq = ("ok", output), run.add("Result")
        else:
            step.sent = False
        if run.waits_for == f"step {of}":
            run.waits_for = ""
            if run.state == "parked":
                run.state = "running" if run.owner else "waiting"
        run.woken = True
        return (seq, True)

    def direct(self, order: str, id: str) -> Any:
        """An order to one run, or to all."""
        if id and self.runs[id].ended:
            return "RunEnded"
        chosen = [self.runs[id]] if id else list(self.runs.values())
        return [run.id for run in chosen if not run.ended and self._direct(run, order)]

    def _direct(self, run: Run, order: str) -> bool:
        held = bool(run.owner) and run.until is not None and run.until > self.now
        if order == "resume":
            if run.order != "pause":
                return False
            run.add("Ordered")
            run.order = ""
            if run.waits_for.startswith("step "):
                run.state = "parked"
            elif held:
                run.state = "running"
            else:
                run.state, run.owner, run.until, run.woken = "waiting", "", None, True
            return True
        if run.order in ("stop", "cancel") or run.order == order:
            return False
        run.add("Ordered")
        run.order, run.wake = order, None
        if order == "pause":
            run.state = "paused"
        elif not held:
            self._end(run, "stopped" if order == "stop" else "cancelled")
        return True

    def sweep(self) -> Any:
        """What time brings: leases, timers, reviews."""
        expired = [run for run in self.runs.values() if run.until is not None and run.until <= self.now]
        for run in expired:
            run.until = None
            if run.order in ("stop", "cancel"):
                self._end(run, "stopped" if run.order == "stop" else "cancelled")
        woken = [run for run in self.runs.values() if run.wake is not None and run.wake <= self.now]
        for run in woken:
            run.wake, run.woken = None, True
        late = [
            one for one in self.reviews.values()
            if one.verdict is None and one.expires is not None and one.expires <= self.now
        ]  # fmt: skip
        for review in sorted(late, key=lambda one: (one.expires or 0, one.id)):
            self._decide(review, "rejected", "journal", "")
        return {run.id for run in expired}, {run.id for run in woken}, {one.id for one in late}
