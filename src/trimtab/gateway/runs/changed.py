"""A call of a fork that is made with another model, sampling or prompt than its task declares.

It is an experiment: its record bears no lock, and is kept apart from the calls of its task.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import fields, replace

from trimtab.cost import meter
from trimtab.declare.changed import Change, for_step
from trimtab.declare.project import Sampling
from trimtab.errors import InvalidRequest, RunStopped
from trimtab.gateway import enforce
from trimtab.gateway.exchange import Exchange
from trimtab.policy.snapshot import PRODUCTION, TaskPolicy
from trimtab.record.purposes import FORK, apart

NO_ANSWER: Final = frozenset({"embeddings", "count_tokens", "passthrough"})
"""Surfaces whose calls a change for all steps is not meant for: they make no answer."""


class Changed(Struct, frozen=True):
    """What a call was made with, by the names of the changes, and which could not be, with why."""

    overrides: dict[str, str] = {}
    passed_over: dict[str, str] = {}


def change(exchange: Exchange, changes: Iterable[Change], label: str, run: str) -> Changed:
    """Makes the call of a step of that label with what is changed for it.

    Raises `RunStopped` where only what is locked is served, `InvalidRequest` for what is not declared any more or does
    not fit.
    """
    meant = for_step(changes, label, exchange.task.name)
    why = {one.name: _passed_over(exchange, one) for one in meant}
    taken = [one for one in meant if not why[one.name]]
    passed_over = {name: reason for name, reason in why.items() if reason}
    if taken:
        _take(exchange, taken, run)
    return Changed({one.name: one.value for one in taken}, passed_over)


def _passed_over(exchange: Exchange, one: Change) -> str:
    """Why a change cannot be of this call; empty where it can."""
    surface, task = exchange.surface.name, exchange.task.name
    if surface == "passthrough" or (surface in NO_ANSWER and (one.kind != "model" or not one.label)):
        return f"the call is of {surface}; LABEL.model changes the model of such a step"
    least, limit = exchange.asked.max_output_tokens, one.sampling.max_output_tokens
    if least is not None and limit is not None and least < limit:
        return f"the client asks for {least} tokens at most"
    if one.kind != "prompt":
        return ""
    if exchange.asked.inputs is None:
        return "its messages came whole from the client"
    return "" if task in one.prompts else f"task {task} has no prompt there"


def _take(exchange: Exchange, taken: list[Change], run: str) -> None:
    snapshot, task = exchange.snapshot, exchange.task
    if snapshot.environment == PRODUCTION and not snapshot.experiments:
        names = ", ".join(one.name for one in taken)
        detail = f"its fork changes {names}, and production serves only what is locked; set runs.experiments = true"
        raise RunStopped(run=run, detail=f"{detail} where that is meant")
    for one in taken:
        task = _changed_task(exchange, task, one)
    exchange.task = task
    exchange.snapshot = replace(snapshot, lock_id="")
    if any(one.kind == "prompt" for one in taken):
        exchange.prompt = enforce.render_prompt(exchange)
    _mark(exchange)


def _changed_task(exchange: Exchange, task: TaskPolicy, one: Change) -> TaskPolicy:
    if one.kind == "model":
        if one.model not in exchange.snapshot.models:
            raise InvalidRequest(detail=f"the fork asks for model {one.model}, which is not declared any more")
        return replace(task, models=(one.model,))
    if one.kind == "prompt":
        return replace(task, prompt=one.prompts[task.name])
    given = {field.name: getattr(one.sampling, field.name) for field in fields(Sampling)}
    return replace(
        task, sampling=replace(task.sampling, **{name: value for name, value in given.items() if value is not None})
    )


def _mark(exchange: Exchange) -> None:
    """The record says what was served: no lock, the prompt, the limit and the price of what is asked now."""
    exchange.purpose = FORK
    admitted, task, asked = exchange.admitted, exchange.task, exchange.asked
    if admitted is None:
        return
    limit, pinned = asked.max_output_tokens, task.sampling.max_output_tokens
    if pinned is not None:
        limit = pinned if limit is None else min(limit, pinned)
    rates = exchange.snapshot.rates.get(task.models[0])
    size = len(exchange.request.body)
    exchange.admitted = replace(
        admitted,
        task=apart(FORK, task.name),
        lock="",
        prompt=task.prompt.digest if task.prompt and asked.inputs is not None else admitted.prompt,
        max_output_tokens=limit,
        cost_bound_pusd=meter.bound(rates, size, limit, meter.day(exchange.at_ns)) if rates else None,
    )
