"""Reads the Prometheus text format and OpenMetrics, of which it wants few names, from a server that may send anything.

Only lines whose metric has one of the wanted prefixes are looked at, each once and in time proportional to its length;
no more than `MAX_SAMPLES` of them, and no longer ones than `MAX_LINE`. What is malformed is counted. What is not a
finite number of 0 or more is left out: nothing that is wanted can be less, and a figure that is not known is not 0.
Timestamps and exemplars are passed over.

Formats: prometheus.io "Exposition formats" (text 0.0.4), OpenMetrics 1.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple

MAX_LINE: Final = 8192
MAX_SAMPLES: Final = 50_000

_LABELS: Final = re.compile(rb'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}')
_LABEL: Final = re.compile(rb'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|\Z)[ \t]*')
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED: Final = {b"n": b"\n", b'"': b'"', b"\\": b"\\"}
_NUMBER: Final = re.compile(
    rb"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[Nn]a[Nn]|[Ii]nf)"
)


class Sample(NamedTuple):
    """One finite value of a series."""

    name: str
    labels: Mapping[str, str]
    value: float


class Exposition(NamedTuple):
    """The wanted samples, how many lines were malformed, and whether there were more than are read."""

    samples: tuple[Sample, ...]
    malformed: int = 0
    is_cut: bool = False


class Wanted:
    """Which metrics are read: those whose names begin with one of some prefixes. Buckets of histograms are not."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        begins = b"|".join(re.escape(prefix.encode()) for prefix in sorted(prefixes, key=len, reverse=True))
        name = rb"^((?:" + begins + rb")[a-zA-Z0-9_:]{0,200}+)(?<!_bucket)(?<!_created)"
        self._line = re.compile(name + rb"([{ \t][^\n]{0,%d})\r?$" % MAX_LINE, re.MULTILINE)

    def read(self, data: bytes) -> Exposition:
        """The samples in an exposition; never raises."""
        samples: list[Sample] = []
        malformed = 0
        lines = list(islice(self._line.finditer(data), MAX_SAMPLES + 1))
        for line in lines[:MAX_SAMPLES]:
            found = _sample(line[1].decode("ascii"), line[2])
            if found is None:
                malformed += 1
            elif math.isfinite(found.value) and found.value >= 0:
                samples.append(found)
        return Exposition(tuple(samples), malformed, len(lines) > MAX_SAMPLES)


def _sample(name: str, rest: bytes) -> Sample | None:
    labels: dict[str, str] | None = {}
    rest = rest.strip()
    if rest.startswith(b"{"):
        braced = _LABELS.match(rest)
        labels = _labels(braced[1]) if braced is not None else None
        if braced is None or labels is None:
            return None
        rest = rest[braced.end() :]
    said = rest.split(b"#", 1)[0].split()
    if labels is None or not 1 <= len(said) <= 2 or not all(map(_NUMBER.fullmatch, said)):
        return None
    return Sample(name, labels, float(said[0]))


def _labels(text: bytes) -> dict[str, str] | None:
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        label = _LABEL.match(text, place)
        name = label[1].decode("ascii") if label is not None else ""
        if label is None or name in found:
            return None
        value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[0]), label[2])
        found[name] = value.decode("utf-8", "replace")
        place = label.end()
    return found
