"""The facts of a call: what it came to, what belongs to it, and what a context strategy left of its messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.page import Asked, Given
from trimtab.console.pages.calls import call_place, cost, when
from trimtab.console.text import short
from trimtab.console.window import MINUTE_NS, between
from trimtab.record.events import ContextUse, Settled

AROUND_NS = 360 * MINUTE_NS
"""How far around a call others are looked for that belong to it."""


@dataclass(frozen=True)
class Fact:
    """A word and what it says; `href` leads to what lies behind it."""

    word: str
    value: str | Markup
    href: str = ""


def around(asked: Asked, call: Settled, **filters: Given) -> str:
    """The address of calls like this one, from six hours before it to six hours after."""
    window = between(max(0, call.admitted.at_ns - AROUND_NS), call.at_ns + AROUND_NS)
    return asked.to("/calls", **{"range": None, **window.query, **filters})


def summary(asked: Asked, call: Settled) -> tuple[Fact, ...]:
    """What it came to."""
    admitted = call.admitted
    found = [
        Fact("ended", when(asked, call.at_ns)),
        Fact("task", admitted.task, asked.task(admitted.task)),
        Fact("model", call.model or admitted.model),
        Fact("in all", written.duration(call.total_s)),
        Fact("first token", written.duration(call.ttft_s)),
        Fact("per token", written.duration(call.tpot_s)),
        Fact("longest gap", written.duration(call.longest_gap_s)),
        Fact("finish", short(call.finish_reason, 40) or written.NOTHING),
        Fact(f"{call.cost_label} cost", cost(call.cost_pusd, call.cost_label)),
    ]
    if call.paused_s:
        found.append(Fact("paused for the client", written.duration(call.paused_s)))
    return tuple(found)


def belongings(asked: Asked, call: Settled) -> tuple[Fact, ...]:
    """What it belongs to and what it was made with."""
    admitted = call.admitted
    conversation = f"/conversations/{quote(admitted.conversation, safe='', errors='replace')}"
    facts = [
        Fact("call", admitted.call),
        Fact("conversation", admitted.conversation, asked.to(conversation) if admitted.conversation else ""),
        Fact("run", admitted.run, around(asked, call, run=admitted.run)),
        Fact("step", admitted.step),
        Fact("parent", admitted.parent, call_place(asked, admitted.parent) if admitted.parent else ""),
        Fact("sends again", admitted.redrive_of, call_place(asked, admitted.redrive_of) if admitted.redrive_of else ""),
        Fact("end user", admitted.end_user, around(asked, call, end_user=admitted.end_user)),
        Fact("key", admitted.key, around(asked, call, key=admitted.key)),
        Fact("owner", admitted.owner),
        Fact("environment", admitted.environment),
        Fact("prompt", admitted.prompt, around(asked, call, prompt=admitted.prompt)),
        Fact("lock", admitted.lock, around(asked, call, lock=admitted.lock)),
        Fact("snapshot", admitted.snapshot),
        Fact("schema", admitted.schema),
        Fact("system prompt", admitted.system_prompt),
        Fact("tools", admitted.tools),
        Fact("trace", admitted.trace_id),
        Fact("parent span", admitted.parent_span),
        Fact("asked by", f"{admitted.surface}{', streamed' if admitted.stream else ''}"),
        Fact("spoken to the replica", call.wire),
        Fact("replica", call.replica),
        Fact("first tried", call.first_model),
        Fact("model as the server tells it", call.upstream_model),
        Fact("answer's id", call.upstream_id),
        Fact("fingerprint", call.system_fingerprint),
        Fact("retrieved", ", ".join(admitted.retrieval_ids[:20])),
        Fact("worker", admitted.worker),
        Fact("admitted", written.absolute(admitted.at_ns, asked.zone)),
        Fact("settled", written.absolute(call.at_ns, asked.zone)),
    ]
    return tuple(fact for fact in facts if fact.value)


def context_facts(asked: Asked, used: ContextUse | None) -> tuple[Fact, ...]:
    """What the context strategy did to the messages; nothing where there is none."""
    if used is None:
        return ()
    facts = [
        Fact("strategy", used.strategy),
        Fact("messages that came", written.exact(used.messages)),
        Fact("dropped", written.exact(used.dropped)),
        Fact("tokens kept", written.exact(used.tokens)),
        Fact("tokens dropped", written.exact(used.dropped_tokens)),
        Fact("counted by", "the model's tokenizer" if used.counted == "tokenizer" else "an estimate"),
        Fact("kept", kept_words(used.kept)),
        Fact("summary of the rest", used.summary, call_place(asked, used.summary) if used.summary else ""),
    ]
    if used.summary_failed:
        facts.append(Fact("summary", "there was to be one, and it failed"))
    return tuple(fact for fact in facts if fact.value)


def kept_words(kept: Sequence[int]) -> str:
    """The ranges of messages that stayed, counted from 1: `1, 8-12`."""
    told = []
    for begin, end in zip(kept[::2], kept[1::2], strict=False):
        told.append(f"{begin + 1}" if end == begin + 1 else f"{begin + 1}-{end}")
    return f"messages {', '.join(told)}" if told else ""
