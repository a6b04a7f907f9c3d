"""The contract of a surface: one wire format that clients speak, and what the call path must know of it.

A surface reads what it must and keeps the rest as bytes; its wires carry it to the servers of a model, as it is or
translated. Adding one adds a file; the path does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish, Reply
from trimtab.declare.project import Engine, Sampling
from trimtab.errors import CallError
from trimtab.record.events import LogprobSummary, Usage

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON they should be."""


class Asked(Struct):
    """What a request asks for, as far as the path must know; `fields` holds every top-level value as it was sent."""

    body: bytes
    fields: dict[str, Raw]
    model: str
    stream: bool = False
    wants_usage: bool = False
    stream_options: dict[str, Raw] = {}
    messages: tuple[Raw, ...] = ()
    system_prompt: str | None = None
    inputs: dict[str, Any] | None = None
    retrieval_ids: tuple[str, ...] = ()
    prompt_version: str = ""
    max_output_tokens: int | None = None
    tools: tuple[Raw, ...] = ()
    choices: int = 1
    logprobs: bool = False
    background: bool = False
    """Whether the client is to come back for the answer."""


SchemaForm = Literal["response_format", "structured_outputs", "output_config"]
"""How an upstream is told of a schema: OpenAI's way, vLLM's own, or Anthropic's."""


class SchemaEdit(Struct, frozen=True):
    """A schema that goes out with a request. `name` is one OpenAI takes: 1 to 64 of a-z A-Z 0-9 _ -."""

    form: SchemaForm
    name: str
    schema: Raw


class ToolEdit(Struct, frozen=True):
    """A tool of the task that is offered to the model unless the request has one of that name."""

    name: str
    description: str
    schema: Raw


class OfferedTool(NamedTuple):
    """A tool the model may call: its name and the JSON Schema of its arguments, empty where none is given."""

    name: str
    schema: bytes


class Resume(Struct, frozen=True):
    """An interrupted answer that the model is to go on with: the text so far, and how many tokens it was."""

    text: str
    tokens: int


class Edits(Struct, frozen=True):
    """What policy puts into a request before it goes to a replica."""

    model: str
    sampling: Sampling = Sampling()
    prompt: tuple[bytes, ...] = ()
    schema: SchemaEdit | None = None
    tools: tuple[ToolEdit, ...] = ()
    strict_tools: bool = False
    """Asks a vLLM to constrain the arguments of every tool call."""
    top_logprobs: int | None = None
    """Asks for log probabilities that the client did not ask for; they are kept from it."""
    count_tokens: bool = False
    """Asks a vLLM for usage in every event, which is kept from the client."""
    resume: Resume | None = None
    """Asks a vLLM to go on with an answer; only where the wire `resumes`."""
    engine: Engine = "other"
    """Whose rules the servers follow: OpenAI's keep responses, so that a request may refer to an earlier one."""


class Keep(Struct, frozen=True):
    """What a reader keeps besides what every call needs."""

    added: bool = False
    """The text each `feed` brought."""
    replies: bool = False
    """Whole replies, in `facts.replies`."""
    end: bool = False
    """The events that end the answer, in `ending`, instead of letting them pass in `forward`."""
    hide_logprobs: bool = False
    """Keeps from the client the log probabilities that `Edits.top_logprobs` asked for."""
    counts: bool = False
    """What another replica needs to go on with the answer: its tokens, its identity, and whether it is only text."""
    hide_counts: bool = False
    """Keeps from the client the usage that `Edits.count_tokens` asked for in every event."""


NOTHING_KEPT = Keep()
MAX_ALIKE = 1024
"""Bytes of an event at most that is known by its shape: some of them wait for each other."""
ADDED_KEPT = Keep(added=True)


class Facts(Struct):
    """What an answer told about itself; filled in while it is read."""

    upstream_id: str = ""
    upstream_model: str = ""
    system_fingerprint: str = ""
    finish_reason: str = ""
    choices: int = 0
    tool_calls: int = 0
    usage: Usage | None = None
    logprobs: LogprobSummary | None = None
    text_bytes: int = 0
    only_text: bool = True
    """Whether all content so far was the text of one choice; known with `Keep.counts`."""
    replies: list[Reply] = []
    unread: str = ""
    """Why `replies` are not all of the answer, if they are not: then nothing can be said of it."""


class Added(NamedTuple):
    """Text that came for one choice."""

    choice: int
    text: str


class Whole(NamedTuple):
    """An answer in one piece: the bytes for the client, and its facts."""

    body: bytes
    facts: Facts


class Shape:
    """What stands before and behind the text in events of one stream that differ in nothing else.

    `take` takes in several of them at once, after they have gone to the client, and may set `failure` and `added` of
    its reader: that they look alike is known, that their text is well-formed is not.
    """

    __slots__ = ("_least", "before", "behind", "take")

    def __init__(self, before: bytes, behind: bytes, take: Callable[[Sequence[bytes]], None]) -> None:
        self.before = before
        self.behind = behind
        self.take = take
        self._least = len(before) + len(behind)

    def fits(self, data: bytes) -> bool:
        """Whether `data` is one event of this shape, of one line, with some text."""
        size = len(data)
        return (
            self._least < size <= MAX_ALIKE
            and data.startswith(self.before)
            and data.endswith(self.behind)
            and data.find(b"\n") == size - 2
        )


class Reader(Protocol):
    """Reads one streamed answer, chunk by chunk.

    After `feed`, `forward` holds the bytes the client may see, `content` whether a content-bearing event came,
    `done` whether the terminal marker did, and `failure` what the stream said went wrong, if anything. As far as it was
    asked to keep them, `added` holds the text that came, and `ending` all bytes that end the answer: from the event
    that tells how it ended through the terminal marker.
    """

    forward: bytes
    content: bool
    done: bool
    failure: str
    added: Sequence[Added]
    ending: bytes
    shape: Shape | None
    """How further events look that need not be read before the client sees them; None where each must be."""

    @property
    def tokens(self) -> int | None:
        """Output tokens made so far, as the server counted them in events; None where not all of them are counted."""

    @property
    def facts(self) -> Facts:
        """What the answer has told so far."""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body; malformed ones set `failure`, nothing is raised."""

    def finish(self) -> bool:
        """Whether the answer is whole, now that the body has ended."""

    def resume(self, before: Reader) -> None:
        """This answer goes on with that of `before`: the client is to see one answer."""

    def stop(self, finish: Finish) -> bytes:
        """The events that end the answer here, telling that it ended by `finish`, with the terminal marker."""


class Wire(Protocol):
    """How a surface's requests and answers go over the wire format of a model's servers.

    The wire of the surface's own format leaves alone what it need not touch; another translates, and refuses by name
    what it cannot carry.
    """

    path: str
    """The path at the server; empty for the one the client used."""
    resumes: bool
    """Whether an interrupted stream can go on at another replica (`Edits.resume`, `Reader.resume`)."""

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica: what the client sent, with the edits put in and our own fields taken out.

        Raises `InvalidRequest` naming what cannot be carried.
        """

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A fresh reader for a streamed answer to this request."""

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """An answer that came in one piece; raises `UpstreamSaidError` if it is an error."""

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error body in the shape of the surface."""


class Message(NamedTuple):
    """A message of a request as a context strategy sees it.

    `texts` is what of it becomes tokens, `media_tokens` an estimate for what is no text. `calls` are the ids of tool
    calls it makes, `answers` of those it answers. `reasons`: it is the model's reasoning, apart from what it led to.
    """

    role: Literal["system", "user", "assistant", "tool"]
    texts: tuple[str, ...] = ()
    media_tokens: int = 0
    calls: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    reasons: bool = False


class History(Protocol):
    """How the messages of a surface's requests are read and taken out."""

    name: str

    def messages(self, asked: Asked) -> Sequence[Raw]:
        """The messages of which some may go, as they were sent."""

    def outside(self, asked: Asked) -> Sequence[Raw]:
        """What becomes tokens as well, and always stays: texts and JSON that is shown to the model."""

    def alone(self, asked: Asked) -> bool:
        """Whether each message is a request of its own, so that a limit holds for each and none can go."""

    def at_provider(self, asked: Asked) -> str:
        """The field by which the model's server holds a part of the conversation, which cannot be seen from here."""

    def read(self, message: Raw) -> Message:
        """What a message is; one that is malformed is for the model's server to refuse."""

    def summary(self, text: str) -> Raw:
        """A user's message of this text."""

    def with_messages(self, asked: Asked, messages: Sequence[Raw]) -> Asked:
        """The request with these messages in place of its own."""


class Surface(Protocol):
    """One wire format that clients speak, at one path."""

    name: str
    method: str
    path: str
    repeatable: bool
    """Whether the same request may be sent twice without another effect or cost worth speaking of."""
    forwards_headers: bool
    """Whether the client sees the replica's header fields, not only the content type and the request id."""
    wires: Mapping[str, Wire]
    """How it goes to the servers of a model, by the model's `wire`."""
    history: History | None
    """How a context strategy reads its requests; None where none looks at them."""

    def read(self, body: bytes) -> Asked:
        """What the request asks for; raises `InvalidRequest` on anything the path cannot work with."""

    def offered(self, asked: Asked) -> tuple[OfferedTool, ...]:
        """The tools of the request that its answer may call; what is no tool of a function is left out."""

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """The request again, with the reply it got and what is wrong with it: one complaint for each tool call of the
        reply, in their order ("" for a good one), or a single one about its text.
        """

    def error(self, failure: CallError) -> bytes:
        """The JSON body of an error, in this surface's own shape."""

    def error_event(self, failure: CallError) -> bytes:
        """The same as an event that ends a stream badly."""


class UpstreamSaidError(Exception):
    """An answer with a good status that holds an error, or is no answer at all; the text says which."""
