"""Calls of the demo's tasks, sent at a steady rate by a few connections: what a small company would send."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from trimtab.clock import Clock
from trimtab.demo.jobs import Job, JobGenerator

SHARES: Final[dict[str, float]] = {"extract": 0.5, "route": 0.3, "assist": 0.2}
"""What part of the calls each task gets."""
JOB_OF_TASK: Final[dict[str, Job]] = {"extract": "extract", "route": "route", "assist": "tool"}
INPUT_OF_TASK: Final = {"extract": "order", "route": "ticket", "assist": "question"}
CONNECTIONS: Final = 8
"""Calls under way at once, at most; where all are, the next ones are late."""
ANSWER_S: Final = 60.0
PATH: Final = "/v1/chat/completions"
OK: Final = 200


class Requests:
    """Bodies of streamed chat completions of the three tasks, without end; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(f"{seed}/tasks")  # noqa: S311 - repeatable, not secret
        self._jobs = JobGenerator(seed)

    def __iter__(self) -> Requests:
        return self

    def __next__(self) -> tuple[str, bytes]:
        """A task, and a body that asks for it."""
        (task,) = self._draw.choices(list(SHARES), list(SHARES.values()))
        example = self._jobs.sample(JOB_OF_TASK[task])
        body: dict[str, Any] = {
            "model": task,
            "messages": [],
            "stream": True,
            "trimtab": {"inputs": {INPUT_OF_TASK[task]: example.messages[-1]["content"]}},
        }
        if example.tools:
            body["tools"] = example.tools
        return task, json.dumps(body).encode()


@dataclass
class Sent:
    """What became of the calls so far: how many there were of each task, and how many ended in which way."""

    tasks: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return self.ends.total()


class Traffic:
    """Sends calls to a gateway while its `with` block lasts: `rate` a second, evenly, from a few threads.

    `gateway` is its URL without `/v1`, `key` a client's key if it wants one. What fails is counted, not raised.
    """

    def __init__(self, gateway: str, rate: float, seed: int, clock: Clock, key: str = "") -> None:
        address = urlsplit(gateway)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._gap_s = 1 / rate
        self._clock = clock
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._requests = Requests(seed)
        self._lock = threading.Lock()
        self._due = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)]
        self.sent = Sent()

    def __enter__(self) -> Traffic:
        self._due = self._clock.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(ANSWER_S)

    def __repr__(self) -> str:
        return f"Traffic({self._host}:{self._port}, {self.sent.calls} calls)"

    def _work(self) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        while True:
            due, task, body = self._next()
            if self._over.wait(max(0.0, due - self._clock.monotonic())):
                break
            end = self._call(connection, body)
            with self._lock:
                self.sent.tasks[task] += 1
                self.sent.ends[end] += 1
        connection.close()

    def _next(self) -> tuple[float, str, bytes]:
        """When the next call is due, and what it is. Calls that are late are not caught up with."""
        with self._lock:
            self._due = max(self._due + self._gap_s, self._clock.monotonic())
            return self._due, *next(self._requests)

    def _call(self, connection: http.client.HTTPConnection, body: bytes) -> str:
        try:
            connection.request("POST", PATH, body, self._headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return "unreachable"
        if answer.status != OK:
            return _code(text) or str(answer.status)
        return "ok" if b"[DONE]" in text[-64:] else "broken off"


def _code(text: bytes) -> str:
    """The code of an error that the gateway answers with; empty of anything else."""
    try:
        code = json.loads(text)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return ""
    return code if isinstance(code, str) else ""
