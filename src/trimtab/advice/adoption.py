"""A task proposed for calls that belong to none: each value with how many calls it comes from.

Limits leave room above what was seen, so that they hold no call up that went well; goals are a little better than what
was seen. What was seen too seldom is not proposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trimtab.advice.contract import CUT, completion, output, tools
from trimtab.advice.draft import Draft, by_count
from trimtab.advice.naming import task_name
from trimtab.advice.rounding import at_least, at_most, duration, share_at_least, tokens_at_least
from trimtab.advice.seen import Facts, Proposal, ProposedFile, cluster_id
from trimtab.advice.toml_text import Setting, inline, listed, minute, quoted, words, written
from trimtab.errors import TrimtabError
from trimtab.store.histograms import Histogram, quantile, size
from trimtab.store.outcomes import succeeded
from trimtab.store.undeclared import Cluster

MIN_CALLS: Final = 100
"""A p99 needs as many: then one call lies beyond it."""
MIN_GOAL: Final = 20
"""The same for a p95."""
TOKEN_MARGIN: Final = 1.5
LEAST_TOKENS: Final = 64
MOST_CUT: Final = 0.05
"""Above this share of answers that ran into their limit, the length that they need is not known."""
BETTER: Final = 0.95
"""Goals on times are this part of what was seen, rounded down."""
MICRO: Final = 1e6
MOST_SIZED: Final = 10_000_000
"""The largest limit on tokens that a task may declare."""
MOST_NAMED: Final = 8


class CannotPropose(TrimtabError):
    """{detail}."""


@dataclass(frozen=True)
class Margin:
    """How a deadline is made of a spread's p99: times `margin`, never below `least_s`."""

    spread: str
    margin: float
    least_s: float


DEADLINES: Final = {
    "first_token": Margin("ttft", 3.0, 2.0),
    "gap": Margin("gap", 3.0, 2.0),
    "total": Margin("total", 2.0, 5.0),
}
GOALS: Final = {"ttft_p95": ("ttft", 0.95), "tpot_p95": ("tpot", 0.95), "total_p99": ("total", 0.99)}


def propose(cluster: Cluster, facts: Facts, name: str = "") -> Proposal:
    """The task that a cluster's calls could be, called `name` or after what it does.

    Raises `CannotPropose` for too few calls, a name that is taken, and calls for a model that is not declared.
    """
    check(cluster, facts, name)
    task = name or task_name(facts.system_prompt, cluster.keys, cluster.asked, facts.taken)
    draft = Draft()
    _begin(draft, cluster, facts, task)
    _match(draft, cluster, facts, task)
    _limits(draft, cluster, facts)
    _goals(draft, cluster)
    draft.say(
        f"retry = {inline({'attempts': str(facts.attempts)})}",
        "Tries of one call over all replicas, as undeclared calls have today.",
    )
    has_schema = output(draft, facts, task)
    tools(draft, cluster, facts)
    completion(draft, cluster, has_schema=has_schema)
    if draft.left_out:
        draft.settings.append(Setting(["Not proposed:", *(f"- {one}" for one in draft.left_out)]))
    files = (ProposedFile(f"tasks/{task}/task.toml", written(draft.settings)), *draft.files)
    name_of = cluster_id(cluster.system_prompt, cluster.tools)
    return Proposal(name_of, task, cluster.calls, cluster.first_ns, cluster.last_ns, files, tuple(draft.left_out))


def check(cluster: Cluster, facts: Facts, name: str = "") -> None:
    """Raises `CannotPropose` where nothing can be proposed."""
    if facts.task:
        raise CannotPropose(detail=f"such calls belong to task {facts.task} by now; see `trimtab report`")
    if cluster.calls < MIN_CALLS:
        detail = f"there are {cluster.calls} such calls in this window, and limits need {MIN_CALLS}"
        raise CannotPropose(detail=f"{detail}; wait for {MIN_CALLS - cluster.calls} more, or look further back")
    if name and name in facts.taken:
        raise CannotPropose(detail=f"{words(name)} is the name of a task or model already; give another --name")
    if not any(one in facts.models for one in cluster.asked):
        asked = ", ".join(words(one, 40) for one in by_count(cluster.asked)[:3])
        raise CannotPropose(detail=f"no model of the project answers to {asked}; declare it in trimtab.toml first")


def _begin(draft: Draft, cluster: Cluster, facts: Facts, task: str) -> None:
    n = f"{cluster.calls:,}"
    draft.settings.append(
        Setting(
            (
                f"Task {task}, proposed by `trimtab adopt` from {n} calls that belonged to no task, "
                f"{minute(cluster.first_ns)} to {minute(cluster.last_ns)} (UTC). Each comment says what a value comes "
                "from; change what you know better.",
            )
        )
    )
    models: dict[str, int] = {}
    for asked, count in cluster.asked.items():
        if asked in facts.models:
            models[facts.models[asked]] = models.get(facts.models[asked], 0) + count
    model, *others = by_count(models)
    says = [f"{models[model]:,} of {n} calls asked for it."]
    if others:
        rest = ", ".join(f"{words(one, 40)} ({models[one]:,})" for one in others[:MOST_NAMED])
        says.append(f"The others asked for {rest}: from now on they get this model too.")
    draft.say(f"model = {quoted(model)}", *says)
    draft.say('# owner = ""', "Who answers for the task: nobody yet. Write a name.")
    streamed = cluster.streamed * 2 > cluster.calls
    draft.say(
        f"class = {quoted('interactive' if streamed else 'background')}",
        f"{cluster.streamed:,} of {n} calls were streamed.",
    )
    draft.say(f"redaction = {quoted(facts.redaction)}", "What is kept of bodies: as of undeclared calls today.")


def _match(draft: Draft, cluster: Cluster, facts: Facts, task: str) -> None:
    if cluster.system_prompt:
        says = [f"The system prompt that all {cluster.calls:,} calls have."]
        if facts.system_prompt:
            says = [f"{says[0][:-1]}: {words(facts.system_prompt, 200)}"]
        if facts.siblings:
            kinds = "1 other kind" if facts.siblings == 1 else f"{facts.siblings} other kinds"
            says.append(f"{kinds} of calls, with other tools, have it too and become part of this task.")
        draft.say(f"match = {inline({'system_prompt': quoted(cluster.system_prompt)})}", *says)
        return
    keys = [key for key in by_count(cluster.keys) if key and key not in facts.claimed_keys]
    if keys:
        says = ["These calls have no system prompt: the keys they came with tell them apart."]
        shared = [key for key in keys if key in facts.shared_keys]
        if shared:
            named = ", ".join(words(key, 40) for key in shared[:MOST_NAMED])
            says.append(f"All other calls that no task claims go with them, of {named}.")
        draft.say(f"match = {inline({'keys': listed(keys)})}", *says)
        return
    why = "they have no system prompt, and no key of their own"
    draft.leave_out(f'how calls are mapped to the task: {why}. Have clients ask for model = "{task}".')


def _limits(draft: Draft, cluster: Cluster, facts: Facts) -> None:
    limit = _token_limit(draft, cluster, facts)
    if limit:
        draft.say(f"sampling = {inline({'max_output_tokens': str(limit[0])})}", limit[1])
    deadlines, says = {}, []
    for key, margin in DEADLINES.items():
        spread = cluster.spreads.get(margin.spread, {})
        p99 = quantile(spread, 0.99)
        if p99 is None or size(spread) < MIN_CALLS:
            continue
        deadlines[key] = max(at_least(p99 / MICRO * margin.margin), margin.least_s)
        least = f", and at least {margin.least_s:g} s" if deadlines[key] == margin.least_s else ""
        says.append(f"{key}: p99 {_told(p99)} of {size(spread):,} calls, times {margin.margin:g}{least}.")
    if "total" in deadlines:
        deadlines["total"] = max(deadlines.values())
    if deadlines:
        draft.say(f"deadline = {inline({key: quoted(duration(one)) for key, one in deadlines.items()})}", *says)
    else:
        draft.leave_out(f"deadlines: fewer than {MIN_CALLS} calls have these times. Adopt again after more.")


def _token_limit(draft: Draft, cluster: Cluster, facts: Facts) -> tuple[int, str] | None:
    """The limit on output tokens, and what it comes from. No complete answer that was seen is longer."""
    answers = size(cluster.spreads.get("output", {}))
    cut = cluster.finish_reasons.get(CUT, 0)
    if answers and cut > MOST_CUT * answers:
        draft.leave_out(
            f"sampling.max_output_tokens: {cut:,} of {answers:,} answers ran into the limit they came with, so "
            "how long they would be is not known."
        )
        return None
    lengths: Histogram = facts.complete if cut else cluster.spreads.get("output", {})
    p99 = quantile(lengths, 0.99)
    if p99 is None or size(lengths) < MIN_CALLS:
        draft.leave_out(
            f"sampling.max_output_tokens: the length of {size(lengths):,} complete answers is known, and a limit needs "
            f"{MIN_CALLS}."
        )
        return None
    limit = tokens_at_least(max(p99 * TOKEN_MARGIN, cluster.largest_output, LEAST_TOKENS))
    if limit > MOST_SIZED:
        return None
    says = f"p99 {p99:,.0f} tokens of {size(lengths):,} complete answers, times {TOKEN_MARGIN:g}; "
    says += f"the longest answer had {cluster.largest_output:,}"
    return limit, f"{says} ({cut:,} were cut, and are not in the p99)." if cut else f"{says}."


def _goals(draft: Draft, cluster: Cluster) -> None:
    goals, says = {}, []
    for name, (measure, level) in GOALS.items():
        spread = cluster.spreads.get(measure, {})
        seen = quantile(spread, level)
        if seen is None or size(spread) < (MIN_GOAL if level < 0.99 else MIN_CALLS):
            continue
        goals[name] = quoted(duration(at_most(seen / MICRO * BETTER)))
        says.append(f"{name}: {_told(seen)} seen of {size(spread):,} calls.")
    well = succeeded(cluster.outcomes)
    if well.n >= MIN_CALLS:
        goals["success"] = f"{share_at_least(well.of / well.n, well.n):g}"
        says.append(f"success: {well.of:,} of {well.n:,} calls.")
    if goals:
        says.append("Goals are a little better than what was seen; success only as far as so many calls can show it.")
        draft.say(f"objective = {inline(goals)}", *says)


def _told(micros: float) -> str:
    seconds = micros / MICRO
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
