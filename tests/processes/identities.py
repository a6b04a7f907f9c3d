"""A model's server in a few lines: what it answers to probes, and how it may change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from trimtab.declare.project import Model
from trimtab.lock.identity import unpinned
from trimtab.lock.identity_baseline import digest, encode, place
from trimtab.lock.identity_rungs import Pinned
from trimtab.lock.lockfile import Lock, entry, lock
from trimtab.processes.identity_learn import Learned

REPLICA = "http://10.0.0.1:8000"
MODEL = Model("small", "org/small", (REPLICA,), engine="vllm", identity_s=3600.0)
ANSWER_S = 0.01
WORDS = ("alpha", "beta", "gamma", "delta")


@dataclass
class Server:
    """Answers chats greedily with fixed log-probabilities, `shift` away from the first model's.

    `noise` is the standard deviation of each log-probability, `takes` says whether it takes a request, `down` that
    nothing answers, `busy` for how many requests it is too busy.
    """

    shift: float = 0.0
    noise: float = 0.0
    top: int = 4
    version: str = "0.32.0"
    root: str = "org/small"
    named: str = "org/small"
    fingerprint: str | None = "vllm-1"
    down: bool = False
    busy: int = 0
    takes: Callable[[dict[str, Any]], bool] = lambda asked: True
    random: Random = field(default_factory=lambda: Random(1))
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, model: Model, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        await asyncio.sleep(ANSWER_S)
        if self.down:
            raise ConnectionError("connection refused")
        asked = json.loads(body)
        self.asked.append({"url": url, "path": path, **asked})
        if self.busy:
            self.busy -= 1
            return 503, b'{"error": "busy"}'
        if not self.takes(asked):
            return 400, b'{"error": "unknown field"}'
        return 200, json.dumps(self._message(asked) if path == "/v1/messages" else self._chat(asked)).encode()

    async def fetch(self, model: Model, url: str, path: str) -> tuple[int, bytes]:
        if self.down:
            raise ConnectionError("connection refused")
        told = {
            "/version": {"version": self.version},
            "/v1/models": {"data": [{"id": model.served_name, "root": self.root, "max_model_len": 2048}]},
        }
        return (200, json.dumps(told[path]).encode()) if path in told else (404, b"")

    def _chat(self, asked: dict[str, Any]) -> dict[str, Any]:
        tokens = [self._token(place) for place in range(min(3, asked.get("max_tokens") or 3))]
        return {
            "model": self.named,
            "system_fingerprint": self.fingerprint,
            "choices": [
                {
                    "message": {"content": self._text(asked)},
                    "finish_reason": "length",
                    "logprobs": {"content": tokens} if asked.get("logprobs") and self.top else None,
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": len(tokens), "total_tokens": 10 + len(tokens)},
        }

    def _message(self, asked: dict[str, Any]) -> dict[str, Any]:
        usage = {"input_tokens": 10, "output_tokens": 3}
        return {"model": self.named, "content": [{"type": "text", "text": self._text(asked)}], "usage": usage}

    def _text(self, asked: dict[str, Any]) -> str:
        return " ".join(self.random.choices(WORDS, k=4)) if asked.get("temperature", 1) else "alpha beta"

    def _token(self, place: int) -> dict[str, Any]:
        values = [-0.3 - 1.3 * at + self.shift + self.random.gauss(0, self.noise) for at in range(self.top or 1)]
        ranked = [{"token": f"t{place}{at}", "logprob": value} for at, value in enumerate(values)]
        return {**ranked[0], "top_logprobs": ranked}


def locked(root: Any, learned: Learned, name: str = "small") -> tuple[Lock, Pinned]:
    """A lock with what was learned, its baseline written into the project's folder."""
    data = encode(learned.baseline)
    path = place(root, digest(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    identity = Pinned(learned.fingerprints, learned.baseline.server.version, learned.served_model, digest(data))
    pins = {"requested": "org/small", "resolved": "org/small", "identity": unpinned(identity)}
    return lock([entry("models", name, pins)]), identity
