"""Who calls, and which task the call belongs to: key, then task, then its `Admitted` event."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from trimtab.cost import meter
from trimtab.declare.project import Retry
from trimtab.errors import Forbidden, InvalidRequest, LockDrift, Unauthorized, UnknownModel, UnknownTask
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.tool_sets import ToolSets
from trimtab.guard.deadlines import Clocks, asked_total_s, total_limit_s
from trimtab.ids import parse_traceparent
from trimtab.policy.snapshot import UNDECLARED, Snapshot, TaskPolicy
from trimtab.record.bodies import RequestRefs
from trimtab.record.events import JUDGE_TASK, Admitted
from trimtab.record.purposes import EVALUATION, REPLAY, apart

MAX_LABEL = 200
MAX_OUTPUT_TOKENS = 2**31 - 1
"""More than any model makes, and the most that counts and costs in records have room for."""
LOCK_ID = re.compile(rb"(?:sha256:)?([0-9a-f]{12,64})")
"""A lock id, or its beginning as answers bear it."""
CLIENT = "client"
SAFE_METHODS = frozenset({"GET", "HEAD"})
OPERATOR_KEY = b"tt_operator_"
"""How the key begins with which dead letters are sent again and evaluations ask; no client has one."""
EVALUATION_HEADER = b"x-trimtab-evaluation"
"""Bears the id of the evaluation that a call is made for."""


class KnownKey(Protocol):
    """What admission reads of a client key."""

    @property
    def name(self) -> str:
        """The key's name, as records show it."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks it may use; empty for all."""

    @property
    def role(self) -> str:
        """What it is for: only keys of clients may make calls."""


FindKey = Callable[[bytes], KnownKey | None]


class Admission:
    """Lets calls in under one snapshot."""

    def __init__(self, snapshot: Snapshot, find_key: FindKey, worker: str, operator_key: bytes = b"") -> None:
        self._snapshot = snapshot
        self._find_key = find_key
        self._worker = worker
        self._operator_key = operator_key
        self._model_of_served_name = _unique_served_names(snapshot)
        self._undeclared = {name: snapshot.undeclared(name) for name in snapshot.models}
        self._tool_sets = ToolSets()
        self._passthrough: dict[tuple[str, str], str] = {}
        for name, model in snapshot.models.items():
            for route in model.passthrough:
                self._passthrough.setdefault((route.method, route.path), name)

    def identify(self, exchange: Exchange) -> KnownKey | None:
        """The key the call carries, as a bearer token or in `x-api-key`, as clients of Anthropic send it.

        Raises `Unauthorized` without a good one, unless the snapshot asks for none; `Forbidden` for a person's key.
        """
        get = exchange.request.headers.get
        scheme, _, secret = (get(b"authorization") or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            secret = get(b"x-api-key") or b""
        secret = secret.strip()
        if secret.startswith(OPERATOR_KEY):
            self._operate(exchange, secret)
            return None
        found = self._find_key(secret) if secret else None
        if found is not None:
            if found.role != CLIENT:
                raise Forbidden(key=found.name, what=f"models: it is for a {found.role} at control")
            exchange.key, exchange.key_tasks = found.name, found.tasks
        elif self._snapshot.keys_required:
            raise Unauthorized
        return found

    def _operate(self, exchange: Exchange, secret: bytes) -> None:
        """A dead letter's call that the operator sends again, under the name of the key it first came with; a call
        that control makes to have another one judged; or one of an evaluation.

        Raises `Unauthorized` for the key of another life of the gateway, also where clients need none.
        """
        letter = label(exchange, b"x-trimtab-redrive")
        judges = exchange.request.headers.get(b"x-trimtab-task") == JUDGE_TASK.encode()
        if not self._operator_key or not hmac.compare_digest(secret, self._operator_key):
            raise Unauthorized
        if letter:
            exchange.redrive_of = letter
            exchange.key = label(exchange, b"x-trimtab-redrive-key")
        elif judges:
            exchange.key = JUDGE_TASK
        elif label(exchange, EVALUATION_HEADER):
            exchange.purpose = EVALUATION
            exchange.key = f"({EVALUATION})"
        else:
            raise Unauthorized

    def resolve(self, exchange: Exchange, key: KnownKey | None) -> None:
        """Sets the exchange's task: by header, model, system prompt, key, or as undeclared."""
        self._hold_to_lock(exchange)
        task = self._task(exchange)
        if key is not None and key.tasks and task.name not in key.tasks:
            raise Forbidden(key=key.name, what=f"task {task.name}")
        exchange.task = task
        _hold_to_prompt(exchange)
        self._set_deadline(exchange)

    def passthrough_model(self, method: str, path: str) -> str | None:
        """The model whose declaration lists this route."""
        return self._passthrough.get((method, path))

    def resolve_passthrough(self, exchange: Exchange, key: KnownKey | None, model: str) -> None:
        """Sets the exchange's task for a route that passes through; a key bound to tasks may not use it.

        What an unknown route does is unknown, so only a safe method is ever sent twice.
        """
        if exchange.purpose or (key is not None and key.tasks):
            raise Forbidden(key=exchange.key, what=f"{exchange.request.method} {exchange.request.path}")
        self._hold_to_lock(exchange)
        task = self._undeclared[model]
        if exchange.request.method not in SAFE_METHODS:
            task = replace(task, retry=Retry(attempts=1))
        exchange.task = task
        self._set_deadline(exchange)

    def _hold_to_lock(self, exchange: Exchange) -> None:
        """Raises `LockDrift` for a call that demands a lock which is not the one in force."""
        asked = exchange.request.headers.get(b"x-trimtab-lock")
        if asked is None:
            return
        found = LOCK_ID.fullmatch(asked.strip())
        if found is None:
            raise InvalidRequest(detail="x-trimtab-lock is no lock id; send at least 12 hexadecimal digits of one")
        lock_id, wanted = self._snapshot.lock_id, found[1].decode()
        if not lock_id.startswith(wanted):
            in_force = f"lock {lock_id[:12]} is in force" if lock_id else "what serves is not locked"
            raise LockDrift(asked=wanted[:12], in_force=in_force)

    def _task(self, exchange: Exchange) -> TaskPolicy:
        snapshot, asked = self._snapshot, exchange.asked
        named = exchange.request.headers.get(b"x-trimtab-task")
        if named is not None:
            name = named.decode("latin-1")
            if name in snapshot.tasks:
                return snapshot.tasks[name]
            if name == UNDECLARED and exchange.redrive_of:
                return self._undeclared_model(asked.model)
            if name == JUDGE_TASK == exchange.key:
                return replace(self._undeclared_model(asked.model), name=JUDGE_TASK)
            raise UnknownTask(task=name)
        if exchange.purpose:
            raise InvalidRequest(detail="x-trimtab-evaluation needs x-trimtab-task; name the task that is evaluated")
        by_prompt = snapshot.task_of_system_prompt.get(asked.system_prompt) if asked.system_prompt else None
        mapped = asked.model if asked.model in snapshot.tasks else by_prompt or snapshot.task_of_key.get(exchange.key)
        if mapped is not None:
            return snapshot.tasks[mapped]
        return self._undeclared_model(asked.model)

    def _undeclared_model(self, asked: str) -> TaskPolicy:
        """The policy of a call that belongs to no task; `asked` is a model of ours, or what its server calls it."""
        model = asked if asked in self._snapshot.models else self._model_of_served_name.get(asked)
        if model is None:
            raise UnknownModel(model=asked)
        return self._undeclared[model]

    def _set_deadline(self, exchange: Exchange) -> None:
        limits, streamed = exchange.task.deadline, exchange.asked.stream
        header = exchange.request.headers.get(b"x-trimtab-deadline-ms")
        asked_s = None if header is None else asked_total_s(header)
        total_s = total_limit_s(limits.total_s, asked_s, streamed=streamed)
        exchange.shortened = asked_s is not None and total_s == asked_s
        exchange.clocks = Clocks(
            exchange.began_s,
            streamed=streamed,
            connect_s=limits.connect_s,
            first_token_s=limits.first_token_s,
            gap_s=limits.gap_s,
            total_s=total_s,
        )

    def admitted(self, exchange: Exchange, refs: RequestRefs) -> Admitted:
        """The call's `Admitted` event; `refs` are its bodies. Raises `InvalidRequest` for what no record can hold."""
        asked, task, snapshot = exchange.asked, exchange.task, self._snapshot
        get = exchange.request.headers.get
        evaluation = label(exchange, EVALUATION_HEADER) if exchange.purpose == EVALUATION else ""
        exchange.run = label(exchange, b"x-trimtab-run") or evaluation or exchange.call
        sent_trace = get(b"traceparent")
        trace = None if sent_trace is None else parse_traceparent(sent_trace.decode("latin-1"))
        model = task.models[0]
        rates = snapshot.rates.get(model)
        limit = asked.max_output_tokens
        if limit is not None and limit > MAX_OUTPUT_TOKENS:
            raise InvalidRequest(detail=f"the limit on output tokens is over {MAX_OUTPUT_TOKENS}; lower it")
        pinned = task.sampling.max_output_tokens
        if pinned is not None:
            limit = pinned if limit is None else min(limit, pinned)
        return Admitted(
            call=exchange.call,
            at_ns=exchange.at_ns,
            worker=self._worker,
            environment=snapshot.environment,
            snapshot=snapshot.digest,
            lock=snapshot.lock_id,
            task=apart(exchange.purpose, task.name) if exchange.purpose else task.name,
            owner=task.owner,
            key=exchange.key,
            surface=exchange.surface.name,
            model=asked.model or model,
            stream=asked.stream,
            cost_bound_pusd=meter.bound(rates, len(exchange.request.body), limit, meter.day(exchange.at_ns))
            if rates and exchange.purpose != REPLAY
            else None,
            run=exchange.run,
            trace_id=trace.trace_id if trace else "",
            parent_span=trace.parent_id if trace else "",
            prompt=task.prompt.digest if task.prompt and (asked.inputs is not None or asked.prompt_version) else "",
            system_prompt=asked.system_prompt or "",
            request_bytes=len(exchange.request.body),
            request_body=refs.body,
            messages=refs.messages,
            max_output_tokens=limit,
            step=label(exchange, b"x-trimtab-step"),
            parent=label(exchange, b"x-trimtab-parent"),
            conversation=label(exchange, b"x-trimtab-conversation"),
            end_user=label(exchange, b"x-trimtab-user"),
            retrieval_ids=asked.retrieval_ids,
            schema=task.output.schema.digest if task.output is not None else "",
            redrive_of=exchange.redrive_of,
            tools=self._tool_sets.digest(exchange.surface, asked) if task.name == UNDECLARED else "",
        )


def _hold_to_prompt(exchange: Exchange) -> None:
    """Raises `InvalidRequest` for a call that names another version of its task's prompt than the one in force.

    The messages of a call that is sent again were rendered before, so there it is nobody's mistake.
    """
    asked, task = exchange.asked, exchange.task
    in_force = task.prompt.digest if task.prompt else ""
    if not asked.prompt_version or asked.prompt_version == in_force:
        return
    if exchange.redrive_of:
        asked.prompt_version = ""
        return
    serves = f"the prompt of task {task.name} is {in_force[:12]}" if in_force else f"task {task.name} has no prompt"
    raise InvalidRequest(
        detail=f"`trimtab.prompt` is {asked.prompt_version[:12]!a} and {serves}; load the project as it is deployed, "
        "or leave the field out"
    )


def label(exchange: Exchange, header: bytes) -> str:
    """A label a client gave its call; raises `InvalidRequest` for one that is too long or not printable."""
    value = exchange.request.headers.get(header)
    if value is None:
        return ""
    text = value.decode("latin-1")
    if len(text) > MAX_LABEL or not text.isprintable():
        raise InvalidRequest(detail=f"{header.decode()} is over {MAX_LABEL} characters or not printable")
    return text


def _unique_served_names(snapshot: Snapshot) -> dict[str, str]:
    """Our model by what its servers call it, and by the alias it was declared under; ambiguous names are left out."""
    names: dict[str, str] = {}
    ambiguous = set()
    for name, model in snapshot.models.items():
        for served in {model.served_name, snapshot.requested.get(name, model.served_name)}:
            if served in names:
                ambiguous.add(served)
            names[served] = name
    return {served: name for served, name in names.items() if served not in ambiguous}
