"""Every error Trimtab raises on purpose, as one tree.

    TrimtabError
    |- DeclarationError         a project that cannot be used: carries every mistake at once
    |- StoreError               a local or analytical store that cannot do what was asked
    |  |- DirectoryInUse
    |  |- StorageFull           also a CallError: what the client of a refused call sees
    |  `- FormatError           bytes on disk that are not what their header says
    |- ControlUnreachable, CannotListen, CannotStart
    |- ChannelBroken            the line between the supervisor and a child
    |- KeyNameInvalid, KeyUnknown
    |- SchemaInvalid
    |- LockInvalid, LockRefused, LockMissing, LockUnwritten
    |  `- LockNewer
    |- EntryUnknown, UpgradeRefused
    |- LockUnknown
    |- NotLocked                a project in production that does not say what its lock pins
    |- GitFailed
    |  |- RevisionUnknown
    |  `- GitTookTooLong       `told` is what it had printed until then
    |- IdentityUntested, ToolUntested
    |- DataInvalid, DataNotTaken, ImportRefused
    |- EvaluationUnknown, EvaluationRuns, EvaluationStuck, EvaluationRefused, BaseUnknown, GatewayGone
    |- EngineRefusal            what the demo engine answers instead of text
    `- CallError                the end of a call: `code`, HTTP `status` and whether it may be sent again
       |- InvalidRequest (RolloutRefused), UnknownTask, UnknownModel, NotFound, MethodNotAllowed
       |- JudgedUnknown, TooManyJudgements
       |- RequestTimeout, HeadersTooLarge, PayloadTooLarge, BodyTooLarge
       |- Unauthorized, Forbidden, TooManyWrongKeys
       |- RateLimited, Overloaded, LiveFull, CircuitOpen, Draining
       |- DeadlineConnect, DeadlineFirstToken, DeadlineGap, DeadlineTotal
       |- UpstreamError, UpstreamTruncated
       |  `- SecretMissing
       |- OutputInvalid, ToolCallInvalid
       |- LockDrift, RunStopped, ReviewPending, ReplayDivergence
       |- JournalUnavailable
       `- Internal

The docstring of a class is its message. Names in braces are the facts handed to the constructor; the last clause
says what to do next.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class TrimtabError(Exception):
    """Something went wrong: {detail}."""

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        template = " ".join((type(self).__doc__ or type(self).__name__).split())
        super().__init__(template.format_map(facts))


class DeclarationError(TrimtabError):
    """{count} in {root}; mend what is listed and run `trimtab check` again:{listing}"""

    def __init__(self, root: str, mistakes: tuple[str, ...]) -> None:
        self.mistakes = mistakes
        count = f"{len(mistakes)} mistake{'s' * (len(mistakes) != 1)}"
        super().__init__(root=Path(root).absolute(), count=count, listing="\n".join(("", *mistakes)))


class StoreError(TrimtabError):
    """The store {store} failed: {detail}; see `trimtab status` and the disk it lies on."""


class DirectoryInUse(StoreError):
    """{directory} is held by process {pid}; stop that `trimtab up`, or choose another directory under [data]."""


class FormatError(StoreError):
    """{path} at byte {offset} is not valid ({detail}); what precedes it was kept, move the file aside to go on."""


class ControlUnreachable(TrimtabError):
    """Control does not answer on {socket} ({detail}); start it with `trimtab up` in this project."""


class KeyNameInvalid(TrimtabError):
    """{name!r} is no name for a key or task; use 1 to 64 of a-z 0-9 . _ - that do not look like an id."""


class KeyUnknown(TrimtabError):
    """There is no live key {name!r}; `trimtab key list` shows names and ids."""


class CannotListen(TrimtabError):
    """Cannot listen on {address}: {detail}; stop what listens there, or change {setting} in trimtab.toml."""


class CannotStart(TrimtabError):
    """{what} does not start: {detail}; the log lines above say why."""


class ChannelBroken(TrimtabError):
    """The channel between the supervisor and a child is broken: {detail}; the child is ended and started again."""


class SchemaInvalid(TrimtabError):
    """This JSON Schema cannot be used: {detail}; mend it and run `trimtab check`."""


class LockInvalid(TrimtabError):
    """{path} cannot be used: {detail}; take it from version control again, or write it anew with `trimtab lock`."""


class LockNewer(LockInvalid):
    """{path} was written by a newer release ({detail}); upgrade Trimtab, this release neither reads nor replaces it."""


class LockMissing(TrimtabError):
    """There is no {path} in {root}; write it with `trimtab lock` and commit it."""


class LockUnwritten(TrimtabError):
    """{path} cannot be written ({detail}); it is as it was, make its folder writable or free some room."""


class EntryUnknown(TrimtabError):
    """{asked!r} names no entry of the lock{meant}; `trimtab lock why` lists them all."""


class UpgradeRefused(TrimtabError):
    """{what} is not upgraded: {detail}."""


class GitFailed(TrimtabError):
    """Git cannot tell that: {detail}; run it in a repository, see `git status` there."""


class RevisionUnknown(GitFailed):
    """There is no revision {revision!a} here{detail}; `git log` lists them."""


class GitTookTooLong(GitFailed):
    """Git cannot tell that in time: {detail}; see whether it is quicker after `git gc`."""

    def __init__(self, told: bytes, **facts: object) -> None:
        self.told = told
        super().__init__(**facts)


class LockRefused(TrimtabError):
    """{count} cannot be locked; mend what is listed and run `trimtab lock` again:{listing}"""

    def __init__(self, refusals: tuple[str, ...]) -> None:
        self.refusals = refusals
        super().__init__(count=f"{len(refusals)} thing{'s' * (len(refusals) != 1)}", listing="\n".join(("", *refusals)))


class LockUnknown(TrimtabError):
    """There is no lock {name!r}: {detail}; name a revision, a lock file, or the id of a lock that was committed."""


class NotLocked(TrimtabError):
    """{root} is in production and serves only what is locked; run `trimtab lock`, review and commit it:{listing}"""


class IdentityUntested(TrimtabError):
    """The identity of {model} cannot be tested at {replica}: {detail}; see `trimtab status`, then try again."""


class ToolUntested(TrimtabError):
    """The MCP server of {tool} cannot be asked: {detail}; is it running, and does tools/{tool}.json name it rightly?"""


class DataInvalid(TrimtabError):
    """The data set {name} cannot be used: {detail}; see `trimtab data check {name}`."""


class DataNotTaken(TrimtabError):
    """The data set {name} was left as it is: {detail}; {instead}."""


class ImportRefused(TrimtabError):
    """{file} was not imported: {detail}; {instead}."""


class EvaluationUnknown(TrimtabError):
    """There is no evaluation {id!a} here: {detail}; they lie under evaluations/ in the data directory."""


class EvaluationRuns(TrimtabError):
    """The evaluation {id} is run by another process already; wait for it, or end that one first."""


class EvaluationStuck(TrimtabError):
    """Nothing was answered for {waited_s:.0f} s ({detail}); what was paid for is kept, mend that and resume {id}."""


class EvaluationRefused(TrimtabError):
    """The evaluation of {task} is not begun: {detail}."""


class PromotionRefused(TrimtabError):
    """It is not promoted: {detail}."""


class BaseUnknown(TrimtabError):
    """Nothing can be compared with {name!a}: {detail}; name a revision, a lock that was committed, or a folder."""


class GatewayGone(TrimtabError):
    """The gateway at {address} does not answer: {detail}; is it running?"""


class EngineRefusal(TrimtabError):
    """The demo engine cannot do this: {detail}."""

    def __init__(self, status: int, detail: str, *, param: str | None = None, code: str | None = None) -> None:
        self.status = status
        self.param = param
        self.code = code
        super().__init__(detail=detail)


class ConnectError(TrimtabError):
    """No connection to {origin}: {detail}."""


class ConnectTimeout(ConnectError):
    """No connection to {origin} within {limit_s} s; is it running and reachable from here?"""


class ConnectFailed(ConnectError):
    """No connection to {origin}: {detail}; is it running, and are its address, CA and proxy right?"""


class CallError(TrimtabError):
    """The call failed: {detail}."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    may_repeat: ClassVar[bool] = False

    def __init__(self, *, retry_after_s: float | None = None, **facts: object) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(**facts)


class InvalidRequest(CallError):
    """The request is not valid: {detail}; correct it before sending it again."""

    code = "invalid_request"
    status = 400


class RolloutRefused(InvalidRequest):
    """It is not rolled out: {detail}."""


class UnknownTask(CallError):
    """There is no task {task!r} in this project; declare it in tasks/{task}/task.toml or name one that exists."""

    code = "unknown_task"
    status = 404


class UnknownModel(CallError):
    """There is no task or model {model!r} here; GET /v1/models lists what may be asked for."""

    code = "unknown_model"
    status = 404


class NotFound(CallError):
    """Nothing is served at {path}; POST /v1/chat/completions, or list the route in models.X.passthrough."""

    code = "not_found"
    status = 404


class JudgedUnknown(CallError):
    """There is no {subject}; name a call by `x-trimtab-call` of its answer or the answer's id, a run as it was sent."""

    code = "not_found"
    status = 404


class TooManyJudgements(CallError):
    """The key {key} sends more than {limit} judgements a second; wait for the time in Retry-After."""

    code = "rate_limited"
    status = 429
    may_repeat = True


class MethodNotAllowed(CallError):
    """{path} does not take {method}; use {allowed}."""

    code = "method_not_allowed"
    status = 405


class RequestTimeout(CallError):
    """The request did not arrive within {limit_s} s; send it whole, or raise [gateway] {setting}."""

    code = "request_timeout"
    status = 408


class HeadersTooLarge(CallError):
    """The request's head is over {limit} bytes or {count} headers; send fewer or shorter headers."""

    code = "headers_too_large"
    status = 431


class PayloadTooLarge(CallError):
    """The request's body is over {limit} bytes; send less, or raise [gateway] max_body."""

    code = "payload_too_large"
    status = 413


class BodyTooLarge(PayloadTooLarge):
    """The request's body is over {limit} bytes, the most that control takes; send less at a time."""


class Unauthorized(CallError):
    """The call carries no valid key; send `Authorization: Bearer KEY` with a key from `trimtab key new`."""

    code = "unauthorized"
    status = 401


class Forbidden(CallError):
    """The key {key} may not use {what}; ask its owner for one that may."""

    code = "forbidden"
    status = 403


class TooManyWrongKeys(CallError):
    """Too many wrong keys came from {address}; wait {wait_s} s, then send one that `trimtab key list` shows as live."""

    code = "rate_limited"
    status = 429
    may_repeat = True


class RateLimited(CallError):
    """Every attempt at {model} was answered with 429; wait for the time in Retry-After."""

    code = "rate_limited"
    status = 429
    may_repeat = True


class Overloaded(CallError):
    """The gateway is at its limit of {limit} {what}; wait for the time in Retry-After or add workers."""

    code = "overloaded"
    status = 503
    may_repeat = True


class LiveFull(CallError):
    """Already {most} open pages are kept up to date; close one, or load this one again for its latest figures."""

    code = "overloaded"
    status = 503
    may_repeat = True


class CircuitOpen(CallError):
    """Every replica of {model} is held back after failures; wait for Retry-After, `trimtab status` shows them."""

    code = "circuit_open"
    status = 503
    may_repeat = True


class Draining(CallError):
    """The gateway is shutting down; send the call again after Retry-After."""

    code = "draining"
    status = 503
    may_repeat = True


class JournalUnavailable(CallError):
    """The journal of runs cannot be reached ({detail}); calls outside runs go on, see `trimtab status` for keeper."""

    code = "journal_unavailable"
    status = 503
    may_repeat = True


class StorageFull(StoreError, CallError):
    """The disk under {directory} has no room left for records of new calls; free some and calls are taken again."""

    code = "storage_full"
    status = 503
    may_repeat = True


class DeadlineConnect(CallError):
    """No connection to {replica} within {limit_s} s; is it running? See `trimtab status`."""

    code = "deadline_connect"
    status = 504


class DeadlineFirstToken(CallError):
    """{replica} sent no token within {limit_s} s; raise deadline.first_token of task {task} if that is normal."""

    code = "deadline_first_token"
    status = 504


class DeadlineGap(CallError):
    """{replica} fell silent for {limit_s} s amid the answer; raise deadline.gap of task {task} if that is normal."""

    code = "deadline_gap"
    status = 504


class DeadlineTotal(CallError):
    """The call was not done within its {limit_s} s; raise deadline.total of task {task} or ask for a shorter answer."""

    code = "deadline_total"
    status = 504


class UpstreamError(CallError):
    """{replica} failed: {detail}; `trimtab calls show` has its attempts."""

    code = "upstream_error"
    status = 502


class SecretMissing(UpstreamError):
    """The secret {place} cannot be used ({detail}); put it right where `trimtab up` runs, it is then read again."""


class UpstreamTruncated(CallError):
    """{replica} ended the answer before its terminal marker; it is incomplete, call again if you can afford it."""

    code = "upstream_truncated"
    status = 502


class OutputInvalid(CallError):
    """The answer breaks the schema of task {task}: {detail}; see `trimtab calls show` and the task's output."""

    code = "output_invalid"
    status = 422


class ToolCallInvalid(CallError):
    """The answer holds a tool call that is not valid: {detail}; see `trimtab calls show` and the tool's schema."""

    code = "tool_call_invalid"
    status = 422


class LockDrift(CallError):
    """The call asks to be served under lock {asked}, and {in_force}; leave out x-trimtab-lock or send one in force."""

    code = "lock_drift"
    status = 409


class RunStopped(CallError):
    """Run {run} takes no further steps: {detail}; `trimtab runs show {run}` says who stopped it and why."""

    code = "run_stopped"
    status = 409


class ReviewPending(CallError):
    """Run {run} waits for a person: {detail}; `trimtab reviews list` shows what is asked."""

    code = "review_pending"
    status = 409


class ReplayDivergence(CallError):
    """Run {run} asks for something else than is recorded: {detail}; fork it at that step, or put back what changed."""

    code = "replay_divergence"
    status = 409


class Internal(CallError):
    """Trimtab itself failed on call {call}; please report it with the log lines that name this call."""

    code = "internal"
    status = 500
