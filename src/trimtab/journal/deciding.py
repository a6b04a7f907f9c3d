"""Decisions of people on reviews, as pure steps: who may take one, whether it holds together, what is written of it.

The journal itself refuses a second decision, one on something else, and any action that was not approved of to the
letter; what is here is refused before that, with words for whoever decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from trimtab.contracts.compiling import DECLARED
from trimtab.contracts.faults import listed
from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.validate import Validator, not_json
from trimtab.errors import SchemaInvalid
from trimtab.journal.asks import Decide, Review
from trimtab.journal.bindings import edited_binding
from trimtab.journal.entries import Decided, ReviewVerdict, body_of
from trimtab.journal.refusals import BindingChanged, EditInvalid, NotForYou, ReviewDone

Choice = Literal["approve", "edit", "reject"]
VERDICTS: Final[dict[Choice, ReviewVerdict]] = {"approve": "approved", "edit": "edited", "reject": "rejected"}
ROLES: Final = ("viewer", "operator", "admin", "owner")
"""Roles of those who decide, from least to most."""
USUAL_ROLES: Final = ("operator",)
"""Who decides where a review does not say."""
MOST_REASON: Final = 1000
MOST_EDITED: Final = 1 << 20


class Said(Struct, frozen=True):
    """What a person says of the review that is bound to `binds`, and whose `role` and name they have.

    `arguments` are the edited ones, as JSON text.
    """

    choice: Choice
    by: str
    role: str
    binds: str
    reason: str = ""
    arguments: str = ""


def may_decide(roles: Iterable[str], role: str, name: str) -> bool:
    """Whether somebody may decide what is for these roles, or for keys of these names. The owner may always."""
    wanted = tuple(roles) or USUAL_ROLES
    if role == "owner" or name in wanted:
        return True
    own = ROLES.index(role) if role in ROLES else -1
    return any(one in ROLES and ROLES.index(one) <= own for one in wanted)


def decision(review: Review, said: Said, schemas: Iterable[str], now_ns: int) -> Decide:
    """What the journal is asked to write.

    Edited arguments must hold against every one of `schemas`, which are JSON Schemas as text; so the tool as it was
    when the person was asked, and as it is now. Raises `ReviewDone`, `BindingChanged`, `NotForYou` and `EditInvalid`.
    """
    if not may_decide(review.roles, said.role, said.by):
        roles = " or ".join(review.roles or USUAL_ROLES)
        raise NotForYou(run=review.run, review=review.review, by=said.by, roles=roles)
    if review.verdict is not None and (review.verdict, review.by) != (VERDICTS[said.choice], said.by):
        raise ReviewDone(run=review.run, review=review.review, verdict=review.verdict, by=review.by)
    if said.binds != review.binds:
        raise BindingChanged(run=review.run, review=review.review)
    reason = said.reason.strip()[:MOST_REASON]
    if said.choice == "reject" and not reason and not review.sampled:
        raise EditInvalid(run=review.run, review=review.review, detail="whoever rejects says why")
    decided = Decided(now_ns, review.review, VERDICTS[said.choice], said.by, reason)
    if said.choice != "edit":
        return Decide(decided, review.binds)
    content = _edited(review, said.arguments, schemas)
    body = body_of(content)
    binds = edited_binding(review.binds, content)
    edited = Decided(now_ns, review.review, "edited", said.by, reason, body, binds)
    return Decide(edited, review.binds, content=b"" if body.inline is not None else content)


def _edited(review: Review, text: str, schemas: Iterable[str]) -> bytes:
    """The edited arguments as JSON; raises `EditInvalid`."""
    if review.sampled:
        raise EditInvalid(run=review.run, review=review.review, detail="what has happened cannot be edited")
    content = text.strip().encode("utf-8", "surrogatepass")
    if len(content) > MOST_EDITED:
        raise EditInvalid(run=review.run, review=review.review, detail=f"more than {MOST_EDITED:,} bytes")
    try:
        value = parse(text)
    except NotJson as broken:
        detail = not_json(text, broken).message
        raise EditInvalid(run=review.run, review=review.review, detail=f"what was edited {detail}") from None
    for schema in schemas:
        try:
            faults = Validator(schema, DECLARED).faults(value)
        except SchemaInvalid as unusable:
            detail = f"the schema of {review.tool} cannot be used ({unusable.facts['detail']}), so that no edit is safe"
            raise EditInvalid(run=review.run, review=review.review, detail=detail) from None
        if faults:
            detail = f"the arguments do not match the schema of {review.tool}:\n{listed(faults)}\n"
            raise EditInvalid(run=review.run, review=review.review, detail=detail)
    return content
