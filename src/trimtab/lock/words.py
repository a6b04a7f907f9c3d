"""How a difference between two locks is told: the thing, the field, what it was and what it is."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from trimtab.lock.lockfile import Section
from trimtab.lock.tree import Leaf, Path
from trimtab.lock.words_text import changed_words, quote

LONGEST: Final = 120
"""Characters of a value in a sentence."""
_DIGEST: Final = re.compile(r"(sha256:)?([0-9a-f]{12})(?:[0-9a-f]{28}|[0-9a-f]{52})")
_LONG_TEXT: Final = 120
"""Characters of two texts together that are not shown whole any more, but by the words that changed."""
_BY_WORDS: Final = frozenset({"description"})

_NOUNS: Final[dict[Section, dict[str, str]]] = {
    "prompts": {
        "sha256": "the prompt's file (sha256)",
        "inputs.*": 'the input "{}"',
        "includes.*": "the shared part {} (includes)",
        "tuned_on.*": 'the data set "{}" it was tuned on (tuned_on)',
    },
    "models": {
        "requested": "the model that is asked for (requested)",
        "resolved": "the model that is sent to its servers (resolved)",
        "endpoints.*": "the endpoint",
        "served.server": "the server's version (served.server)",
        "served.image": "the container image (served.image)",
        "served.environment.*": "the server's variable {} (served.environment)",
        "served.weights.*": "the weights {} (served.weights)",
        "served.chat_template": "the chat template (served.chat_template)",
        "served.chat_template.*": "the chat template's {} (served.chat_template)",
        "served.tokenizer": "the tokenizer (served.tokenizer)",
        "served.tokenizer.*": "the tokenizer's {} (served.tokenizer)",
        "trained_on.*": 'the training set "{}" (trained_on)',
        "adapter.trained_on.*": 'the adapter\'s training set "{}" (adapter.trained_on)',
        "passthrough.*": "the route that passes through (passthrough)",
        "identity.fingerprints.*": "the fingerprint (identity)",
        "identity.baseline": "the baseline of its identity (identity.baseline)",
    },
    "tools": {
        "implementation.source": "the source of its implementation (implementation.source)",
        "implementation.source.*": "the {} of the source of its implementation (implementation.source)",
        "implementation.package": "the package of its implementation (implementation.package)",
        "implementation.mcp": "the MCP server (implementation.mcp)",
        "golden.*": "the known answer {} (golden)",
        "golden.*.answer": "the answer of known call {} (golden)",
        "golden.*.arguments": "the arguments of known call {} (golden)",
        "golden.*.compare": "how known call {} is compared (golden)",
        "learned.shape": "the learned shape of its answers (learned.shape)",
        "learned.server": "what its MCP server says it is (learned.server)",
        "learned.definition": "its definition at the MCP server (learned.definition)",
    },
    "schemas": {
        "rules": "the version of the rules for classes (rules)",
        "support.*": "its class at model {} (support)",
        "support.*.class": "its class at model {} (support.class)",
        "support.*.findings.*": "what the engine of model {} does with it (support.findings)",
    },
    "checks": {
        "order": "the order of the checks (order)",
        "made.*": 'the check "{}"',
        "made.*.rule": 'the rule of the check "{}" (rule)',
        "made.*.on_failure": 'what becomes of an answer that the check "{}" does not pass (on_failure)',
        "made.*.judge.model": 'the judge of the check "{}" (judge.model)',
        "made.*.judge.question": 'the question of the check "{}" (judge.question)',
    },
    "packages": {
        "python": "the interpreter (python)",
        "dependencies.*": "the package lock {} (dependencies)",
        "templates.*": "what renders the prompts, {} (templates)",
    },
    "data": {
        "sha256": "the data (sha256)",
        "rows": "the number of rows (rows)",
        "parents.*": 'the parent "{}" (parents)',
        "transform": "what made it (transform)",
        "transform.*": "the {} of what made it (transform)",
    },
}
"""Nouns for fields, by the names on the way to them; `{}` is what the first `*` stands for, elements counted from 1."""
_REMARKS: Final[dict[tuple[Section, str], str]] = {
    ("tools", "description"): "the model sees this",
    ("policies", "tools"): "models see them in this order",
    ("policies", "fallback"): "they are tried in this order",
    ("models", "served.chat_template.*"): "every prompt is laid out by it",
    ("models", "served.tokenizer.*"): "tokens are counted by it",
    ("models", "identity.fingerprints.*"): "learned from its servers",
}


def sentence(section: Section, leaf: Leaf) -> str:
    """What differs at one place, without the name of the entry."""
    pattern, what = _noun(section, leaf.path)
    remark = _REMARKS.get((section, pattern), "")
    told = _told(what, leaf, by_words=pattern in _BY_WORDS)
    return f"{told} ({remark})" if remark else told


def show(value: Any) -> str:
    """A value in a sentence: JSON in one line, a digest by its beginning, cut where it is long."""
    if value is None:
        return "not set"
    if isinstance(value, str):
        digest = _DIGEST.fullmatch(value)
        return f"{digest[1] or ''}{digest[2]}..." if digest else quote(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 4]} ..."


def dotted(path: Path) -> str:
    """A place as people write it: "deadline.total_s", "fallback[1]"."""
    told = ""
    for part in path:
        told += f"[{part}]" if isinstance(part, int) else f".{part}" if told else part
    return "".join(sign if sign.isprintable() else " " for sign in told)[: 2 * LONGEST]


def _told(what: str, leaf: Leaf, *, by_words: bool) -> str:
    before, after = leaf.before, leaf.after
    if isinstance(before, str) and isinstance(after, str) and before != after and show(before) == show(after):
        return f"{what} is {after}, was {before}"
    if leaf.kind == "reordered":
        return f"{what} is reordered: {show(before)} -> {show(after)}"
    if leaf.kind == "added":
        return f"{what} is new: {show(after)}"
    if leaf.kind == "removed":
        return f"{what} is gone, was {show(before)}"
    if isinstance(before, str) and isinstance(after, str) and (by_words or len(before) + len(after) > _LONG_TEXT):
        if _DIGEST.fullmatch(before) and _DIGEST.fullmatch(after):
            return f"{what} changed ({show(before)} -> {show(after)})"
        return f"{what} changed: {changed_words(before, after)}"
    return f"{what} is {show(after)}, was {show(before)}"


def _noun(section: Section, path: Path) -> tuple[str, str]:
    """The pattern that a path has and the noun for it; a field without one is called by its place."""
    for pattern, noun in _NOUNS.get(section, {}).items():
        parts = pattern.split(".")
        if len(parts) == len(path) and all(_fits(part, step) for part, step in zip(parts, path, strict=True)):
            stars = [step for part, step in zip(parts, path, strict=True) if part == "*"]
            return pattern, noun.format(*(step + 1 if isinstance(step, int) else quote(step)[1:-1] for step in stars))
    return ".".join("*" if isinstance(step, int) else step for step in path), dotted(path)


def _fits(part: str, step: str | int) -> bool:
    return part in {"*", step}
