"""The one mutable struct of a call's path: born at the request, filled step by step, settled once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from trimtab.gateway.checks import Checks
    from trimtab.gateway.http.answer import Answer
    from trimtab.gateway.http.request import Request
    from trimtab.gateway.routing import Choice
    from trimtab.gateway.surfaces.surface import Asked, Facts, Resume, Surface
    from trimtab.guard.deadlines import Clocks
    from trimtab.policy.snapshot import Snapshot, TaskPolicy
    from trimtab.record.capture import Capture
    from trimtab.record.events import Admitted, Attempt

LATER: Any = None
"""What a step of the path sets before a later one reads it."""


class Exchange(Struct, eq=False):
    """A call between its client and the replicas that were asked for it.

    `asked` is what replicas are asked, and `came` what the client asked where that is something else: after a context
    strategy or a repair. Times ending in `_s` are monotonic; `began_s` is when the request's last byte was read.
    `head_sent` says that status and headers have gone to the client, `content_sent` that something of an answer has.
    `key_tasks` are the tasks that the key may use, all where it is empty. `purpose` is what a call is made for that is
    no user's; it is served under `task` and recorded apart from it.
    `resume` is what came of an answer that another replica is to go on with, `seams` where that happened, in bytes of
    its text; `made_before` how many tokens there were of it before those that `facts` tell of, None if that is not
    known. `response_body` is the digest of a recorded answer that was given again.
    """

    request: Request
    answer: Answer
    snapshot: Snapshot
    call: str
    at_ns: int
    began_s: float
    run: str = ""
    key: str = ""
    key_tasks: tuple[str, ...] = ()
    redrive_of: str = ""
    purpose: str = ""
    surface: Surface = LATER
    asked: Asked = LATER
    came: Asked | None = None
    task: TaskPolicy = LATER
    prompt: tuple[bytes, ...] = ()
    clocks: Clocks = LATER
    shortened: bool = False
    admitted: Admitted | None = None
    attempts: list[Attempt] = []
    tried: list[Choice] = []
    choice: Choice | None = None
    capture: Capture | None = None
    facts: Facts | None = None
    made_before: int | None = 0
    detail: str = ""
    outcome: str = ""
    status: int = 0
    upstream_status: int = 0
    head_sent: bool = False
    content_sent: bool = False
    checks: Checks | None = None
    resume: Resume | None = None
    seams: tuple[int, ...] = ()
    response_body: str = ""
    first_s: float | None = None
    last_s: float | None = None

    def __repr__(self) -> str:
        state = self.outcome or ("streaming" if self.head_sent else "open")
        return f"Exchange({self.call} {state}, {len(self.attempts)} attempts)"
