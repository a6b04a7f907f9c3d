"""Calls of declared functions: inside a run they are its steps, after a person's approval where they need one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from trimtab.journal.asks import Begun, Entries, Read
from trimtab.journal.bindings import binding
from trimtab.journal.entries import Started
from trimtab.runs import flow
from trimtab.runs.declared import Declared, Given, Request, Reviewed
from trimtab.runs.faults import Rejected
from trimtab.runs.session import Act, Place, here, labelled, required
from trimtab.runs.stepping import Found, Tries, take
from trimtab.runs.waiting import ask_person


@dataclass(frozen=True)
class _Approved:
    """What a person approved of: these arguments, and `binds` what the tool's step is bound to. `now` is what a new
    review would be bound to: another one where the tool or the lock changed since.
    """

    bound: inspect.BoundArguments
    asked: str = ""
    now: str = ""
    binds: str = ""


async def perform(declared: Declared, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What the function gives: by calling it outside a run, as a step inside one."""
    place = here()
    if place is None:
        return await flow.called(declared.function, arguments, named)
    bound = declared.signature.bind(*arguments, **named)
    given = declared.given(arguments, named)
    approved = _Approved(bound)
    review = declared.review
    if review is None or (review.when is not None and not review.when(**given)):
        review = await _ruled(place, declared, given)
    if review is not None:
        approved = await _approved(place, declared, review, bound, given)
        bound = approved.bound
        given = declared.given(bound.args, bound.kwargs)
        place = required(declared.name)
    label = labelled(place, declared.name)
    act = Act(
        declared.kind,
        label,
        declared.request(given, label),
        declared.effect,
        declared.key_of(given),
        declared.name if declared.kind == "tool" else "",
        approved.binds,
    )

    async def call(_: Begun) -> Any:
        if approved.asked != approved.now:
            reason = "the lock or the tool changed since it was approved; it is to be asked again"
            raise Rejected(by="Trimtab", label=declared.name, run=place.session.run, reason=reason)
        return await flow.called(declared.function, bound.args, bound.kwargs)

    async def look() -> Found:
        found: Found = None
        if declared.reconcile is not None:
            found = await flow.called(declared.reconcile, (), dict(given))
        return found

    return declared.read_output(await take(place, act, call, Tries(declared.attempts, declared.retry, look)))


async def _ruled(place: Place, declared: Declared, given: Given) -> Reviewed | None:
    """How the task's rules have a tool's call put before a person; None where they do not."""
    session = place.session
    rules = session.runtime.reviews
    if declared.kind != "tool" or not rules:
        return None
    from trimtab.declare.review_matching import rule_for  # noqa: PLC0415 - most programs have no rules

    if session.for_task is None:
        told = await flow.ask_for(session, Read(session.run, 1, 1))
        assert isinstance(told, Entries)  # noqa: S101 - what a `Read` is told
        first = told.entries[0].entry
        session.for_task = first.task if isinstance(first, Started) else ""
    arguments = msgspec.json.decode(declared.request(given, declared.name).content)
    rule = rule_for(rules.get(session.for_task, ()), declared.name, declared.effect, arguments)
    if rule is None:
        return None
    otherwise: Literal["approved", "rejected"] = "approved" if rule.otherwise == "approve" else "rejected"
    return Reviewed(None, rule.when, rule.roles, rule.expires_s, otherwise, rule.escalate_s, rule.escalate_to)


async def _approved(
    place: Place, declared: Declared, rule: Reviewed, bound: inspect.BoundArguments, given: Given
) -> _Approved:
    label = labelled(place, f"review {declared.name}")
    request = declared.request(given, label)
    reason = rule.reason if isinstance(rule.reason, str) else rule.reason(**given)
    asked = Request.of("step", f"review {declared.name}", label, given)
    now = binding(declared.name, declared.definition(), request.content, place.session.runtime.lock)
    rule = Reviewed(None, reason, rule.roles, rule.expires_s, rule.otherwise, rule.escalate_s, rule.escalate_to)
    said = await ask_person(place, label, declared.name, asked, request.content, now, rule, declared.background())
    if said["verdict"] == "edited":
        try:
            bound = declared.edited(bound, said["edited"])
        except (msgspec.ValidationError, TypeError) as unfit:
            reason = f"the edited arguments do not fit: {unfit}"
            raise Rejected(by="Trimtab", label=declared.name, run=place.session.run, reason=reason) from unfit
    return _Approved(bound, said["asked"], now, said["binds"])
