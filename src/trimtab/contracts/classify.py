"""How far a model's engine holds its answers to a schema by itself.

Three things no grammar excludes are left out of account; they are faults of the text, which the validator finds: a name
that stands twice in an object, a number beyond a double, half a surrogate pair.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from trimtab.contracts import engine_anthropic, engine_vllm, strict
from trimtab.contracts.findings import Effect, Finding

__all__ = ["Classified", "Effect", "Engine", "Finding", "Grammar", "Kind", "classify"]

Engine = Literal["vllm", "openai", "anthropic", "other"]
Grammar = Literal["auto", "xgrammar", "guidance"]
Kind = Literal["native", "weakened", "validated"]
"""native: every answer that was not cut short is valid. weakened: the engine takes the schema, but an answer may break
a keyword of it or be no JSON. validated: the schema must not be sent; only the validator holds the answer to it."""

_MOST = 100


class Classified(Struct, frozen=True):
    """A schema for one engine. `findings` are ordered by path, 100 at most; those `refused` decide first."""

    kind: Kind
    findings: tuple[Finding, ...] = ()

    @property
    def sent(self) -> bool:
        """Whether the schema goes out with the request, in the engine's own form."""
        return self.kind != "validated"


def classify(schema: Any, engine: Engine, grammar: Grammar = "auto") -> Classified:
    """What becomes of a schema (as `compiling.read_schema` gives it) at an engine; `grammar` is that of a vLLM."""
    if engine == "vllm":
        found = list(
            {"auto": engine_vllm.auto, "xgrammar": engine_vllm.xgrammar, "guidance": engine_vllm.guidance}[grammar](
                schema
            )
        )
    elif engine == "openai":
        found = list(strict.findings(schema))
    elif engine == "anthropic":
        found = list(engine_anthropic.findings(schema))
    else:
        found = [
            Finding("", "", "refused", "nothing is known of what this engine does with schemas: name models.X.engine")
        ]
    if not isinstance(schema, dict):
        found.insert(0, Finding("", "", "refused", "an engine takes only a schema that is an object"))
    effects = {finding.effect for finding in found}
    kind: Kind = "validated" if "refused" in effects else "weakened" if "weakened" in effects else "native"
    unique = sorted(set(found), key=lambda finding: (finding.path, finding.keyword, finding.effect, finding.detail))
    return Classified(kind, _within(unique))


def _within(findings: list[Finding]) -> tuple[Finding, ...]:
    if len(findings) <= _MOST:
        return tuple(findings)
    worst = sorted(findings, key=lambda finding: ("refused", "weakened", "narrowed").index(finding.effect))[:_MOST]
    return tuple(sorted(worst, key=lambda finding: (finding.path, finding.keyword, finding.effect, finding.detail)))
