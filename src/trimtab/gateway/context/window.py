"""The window of a task: its context strategy at work on one request.

A request is read and counted once (`measure`), then decided on (`choose`); what each message is and how many tokens it
has is remembered by its digest, so that the history that comes with every call is not read and counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from trimtab.errors import InvalidRequest
from trimtab.gateway.context import strategies
from trimtab.gateway.context.strategies import Item, Room, Steps, TooLarge
from trimtab.gateway.context.summaries import framed
from trimtab.gateway.context.tokens import ESTIMATING, Counter
from trimtab.gateway.surfaces.chat_history import CHAT
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, History, Message
from trimtab.policy.snapshot import TaskPolicy
from trimtab.record.events import ContextUse

MESSAGE_TOKENS: Final = 5
"""What a chat template puts around a message (ChatML and Llama 3: three marks, its role, a line end)."""
CALL_TOKENS: Final = 8
"""The same around a tool call or a tool's result."""
REQUEST_TOKENS: Final = 4
"""What a chat template puts in front of the answer."""
MERGED_TOKENS: Final = 4
"""A text between others may be as many tokens more than alone."""
MAX_COUNTED_BYTES: Final = 4 << 20
MAX_COUNTED_SUMMARY: Final = 32 << 10
MAX_CHARACTERS_PER_TOKEN: Final = 16
"""No text has more, so that a longer one need not be counted to be too long."""
REMEMBERED: Final = 32_768
"""Messages of which it is remembered what they are; as many again that were not met for longer."""
OUTSIDE: Final = "outside"


class Known(NamedTuple):
    """What is remembered of a message: its part in the rules, and whether all of its tokens were counted."""

    item: Item
    exact: bool


class Remembered:
    """The messages that one worker has met, by digest: two generations, of which the older is forgotten when the
    younger is full."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._young: dict[bytes, Known] = {}
        self._old: dict[bytes, Known] = {}

    def get(self, digest: bytes) -> Known | None:
        """What is known of a message."""
        found = self._young.get(digest)
        if found is None:
            found = self._old.get(digest)
            if found is not None:
                self.put(digest, found)
        return found

    def put(self, digest: bytes, known: Known) -> None:
        """Remembers a message."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[digest] = known

    def __repr__(self) -> str:
        return f"Remembered({len(self._young)} messages, and {len(self._old)} older)"


class Unread(Struct):
    """A message that was not met before, and how it is read."""

    message: Raw
    history: History | None


class Request(Struct):
    """One request to be put into a window: its messages and what stands outside them, by their digests.

    `known` is what is known of them, `unread` what is to be read and counted by `counter`.
    """

    history: History
    messages: Sequence[Raw]
    counter: Counter
    digests: list[bytes] = []
    outside: list[bytes] = []
    known: dict[bytes, Known] = {}
    unread: dict[bytes, Unread] = {}

    def __repr__(self) -> str:
        return f"Request({len(self.messages)} messages, {len(self.unread)} unread)"

    @property
    def takes_long(self) -> bool:
        """Whether it is so much to count that it is not done between two calls."""
        return sum(len(bytes(one.message)) for one in self.unread.values()) > self.counter.at_once_bytes

    def read(self) -> dict[bytes, Known]:
        """Reads and counts what is not known yet; it changes nothing, so that it may be done in a thread.

        What is more than a tokenizer counts in a few seconds is estimated.
        """
        found, left = {}, MAX_COUNTED_BYTES
        for digest, one in self.unread.items():
            left -= len(bytes(one.message))
            found[digest] = self._known(one, self.counter if left >= 0 else ESTIMATING)
        return found

    def _known(self, unread: Unread, counter: Counter) -> Known:
        history = unread.history
        message = _outside(unread.message) if history is None else history.read(unread.message)
        links = len(message.calls) + len(message.answers)
        around = 0 if history is None else MESSAGE_TOKENS + CALL_TOKENS * links
        count = counter.count(message.texts)
        tokens = count.tokens + message.media_tokens + around
        item = Item(message.role, tokens, message.calls, message.answers, message.reasons)
        return Known(item, count.exact and not message.media_tokens)


class Measured(NamedTuple):
    """A request with its tokens."""

    items: tuple[Item, ...]
    outside_tokens: int
    counted: Literal["tokenizer", "estimated"]

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.outside_tokens + sum(item.tokens for item in self.items)


class Chosen(NamedTuple):
    """What a strategy decided: the places of the messages that stay. `steps` is there where the rest is to be
    summarised, and `kept` is then what stays beside the summary."""

    kept: tuple[int, ...]
    steps: Steps | None = None


class Window:
    """The context strategy of one task; `counter` is that of its first model."""

    def __init__(
        self, task: TaskPolicy, tools: Sequence[Raw], counter: Callable[[], Counter], remembered: Remembered
    ) -> None:
        self.context = task.context
        self.task = task.name
        self._digest = task.context_digest
        self._tools = tools
        self._counter = counter
        self._remembered = remembered
        self._frames: dict[str, int] = {}

    def request(self, history: History, asked: Asked, prompt: Sequence[bytes]) -> Request:
        """A request with what is known of it already; `prompt` is what the task itself puts in front of it."""
        request = Request(history, history.messages(asked), self._counter())
        request.digests = self._look(request, history, request.messages)
        request.outside = self._look(request, None, [*history.outside(asked), *self._tools])
        request.outside += self._look(request, CHAT, [Raw(message) for message in prompt])
        return request

    def _look(self, request: Request, history: History | None, messages: Sequence[Raw]) -> list[bytes]:
        """The digests of messages; what is known of them goes into the request, what is not is to be read."""
        start = sha256(f"{OUTSIDE if history is None else history.name} {request.counter.name} ".encode())
        digests = []
        for message in messages:
            hashed = start.copy()
            hashed.update(message)
            digest = hashed.digest()
            digests.append(digest)
            known = self._remembered.get(digest)
            if known is None:
                request.unread[digest] = Unread(message, history)
            else:
                request.known[digest] = known
        return digests

    def measure(self, request: Request, read: Mapping[bytes, Known]) -> Measured:
        """The request with its tokens; `read` is what was not known of it."""
        for digest, one in read.items():
            self._remembered.put(digest, one)
        known = {**request.known, **read}
        found = [known[digest] for digest in request.digests]
        outside = [known[digest] for digest in request.outside]
        exact = all(one.exact for one in found) and all(one.exact for one in outside)
        return Measured(
            tuple(one.item for one in found),
            sum(one.item.tokens for one in outside) + REQUEST_TOKENS,
            "tokenizer" if exact else "estimated",
        )

    def choose(self, request: Request, asked: Asked, measured: Measured) -> Chosen:
        """Which messages stay. Raises `InvalidRequest` where what must stay is too much, or nothing may go."""
        context, items = self.context, measured.items
        everything = tuple(range(len(items)))
        limit = context.max_input_tokens
        if request.history.alone(asked):
            largest = max((item.tokens for item in items), default=0) + measured.outside_tokens
            if limit is not None and largest > limit:
                raise self._too_large(largest, measured)
            return Chosen(everything)
        if context.strategy == "full":
            if limit is not None and measured.tokens > limit:
                raise self._too_large(measured.tokens, measured)
            return Chosen(everything)
        try:
            chosen = self._by_rule(request, items, measured.outside_tokens)
        except TooLarge as found:
            raise self._too_large(found.tokens + measured.outside_tokens, measured, must=True) from None
        place = request.history.at_provider(asked)
        if place and len(chosen.kept) < len(items):
            raise InvalidRequest(
                detail=f"its context is more than task {self.task} holds, and `{place}` leaves a part of it at the "
                "provider, where nothing can be dropped; send the whole conversation"
            )
        return chosen

    def _by_rule(self, request: Request, items: Sequence[Item], outside_tokens: int) -> Chosen:
        context, limit = self.context, self.context.max_input_tokens
        room = Room(None if limit is None else limit - outside_tokens, context.recent)
        if context.strategy == "token_window":
            return Chosen(strategies.token_window(items, room))
        if context.strategy == "keep_system_and_recent":
            return Chosen(strategies.keep_system_and_recent(items, room))
        beside = self._beside(request.counter)
        try:
            found = strategies.steps(items, Room(None if room.tokens is None else room.tokens - beside, room.recent))
        except TooLarge:
            return Chosen(strategies.keep_system_and_recent(items, room))
        if not found.firsts:
            return Chosen(tuple(range(len(items))))
        return Chosen(strategies.places_of(items, found, summarised=True), found)

    def _beside(self, counter: Counter) -> int:
        """The tokens of the longest summary's message."""
        found = self._frames.get(counter.name)
        if found is None:
            found = self._frames[counter.name] = counter.count([framed("")]).tokens + MESSAGE_TOKENS + MERGED_TOKENS
        return self.context.summary_tokens + found

    def use(self, measured: Measured, kept: Sequence[int]) -> ContextUse:
        """What was done to the request, for the record."""
        items = measured.items
        tokens = sum(items[place].tokens for place in kept)
        dropped = len(items) - len(kept)
        return ContextUse(
            strategy=self.context.strategy,
            digest=self._digest,
            messages=len(items),
            dropped=dropped,
            tokens=tokens + measured.outside_tokens,
            dropped_tokens=sum(item.tokens for item in items) - tokens,
            counted=measured.counted,
            kept=ranges(kept) if dropped else (),
        )

    def summary_tokens(self, text: str) -> int:
        """What a summary's message adds to a request."""
        return self._count(text) + MESSAGE_TOKENS

    def cut(self, text: str) -> str:
        """A summary, cut to as long as it may be: by its own counts a model may write more."""
        most = self.context.summary_tokens
        text = text[: most * MAX_CHARACTERS_PER_TOKEN]
        while text and (tokens := self._count(text)) > most:
            text = text[: min(len(text) - 1, len(text) * most // tokens)]
        return text

    def _count(self, text: str) -> int:
        """The tokens of a summary; a long one is estimated, because this is done between two calls."""
        counter = self._counter() if len(text) <= MAX_COUNTED_SUMMARY else ESTIMATING
        return counter.count([text]).tokens

    def _too_large(self, tokens: int, measured: Measured, *, must: bool = False) -> InvalidRequest:
        limit = self.context.max_input_tokens
        who = "" if measured.counted == "tokenizer" else " by estimate"
        what = "what must stay of its messages is" if must else "its input is"
        return InvalidRequest(
            detail=f"{what} {tokens} tokens{who}, and the context of task {self.task} holds {limit} "
            "(context.max_input_tokens); send less"
        )

    def __repr__(self) -> str:
        return f"Window({self.task} {self.context.strategy}, counted by {self._counter().name[:12]})"


def ranges(places: Sequence[int]) -> tuple[int, ...]:
    """Places in their order as ranges: where each begins, and the place behind its end, one after the other."""
    found: list[int] = []
    for place in places:
        if found and found[-1] == place:
            found[-1] = place + 1
        else:
            found += [place, place + 1]
    return tuple(found)


def _outside(raw: Raw) -> Message:
    """What stands outside the messages: a text as it is, anything else as the JSON it is."""
    said = bytes(raw)
    if said.startswith(b'"'):
        try:
            return Message("system", (msgspec.json.decode(said, type=str),))
        except NOT_JSON:
            pass
    return Message("system", (said.decode("utf-8", "replace"),))
