"""What a proposed task says of its answers: their schema, its tools, and when its work is done."""

from __future__ import annotations

import json
from typing import Final

from trimtab.advice.draft import Draft, by_count, json_text
from trimtab.advice.inferred import LEAST_ANSWERS, agreeing, infer
from trimtab.advice.seen import Facts, ProposedFile
from trimtab.advice.toml_text import inline, listed, quoted
from trimtab.store.undeclared import Cluster

CUT: Final = "length"
"""How an answer ends that ran into its limit on tokens."""
NEARLY_ALL: Final = 0.95


def output(draft: Draft, facts: Facts, task: str) -> bool:
    """The schema of answers; whether there is one."""
    asked = agreeing(facts.schemas.items(), facts.bodies)
    inferred = None if asked else infer(facts.answers.values)
    if asked:
        text, n = json_text(json.loads(asked)), facts.schemas[asked]
        says = [f"{n:,} of {facts.bodies:,} calls that were read asked for answers by this schema."]
    elif inferred is not None and len(facts.answers.values) >= NEARLY_ALL * facts.answers.read:
        text = json_text(inferred)
        says = [
            f"Inferred from {len(facts.answers.values):,} answers, not declared by anybody: read it before you rely on "
            "it. An engine that takes schemas is held to it."
        ]
    else:
        draft.leave_out(_no_schema(facts))
        return False
    says.append('"pass" only notes what breaks it; "repair" or "reject" when you trust it.')
    draft.files.append(ProposedFile(f"tasks/{task}/output.schema.json", text))
    draft.say(f"output = {inline({'schema': quoted('output.schema.json'), 'on_invalid': quoted('pass')})}", *says)
    return True


def _no_schema(facts: Facts) -> str:
    if facts.redaction != "full":
        return (
            f'the schema of answers: of undeclared calls bodies are not kept whole (redaction "{facts.redaction}"). '
            f'Write undeclared_redaction = "full" under [defaults] in trimtab.toml, and adopt after {LEAST_ANSWERS} '
            "more calls."
        )
    found, read = len(facts.answers.values), facts.answers.read
    if found < LEAST_ANSWERS or found < NEARLY_ALL * read:
        return (
            f"the schema of answers: {found:,} of {read:,} answers that were read are JSON; "
            f"{LEAST_ANSWERS} are needed, and nearly all."
        )
    return f"the schema of answers: the {found:,} answers that were read do not agree on their fields."


def tools(draft: Draft, cluster: Cluster, facts: Facts) -> None:
    """The tools that requests bring."""
    if not cluster.tools:
        return
    if not facts.tools:
        why = (
            "no request was kept whole"
            if facts.redaction != "full"
            else "none of the requests that were read tell them"
        )
        draft.leave_out(
            f"tools: the calls bring some, but {why}. They are found with "
            'undeclared_redaction = "full" under [defaults] in trimtab.toml.'
        )
        return
    for tool in facts.tools:
        content = {"description": tool.description, "input_schema": tool.input_schema, "effect": "write"}
        text = json_text(content)
        draft.files.append(ProposedFile(f"tools/{tool.name}.json", text))
    draft.say(
        f"tools = {listed([tool.name for tool in facts.tools])}",
        "The tools that requests bring. What calling one twice does is not known, so each has "
        '"effect": "write"; change it to "read" or "idempotent" where that is so.',
    )


def completion(draft: Draft, cluster: Cluster, *, has_schema: bool) -> None:
    """When the work of a run counts as done."""
    ends = {reason: count for reason, count in cluster.finish_reasons.items() if reason not in (CUT, "tool_calls")}
    conditions = ["outcome == 'ok'"]
    says = ["When the work of a run counts as done: its last call was answered"]
    if has_schema:
        conditions.append("verdict == 'valid'")
        says.append("by the schema")
    elif cluster.tools or cluster.with_tool_calls:
        conditions.append("tool_calls == 0")
        says.append("without another tool call")
    elif ends and (reason := by_count(ends)[0]).isidentifier():
        conditions.append(f"finish_reason == '{reason}'")
        says.append(f"to its end ({ends[reason]:,} of {cluster.calls:,} answers)")
    rule = " and ".join(conditions)
    draft.say(
        f"completion = {inline({'rule': quoted(rule)})}",
        " ".join(says) + ". Say better what done means where you can.",
    )
