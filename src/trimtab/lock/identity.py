"""Whether a model is still the one that was locked: a ladder of comparisons, the strongest first, and when to alarm.

server        what a self-hosted server tells of itself, and the model that an answer names. A difference is a hit.
exact         greedy answers of a server that answers alike under load: tokens and log-probabilities, to rounding.
first_token   one-token answers: a permutation test on the mean log-probability of each token.
texts         sampled answers of a server that tells no log-probabilities: maximum mean discrepancy of strings.
fingerprints  `system_fingerprint` as a set. Of a vLLM it is its configuration, and a new one a hit; hosted services
              show several for one model, so there a new one only has more asked.

One hit makes a replica suspected, the next in a row an alarm: `follow`. What that costs in false alarms is worked out
in `docs/drift.md` from `ALPHA` and the sizes below.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final, Literal

from msgspec import Struct

from trimtab.lock.identity_baseline import Baseline, Server
from trimtab.lock.identity_probes import EXACT, FIRST, TEXT, Probe
from trimtab.lock.identity_rungs import (
    FIRST_SAMPLES,
    RUNGS,
    TEXT_SAMPLES,
    Answers,
    Finding,
    Pinned,
    exact_finding,
    fingerprint_finding,
    first_token_finding,
    server_finding,
    texts_finding,
)

State = Literal["unknown", "same", "suspected", "changed"]
MORE: Final = 3
"""How many times as many answers are asked for once a fingerprint is new."""
HITS: Final = 2
"""So many in a row are an alarm."""
MAX_FINGERPRINTS: Final = 64
"""Kept of one model."""


class Check(Struct, frozen=True):
    """One check of one replica: what each rung found, strongest first."""

    findings: tuple[Finding, ...]

    @property
    def hit(self) -> Finding | None:
        """The strongest rung's hit, if there is one."""
        return next((one for one in self.findings if one.hit), None)

    @property
    def wants_more(self) -> bool:
        """Whether a fingerprint is new although nothing else differs."""
        return self.hit is None and any(one.soft for one in self.findings)


class Standing(Struct, frozen=True):
    """Where a replica stands: how many hits it had in a row, when it was last checked and since when it is so (ns)."""

    state: State = "unknown"
    hits: int = 0
    checked_ns: int = 0
    since_ns: int = 0
    rung: str = ""
    before: str = ""
    after: str = ""
    detail: str = ""


class Turn(Struct, frozen=True):
    """That a replica's state turned: an alarm, or that the locked model is back."""

    before: str
    after: str
    detail: str


def pinned(entry: Mapping[str, Any]) -> Pinned:
    """What a `models/NAME` entry says was learned; nothing where it is of another form."""
    told = entry.get("identity")
    if not isinstance(told, Mapping):
        return Pinned()
    words = {name: told.get(name) for name in ("server_version", "served_model", "baseline")}
    fingerprints = told.get("fingerprints")
    return Pinned(
        tuple(one for one in fingerprints if isinstance(one, str)) if isinstance(fingerprints, list | tuple) else (),
        **{name: value for name, value in words.items() if isinstance(value, str)},
    )


def unpinned(identity: Pinned) -> dict[str, Any]:
    """What was learned as it stands in a lock."""
    return {
        "fingerprints": sorted(identity.fingerprints)[:MAX_FINGERPRINTS],
        "server_version": identity.server_version,
        "served_model": identity.served_model,
        "baseline": identity.baseline,
    }


def compares_exactly(baseline: Baseline) -> bool:
    """Whether answers are compared with their log-probabilities, so that no statistical test could see more."""
    return any(one.logprobs for one in baseline.exact)


def wants_probabilities(baseline: Baseline) -> bool:
    """Whether answers without log-probabilities cannot be compared with it."""
    return bool(baseline.first) or compares_exactly(baseline)


def questions(baseline: Baseline, times: int = 1) -> list[Probe]:
    """What one check asks, each question as often as it is to be answered."""
    kept = {one.prompt for one in baseline.exact}
    exact = [probe for probe in EXACT if probe.prompt in kept]
    if compares_exactly(baseline):
        return exact
    asked, samples = (FIRST, FIRST_SAMPLES) if baseline.first else (TEXT, TEXT_SAMPLES if baseline.texts else 0)
    return [*exact, *[probe for _ in range(samples * times) for probe in asked]]


def check(
    baseline: Baseline, identity: Pinned, server: Server, answers: Answers, random: Random, *, self_hosted: bool
) -> Check:
    """Holds what a replica tells and answers against what was locked. `self_hosted` makes fingerprints hard."""
    readings = [reading for told in answers.values() for reading in told]
    found = [server_finding(baseline, identity, server, readings)]
    if baseline.exact:
        found.append(exact_finding(baseline, answers))
    if baseline.first and not compares_exactly(baseline):
        found.append(first_token_finding(baseline.first, answers, random))
    elif baseline.texts and not compares_exactly(baseline):
        found.append(texts_finding(baseline, answers, random))
    found.append(fingerprint_finding(identity, readings, self_hosted=self_hosted))
    order = [RUNGS.index(one.rung) for one in found]
    return Check(tuple(one for _, one in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])))


def follow(standing: Standing, found: Check, at_ns: int) -> tuple[Standing, Turn | None]:
    """Where a replica stands after a check, and whether its state turned: to an alarm after `HITS` hits in a row, and
    back once a check finds the locked model again."""
    hit = found.hit
    if hit is None:
        since_ns = standing.since_ns if standing.state == "same" else at_ns
        strongest = next((one for one in found.findings if one.p is not None or one.rung == "exact"), found.findings[0])
        after = Standing("same", 0, at_ns, since_ns, strongest.rung, detail=strongest.detail)
        if standing.state != "changed":
            return after, None
        return after, Turn(standing.after, standing.before, "the locked model answers again")
    hits = min(standing.hits + 1, HITS)
    state: State = "changed" if standing.state == "changed" or hits >= HITS else "suspected"
    since_ns = standing.since_ns if standing.state == state else at_ns
    now = Standing(state, hits, at_ns, since_ns, hit.rung, hit.before, hit.after, hit.detail)
    is_turn = state == "changed" and standing.state != "changed"
    return now, Turn(hit.before, hit.after, f"{hit.rung}: {hit.detail}") if is_turn else None
