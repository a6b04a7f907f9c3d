"""What goes to a replica: the spliced body and the request's head, policy put in, the client's credentials left out."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from trimtab.declare.project import Model
from trimtab.declare.rendering import render
from trimtab.errors import InvalidRequest
from trimtab.gateway.contract import Contract
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.surfaces.surface import (
    ADDED_KEPT,
    NOT_JSON,
    NOTHING_KEPT,
    Asked,
    Edits,
    Keep,
    SchemaEdit,
    SchemaForm,
    Wire,
)
from trimtab.gateway.upstreams.auth import Signer
from trimtab.gateway.upstreams.origin import Origin

FORWARDED = (b"content-type", b"accept")
MAX_STARTS = 16
TOP_LOGPROBS: Final = 5
"""The likeliest tokens asked for at each place where a task wants confidence: enough for the runner-up of an enum."""
SHAPED: Final = frozenset(
    {
        *("response_format", "structured_outputs", "output_config", "continue_final_message", "echo"),
        *("prompt_logprobs", "audio", "modalities", "functions", "include_reasoning", "return_token_ids"),
    }
)
"""Fields of a chat whose answer is not plain text, or which go on with one themselves."""
PENALTIES: Final = ("presence_penalty", "frequency_penalty")
"""They count the tokens of the answer alone, and would begin to count anew where another replica goes on."""
NEUTRAL: Final = frozenset({b"0", b"0.0", b"null"})
NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")


class Asking(NamedTuple):
    """One request to a replica: over which wire, its body, and what is to be kept of its answer."""

    wire: Wire
    body: bytes
    keep: Keep
    resumable: bool


class Target:
    """A replica as requests are written for it."""

    __slots__ = ("_behind", "_signer", "_starts", "model", "origin", "served_name")

    def __init__(self, model: Model, origin: Origin, signer: Signer) -> None:
        self.model = model
        self.served_name = model.served_name
        self.origin = origin
        self._signer = signer
        self._behind = f" HTTP/1.1\r\nhost: {origin.authority}\r\nuser-agent: trimtab\r\nx-request-id: ".encode()
        self._starts: dict[tuple[str, bytes], bytes] = {}

    def request(self, exchange: Exchange, asking: Asking, left_s: float | None) -> tuple[bytes, bytes]:
        """Head and body, ready to be written; raises `SecretMissing` where there is nothing to authenticate with."""
        request, admitted, signer = exchange.request, exchange.admitted, self._signer
        path = asking.wire.path or request.target.decode("latin-1")
        body = signer.body(path, asking.body)
        target = signer.target(path, stream=exchange.asked.stream).encode("latin-1")
        start = self._starts.get((request.method, target)) or self._start(request.method, target)
        head = b"%b%b\r\ncontent-length: %d\r\n" % (start, exchange.call.encode(), len(body))
        sent = request.headers
        for name in FORWARDED:
            value = sent.get(name)
            if value is not None:
                head += b"%b: %b\r\n" % (name, value)
        head += signer.headers(request.method, self._whole(target), body, sent)
        if left_s is not None:
            head += b"x-trimtab-deadline-ms: %d\r\n" % max(1, int(left_s * 1000))
        if admitted is not None and admitted.trace_id:
            head += f"traceparent: 00-{admitted.trace_id}-{exchange.call[16:]}-01\r\n".encode()
        return head + b"\r\n", body

    def own_request(self, path: str, body: bytes) -> tuple[bytes, bytes]:
        """Head and body of a POST of our own, on a connection that serves nothing else."""
        signed = self._signer.body(path, body)
        target = self._signer.target(path, stream=False).encode("latin-1")
        head = self._start("POST", target) + b"probe\r\ncontent-type: application/json\r\nconnection: close\r\n"
        head += b"content-length: %d\r\n" % len(signed)
        return head + self._signer.headers("POST", self._whole(target), signed, {}) + b"\r\n", signed

    def _whole(self, target: bytes) -> str:
        return self.origin.base_path + target.decode("latin-1")

    def _start(self, method: str, target: bytes) -> bytes:
        """The head up to the request's id; remembered while targets are few, as those of the surfaces are."""
        start = b"%b %b%b%b" % (method.encode(), self.origin.base_path.encode(), target, self._behind)
        if len(self._starts) < MAX_STARTS:
            self._starts[method, target] = start
        return start


def render_prompt(exchange: Exchange) -> tuple[bytes, ...]:
    """The task's prompt rendered with the call's inputs, one JSON message each; empty without inputs.

    Raises `InvalidRequest` for inputs that the prompt does not take or a task that has no prompt.
    """
    inputs = exchange.asked.inputs
    if inputs is None:
        return ()
    prompt = exchange.task.prompt
    if prompt is None:
        raise InvalidRequest(
            detail=f"task {exchange.task.name} has no prompt, so `trimtab.inputs` has no use; leave it out"
        )
    return tuple(msgspec.json.encode(message) for message in render(prompt, inputs))


def wire_for(exchange: Exchange, model: Model) -> Wire:
    """How the call's surface goes to the model's servers; raises `InvalidRequest` where it does not."""
    wire = exchange.surface.wires.get(model.wire)
    if wire is None:
        detail = f"{exchange.request.path} cannot be carried to model {model.name}, whose wire is {model.wire}"
        raise InvalidRequest(detail=f"{detail}; ask for a model of another wire, or use /v1/chat/completions")
    return wire


def asking(exchange: Exchange, contract: Contract, model: Model, schema: SchemaForm | None) -> Asking:
    """The request to a replica of `model`; `schema` is how its engine is told of one, if it is.

    Raises `InvalidRequest` naming what the model's wire cannot carry.
    """
    wire, task, asked, checks = wire_for(exchange, model), exchange.task, exchange.asked, exchange.checks
    edits = Edits(model.served_name, task.sampling, exchange.prompt, engine=model.engine)
    resumes = resumable(exchange, contract, model, wire)
    if checks is None and not resumes:
        return Asking(wire, spliced(wire, asked, edits), NOTHING_KEPT, resumable=False)
    if checks is not None and checks.flags_only and not resumes:
        return Asking(wire, spliced(wire, asked, edits), ADDED_KEPT, resumable=False)
    output = contract.output
    confident = output is not None and output.confidence
    edits = replace(
        edits,
        schema=SchemaEdit(schema, schema_name(task.name), contract.schema) if output is not None and schema else None,
        tools=contract.tool_edits,
        strict_tools=model.engine == "vllm" and bool(asked.tools or contract.tool_edits),
        top_logprobs=TOP_LOGPROBS if confident else None,
        count_tokens=resumes,
        resume=exchange.resume,
    )
    keep = Keep(
        added=True,
        replies=checks is not None and checks.looks_at_replies,
        end=checks is not None and (checks.enforces or contract.repetition == "stop"),
        hide_logprobs=confident and not asked.logprobs,
        counts=resumes,
        hide_counts=resumes and not counted(asked),
    )
    return Asking(wire, spliced(wire, asked, edits), keep, resumes)


def spliced(wire: Wire, asked: Asked, edits: Edits) -> bytes:
    """The body for the replica; raises `InvalidRequest` for what cannot be carried, or is not what the API takes."""
    try:
        return wire.splice(asked, edits)
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None


def counted(asked: Asked) -> bool:
    """Whether the client itself asks for counts in every event, which a vLLM gives only together with the usage."""
    return asked.wants_usage and bytes(asked.stream_options.get("continuous_usage_stats", b"")) == b"true"


def resumable(exchange: Exchange, contract: Contract, model: Model, wire: Wire) -> bool:
    """Whether an interrupted answer can go on elsewhere: plain text of one choice, from an engine that continues."""
    asked = exchange.asked
    return (
        asked.stream
        and wire.resumes
        and model.engine == "vllm"
        and exchange.task.retry.resume
        and exchange.task.retry.attempts > 1
        and contract.output is None
        and asked.choices == 1
        and not asked.logprobs
        and not asked.tools
        and not contract.tool_edits
        and SHAPED.isdisjoint(asked.fields)
        and all(bytes(asked.fields.get(name, b"0")) in NEUTRAL for name in PENALTIES)
    )


def schema_name(task: str) -> str:
    """A task's name as OpenAI takes it for a schema: 64 of a-z A-Z 0-9 _ - at most."""
    return NOT_IN_A_NAME.sub("_", task)[:64]
