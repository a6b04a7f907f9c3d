"""Asks the arms of an evaluation: over HTTP, with what their gateways recorded of each call."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from trimtab.assemble.evaluation_arm import ArmGateway
from trimtab.assemble.evaluation_records import Bodies, Ends, ends_of
from trimtab.clock import Clock
from trimtab.data.spoken import answered
from trimtab.errors import GatewayGone
from trimtab.evals.asking import Request, Wait
from trimtab.evals.sample import Answer, Arm, ToolCall
from trimtab.gateway.admission import EVALUATION_HEADER, MAX_LABEL
from trimtab.processes.resend import PATHS, message_in
from trimtab.record.events import JUDGE_TASK, OK, Settled
from trimtab.record.purposes import EVALUATION, apart, served

PATH: Final = PATHS["chat_completions"]
ANSWER_S: Final = 3600.0
"""The longest silence of a gateway; a call's own deadlines end it long before."""
MOST_BYTES: Final = 32 << 20
"""Of an answer; what is longer is cut, and then says nothing."""
MAX_DETAIL: Final = 500
GOOD: Final = 200
LATER: Final = frozenset({429, 503})
ATTEMPTS: Final = "x-trimtab-attempts"
NONE: Final = "0"
"""A call that failed without an attempt may not have been let in, and is recorded then by nobody."""
ENDING: Final = "draining"
DEFAULT_WAIT_S: Final = 1.0
JUDGED_WRONG: Final = frozenset({"output_invalid", "tool_call_invalid"})
"""Ends of which the gateway tells the client no text, and keeps it."""
PUSD_A_USD: Final = 1e12


class ArmAsker:
    """An `Asker`, and a `Judge`, over the gateways of the arms. Each thread has connections of its own.

    `labels` finds the case and number of a recorded call again by the step it was recorded under. A judge's call is
    recorded under the digest of its request.
    """

    def __init__(self, gateways: Mapping[Arm, ArmGateway], labels: Mapping[str, tuple[str, int]], clock: Clock) -> None:
        self._gateways = gateways
        self._labels = labels
        self._ends = {arm: Ends(one.door.directory / "spool", one.door.epoch, clock) for arm, one in gateways.items()}
        self._bodies = {arm: Bodies(one.door.directory) for arm, one in gateways.items()}
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: list[http.client.HTTPConnection] = []
        self._judged: defaultdict[str, deque[Answer]] = defaultdict(deque)

    def ask(self, request: Request) -> Answer:
        """The answer, once it is recorded; blocks. Raises `Wait` and `GatewayGone`, as `evals.asking.Asker` says."""
        headers = {
            "x-trimtab-task": request.task,
            "x-trimtab-run": request.evaluation,
            "x-trimtab-step": label(request.case, request.number),
        }
        return self._ask(request.arm, headers, request.evaluation, request.body)

    def judge_by(self, arm: Arm, evaluation: str, model: str, body: dict[str, Any]) -> Answer:
        """A judging model's answer, through the gateway of an arm; the call is recorded as `(judge)`, under its run.

        One that `take_up_judged` found is given in the place of another call.
        """
        asked = {**body, "model": model}
        step = f"sha256:{hashlib.sha256(msgspec.json.encode(asked, order='sorted')).hexdigest()}"
        with self._lock:
            if waiting := self._judged.get(step):
                return waiting.popleft()
        headers = {"x-trimtab-task": JUDGE_TASK, "x-trimtab-run": evaluation, "x-trimtab-step": step}
        return self._ask(arm, headers, "", asked)

    def take_up_judged(self, arm: Arm, evaluation: str, known: Container[str]) -> None:
        """Has what judges said before a crash given to whoever asks it again, calls that are `known` left out."""
        for end, answer in self._recorded(arm, evaluation):
            admitted = end.admitted
            if admitted.task == JUDGE_TASK and answer.outcome == OK and answer.call not in known:
                self._judged[admitted.step].append(answer)

    def answered(self, evaluation: str) -> Iterator[tuple[Request, Answer]]:
        """The answers that are recorded whole, failures left out; where a sample has several, the earliest."""
        for arm in self._gateways:
            found: set[str] = set()
            for end, answer in self._recorded(arm, evaluation):
                step, task = end.admitted.step, end.admitted.task
                if step in found or step not in self._labels or not task.startswith(apart(EVALUATION, "")):
                    continue
                if answer.is_ours:
                    found.add(step)
                    yield Request(evaluation, arm, *self._labels[step], served(task), {}), answer

    def _recorded(self, arm: Arm, evaluation: str) -> Iterator[tuple[Settled, Answer]]:
        """The calls of an evaluation through an arm that are recorded whole, the earliest first."""
        for end in sorted(ends_of(self._gateways[arm].door.directory, evaluation), key=lambda one: one.at_ns):
            body = self._bodies[arm].read(end.response_body)
            if body is not None or end.outcome in JUDGED_WRONG:
                yield end, answer_of(end, body or b"")

    def close(self) -> None:
        """Closes the connections of all threads; nobody may ask any more."""
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def _ask(self, arm: Arm, headers: Mapping[str, str], evaluation: str, body: dict[str, Any]) -> Answer:
        door = self._gateways[arm].door
        sent = {**headers, "authorization": f"Bearer {door.key}", "content-type": "application/json"}
        if evaluation:
            sent[EVALUATION_HEADER.decode()] = evaluation
        status, found, content = self._post(arm, sent, msgspec.json.encode(body))
        call = found.get("x-trimtab-call", "")
        if status in LATER and found.get("retry-after"):
            if code_in(content) == ENDING:
                raise self._gone(arm, "it is ending")
            raise Wait(_seconds(found["retry-after"] or ""))
        is_refused = status != GOOD and found.get(ATTEMPTS, NONE) == NONE
        if is_refused or not call:
            return Answer(call, code_in(content) or "internal", status=status, detail=message_in(content)[:MAX_DETAIL])
        end = self._ends[arm].of(call)
        if status != GOOD:
            content = (self._bodies[arm].read(end.response_body) or b"") if end.outcome in JUDGED_WRONG else b""
        return answer_of(end, content)

    def _post(self, arm: Arm, headers: Mapping[str, str], body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One exchange on this thread's connection; a kept one that was closed meanwhile is opened again, once."""
        for is_last in (False, True):
            connection, is_fresh = self._connection(arm)
            try:
                return _exchanged(connection, headers, body)
            except (OSError, http.client.HTTPException) as failure:
                connection.close()
                unread = isinstance(failure, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError)
                if is_last or is_fresh or not unread or not self._gateways[arm].is_alive:
                    raise self._gone(arm, str(failure) or type(failure).__name__) from failure
        raise AssertionError

    def _connection(self, arm: Arm) -> tuple[http.client.HTTPConnection, bool]:
        kept: dict[Arm, http.client.HTTPConnection] = self._local.__dict__.setdefault("kept", {})
        connection = kept.get(arm)
        if connection is None:
            connection = kept[arm] = _Connection("127.0.0.1", self._gateways[arm].door.port, timeout=ANSWER_S)
            with self._lock:
                self._opened.append(connection)
        return connection, connection.sock is None

    def _gone(self, arm: Arm, detail: str) -> GatewayGone:
        door = self._gateways[arm].door
        return GatewayGone(address=f"127.0.0.1:{door.port} ({arm})", detail=f"{detail}; its log is in {door.directory}")

    def __repr__(self) -> str:
        return f"ArmAsker({', '.join(self._gateways)}, {len(self._opened)} connections)"


class _Connection(http.client.HTTPConnection):
    """Sends at once what is small: Nagle's algorithm would hold back the body until the head is acknowledged."""

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _exchanged(
    connection: http.client.HTTPConnection, headers: Mapping[str, str], body: bytes
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection.request("POST", PATH, body, dict(headers))
    answer = connection.getresponse()
    content = answer.read(MOST_BYTES)
    if not answer.isclosed():
        connection.close()
    return answer.status, answer.headers, content


def label(case: str, number: int) -> str:
    """The step that a sample is recorded under, `CASE/NUMBER`: printable, and within what a label may be."""
    step = f"{quote(case, safe=' -_.:@')}/{number}"
    if len(step) <= MAX_LABEL:
        return step
    return f"sha256:{hashlib.sha256(case.encode('utf-8', 'surrogatepass')).hexdigest()}/{number}"


def answer_of(end: Settled, body: bytes) -> Answer:
    """What a call came to: its facts as recorded, its words from the answer's body."""
    text, calls = said_in(body)
    usage = end.usage
    own_length = end.answer_tokens
    if own_length is None and usage is not None and not end.repairs and end.attempts == 1:
        own_length = usage.output
    return Answer(
        call=end.admitted.call,
        outcome=end.outcome,
        text=text,
        tool_calls=tuple(ToolCall(one["name"], one["arguments"]) for one in calls),
        finish_reason=end.finish_reason,
        verdict=end.verdict,
        tool_outcomes=tuple(one.outcome for one in end.tool_outcomes),
        repairs=end.repairs,
        model=end.model,
        status=end.status,
        detail="" if end.outcome == OK else end.detail[:MAX_DETAIL],
        input_tokens=None if usage is None else usage.input + usage.cache_read + usage.cache_write,
        length_tokens=own_length,
        cost_usd=None if end.cost_pusd is None or end.cost_label == "unknown" else end.cost_pusd / PUSD_A_USD,
        ttft_s=end.ttft_s,
        total_s=end.total_s,
    )


def said_in(body: bytes) -> tuple[str, Sequence[Mapping[str, str]]]:
    """The text of an answer, and the tools it calls, each with its `name` and `arguments`."""
    said = answered(body, MOST_BYTES) if body else None
    return (said.get("text", ""), said.get("tool_calls", ())) if isinstance(said, dict) else (said or "", ())


def code_in(body: bytes) -> str:
    """The code of the error that an answer tells of; empty where it tells none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    error = found.get("error") if isinstance(found, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


def _seconds(retry_after: str) -> float:
    """The time that `Retry-After` names in seconds; one second for what is no number."""
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else DEFAULT_WAIT_S
