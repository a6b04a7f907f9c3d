"""An upstream that does as each request says, and remembers when: `python -m bench.scripted PORT...`.

The text of a request's last message is a JSON object that names an act:

    {"id": "t1", "act": "stall", "chunks": 3, "every_ms": 20}

| act | what happens after the request has been read |
|---|---|
| answer | a whole answer of `chunks` content chunks, streamed or not as asked |
| silent | nothing at all |
| role_only | head, a role delta, then a ping comment every `every_ms`, never any content |
| stall | `chunks` content chunks, then nothing |
| trickle | content chunks without end |
| cut | an answer of `chunks` chunks that breaks off before byte `at` of its body, in the way `how` says |

How a cut ends: `fin` (connection closed), `rst` (connection reset), `tidy` (well-formed end of the HTTP body, but the
answer is not whole), `error` (an error event, then [DONE], HTTP all well: what a killed vLLM worker leaves behind).
`served` may restrict an act to one served model; other models answer in full. Chunks of `stall` and `trickle` carry the
CLOCK_MONOTONIC time of their sending (" t=<nanoseconds>"). GET /log gives, for each id, a list of {"model", "at_s",
"gone_s"} in the same time: when a request had been read, and when its connection went away (or the act was over).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from trimtab.testing import (
    Answer,
    Close,
    Hang,
    Received,
    Repeat,
    Reset,
    Script,
    ScriptedUpstream,
    Send,
    Step,
    Wait,
    chat_json,
    chat_stream,
    chunk,
    event,
    head,
    json_answer,
)
from trimtab.testing.answers import DONE
from trimtab.testing.scripts import LAST_CHUNK, PLAIN

Act = dict[str, Any]
ENGINE_DIED = event({"error": {"message": "EngineCore died", "type": "InternalServerError", "code": 500}})
LET_IT_ARRIVE = Wait(0.005)  # a reset overtakes what the other side has not read yet


class Stamped(Send):
    """A content chunk that is made when it is sent, with the time of that in it."""

    def __init__(self) -> None:
        super().__init__(b"")

    def __getattribute__(self, name: str) -> Any:
        if name != "data":
            return super().__getattribute__(name)
        return chunk(Answer(pieces=(f" t={time.monotonic_ns():019d}",)).deltas()[0])


def answer_of(act: Act) -> Answer:
    """A whole answer of as many pieces as the act asks for."""
    pieces = tuple(f" {i}" for i in range(act["chunks"]))
    return Answer(pieces, usage={"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7 + len(pieces)})


def answer(act: Act, stream: bool) -> Script:
    """A whole answer."""
    return chat_stream(answer_of(act)) if stream else chat_json(answer_of(act))


def silent(act: Act, stream: bool) -> Script:
    """Nothing, until the other side goes."""
    return Script((Hang(),))


def role_only(act: Act, stream: bool) -> Script:
    """Signs of life that are no token."""
    role = PLAIN.steps(Answer().opening())
    return Script((Send(PLAIN.head()), *role, Repeat((Wait(act["every_ms"] / 1000), Send(chunk(b": ping\n\n"))))))


def stall(act: Act, stream: bool) -> Script:
    """Some content, then nothing."""
    return Script((Send(PLAIN.head()), Repeat(paced(act), times=act["chunks"]), Hang()))


def trickle(act: Act, stream: bool) -> Script:
    """Content without end."""
    return Script((Send(PLAIN.head()), Repeat(paced(act))))


def paced(act: Act) -> tuple[Step, ...]:
    """One stamped chunk and the wait after it."""
    return (Stamped(), Wait(act["every_ms"] / 1000))


def cut(act: Act, stream: bool) -> Script:
    """An answer that breaks off before byte `at` of its body (taken modulo its length, [DONE] left out)."""
    ending: tuple[Step, ...] = (LET_IT_ARRIVE, Reset()) if act["how"] == "rst" else (Close(),)
    if not stream:
        body = json.dumps(answer_of(act).body()).encode()
        fields = (("content-type", "application/json"), ("content-length", str(len(body))))
        return Script((Send(head(200, fields) + body[: act["at"] % len(body)]), *ending))
    wire = [chunk(one) for one in answer_of(act).events()]
    at = act["at"] % sum(map(len, wire[:-1]))
    if act["how"] in ("fin", "rst"):
        return Script((Send(PLAIN.head() + b"".join(wire)[:at]), *ending))
    whole_events = b"".join(one for one, end in zip(wire, accumulate(map(len, wire)), strict=True) if end <= at)
    failure = chunk(ENGINE_DIED) + chunk(DONE) if act["how"] == "error" else b""
    return Script((Send(PLAIN.head() + whole_events + failure + LAST_CHUNK),))


ACTS: dict[str, Callable[[Act, bool], Script]] = {
    "answer": answer,
    "silent": silent,
    "role_only": role_only,
    "stall": stall,
    "trickle": trickle,
    "cut": cut,
}


class Director:
    """Makes a script of each request, and keeps the log."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[str, Received]]] = defaultdict(list)

    def play(self, request: Received) -> Script:
        """The script of the act that a request names; a GET gives the log."""
        if request.method == "GET":
            return json_answer(self.log())
        body = json.loads(request.body)
        act: Act = json.loads(body["messages"][-1]["content"])
        self._seen[act["id"]].append((body["model"], request))
        named = act["act"] if act.get("served", body["model"]) == body["model"] else "answer"
        return ACTS[named](act, bool(body.get("stream")))

    def log(self) -> dict[str, list[dict[str, Any]]]:
        """What was asked so far, by the id of the act."""
        return {
            name: [{"model": model, "at_s": one.at, "gone_s": one.gone_at or one.ended_at} for model, one in asked]
            for name, asked in self._seen.items()
        }


async def main(ports: list[int]) -> None:
    """Serve on all ports, with one log, until killed. The loop's time is CLOCK_MONOTONIC (not so with uvloop)."""
    director = Director()
    async with contextlib.AsyncExitStack() as running:
        for port in ports:
            upstream = await running.enter_async_context(ScriptedUpstream(port=port))
            upstream.always(director.play)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main([int(port) for port in sys.argv[1:]]))
