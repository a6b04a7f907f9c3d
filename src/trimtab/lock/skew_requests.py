"""What requests say themselves of sampling and tools, counted over a sample of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from trimtab.lock.skew_live import SMALL_LIMIT, Sampled, definition_digest

FIELDS: Final = {
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_output_tokens"), SMALL_LIMIT),
    **{name: name for name in ("temperature", "top_p", "seed", "stop", "top_k", "min_p", "n", "logit_bias")},
    **{name: name for name in ("presence_penalty", "frequency_penalty", "repetition_penalty")},
    **{name: name for name in ("reasoning_effort", "reasoning", "thinking")},
    "stop_sequences": "stop",
}
"""The fields of the surfaces that bear on sampling, and what a lock calls them."""
MAX_BYTES: Final = 4 << 20
"""A larger request is not looked at."""
MAX_VALUES: Final = 20
"""Values of one field that are told apart, and tools of one task times ten; later ones count as `OTHER`."""
OTHER: Final = "(other)"
MAX_CHARACTERS: Final = 80
MAX_NAME: Final = 64
_decode: Final = msgspec.json.Decoder().decode


class RequestSample:
    """Counts what the requests of one task say."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._requests = 0
        self._sampling: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tools: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, body: bytes) -> bool:
        """Looks at a request as its body was kept, whole or as a preview; False for what is no JSON object of one."""
        if len(body) > MAX_BYTES:
            return False
        try:
            request = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        is_whole = not (isinstance(request, dict) and request.get("redaction") == "preview")
        request = request if is_whole else request.get("body")
        if not isinstance(request, dict):
            return False
        self._requests += 1
        for field, value in {FIELDS[name]: value for name, value in request.items() if name in FIELDS}.items():
            if value is not None:
                _count(self._sampling[field], _text(value), MAX_VALUES)
        for name, digest in dict(_offered(request.get("tools"), is_whole=is_whole)).items():
            place = name if name in self._tools or len(self._tools) < 10 * MAX_VALUES else OTHER
            _count(self._tools[place], digest, MAX_VALUES)
        return True

    def sampled(self) -> Sampled:
        """The counts so far."""
        sampling = {field: dict(values) for field, values in sorted(self._sampling.items())}
        return Sampled(
            self._task, self._requests, sampling, {name: dict(of) for name, of in sorted(self._tools.items())}
        )

    def __repr__(self) -> str:
        return f"RequestSample({self._task}, {self._requests} requests)"


def _offered(tools: Any, *, is_whole: bool) -> Iterator[tuple[str, str]]:
    """The tools that a request offers, in the forms of all surfaces, with the digests of their definitions."""
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, Mapping):
            continue
        inner = tool.get("function")
        function = inner if isinstance(inner, Mapping) else tool
        name = function.get("name") or tool.get("type")
        if isinstance(name, str):
            schema = function.get("parameters", function.get("input_schema"))
            description = function.get("description", "")
            whole = is_whole and isinstance(description, str)
            yield name[:MAX_NAME], definition_digest(description, schema) if whole else ""


def _count(counts: Counter[str], value: str, most: int) -> None:
    counts[value if value in counts or len(counts) < most else OTHER] += 1


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
