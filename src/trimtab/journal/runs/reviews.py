"""Reviews: rows that outlive drivers and deploys, each bound to the digest of what is asked about."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trimtab.journal.asks import AskReview, Decide, FindReviews, Review, Reviews, Written
from trimtab.journal.entries import Asked, Body, Decided, Intent, ReviewVerdict
from trimtab.journal.refusals import AskInvalid, BindingChanged, ReviewDone, ReviewUnknown
from trimtab.journal.runs.leases import fence, goes_on, wake
from trimtab.journal.runs.steps import intent_at
from trimtab.journal.runs.transaction import Row, Transaction

MOST_REVIEWS: Final = 1000
BY_JOURNAL: Final = "journal"
"""Who decides what time or a later review decides."""
_encode = msgspec.json.encode
_body = msgspec.json.Decoder(Body).decode
_roles = msgspec.json.Decoder(tuple[str, ...]).decode


def ask_review(tx: Transaction, ask: AskReview) -> Reviews:
    """Puts a step before a person; an earlier review of that step that waits under another binding is superseded."""
    row, asked = tx.row(ask.run), ask.asked
    if not asked.sampled:
        fence(row, ask.epoch)
        goes_on(row)
    intent = intent_at(tx, row, asked.of)
    if not asked.binds:
        raise AskInvalid(run=row.run, detail="a review is bound to the digest of what it is about")
    earlier = tx.rows("reviews_of_step", number=row.number, of=asked.of)
    for review, binds, verdict, sampled in reversed(earlier):
        if binds == asked.binds and bool(sampled) == asked.sampled and verdict != "superseded":
            return Reviews((_one(tx, review),))
    review = asked.review or tx.new_id()
    if tx.rows("decision", review=review):
        raise AskInvalid(run=row.run, detail=f"review {review!a} is of something else; give this one another id")
    tx.keep(row.run, ask.proposed, ask.content)
    for before, _, verdict, sampled in earlier:
        if verdict is None and not sampled and not asked.sampled:
            decide(tx, row, Decided(tx.now_ns, before, "superseded", BY_JOURNAL, f"review {review} took its place"))
    asked = msgspec.structs.replace(asked, review=review)
    tx.append(row, asked)
    tx.write("add_review", **_facts(row, ask, asked, intent))
    if not asked.sampled:
        row.state, row.waits_for = "waiting", f"review {review}"
    return Reviews((_one(tx, review),))


def decide_review(tx: Transaction, ask: Decide) -> Written:
    """Writes a decision; the same one again changes nothing, another one is refused."""
    decided = ask.decided
    found = tx.rows("decision", review=decided.review)
    if not found:
        raise ReviewUnknown(run="", review=decided.review)
    number, _, binds, verdict, by, _, _, edited = found[0]
    row = _of_number(tx, number)
    if verdict is not None:
        same = (_body(edited) if edited is not None else None) == decided.edited
        if (verdict, by) == (decided.verdict, decided.by) and ask.binds == binds and same:
            return Written(row.head, changed=False)
        raise ReviewDone(run=row.run, review=decided.review, verdict=verdict, by=by)
    if ask.binds != binds:
        raise BindingChanged(run=row.run, review=decided.review)
    if decided.verdict not in ("approved", "edited", "rejected"):
        raise AskInvalid(run=row.run, detail="a person approves, edits or rejects")
    if decided.verdict == "edited" and (decided.edited is None or not decided.binds):
        raise AskInvalid(run=row.run, detail="an edited action comes with its arguments and the digest over them")
    tx.keep(row.run, decided.edited, ask.content)
    return Written(decide(tx, row, decided))


def decide(tx: Transaction, row: Row, decided: Decided) -> int:
    """Writes a decision on a review that waits, and wakes the run that waits for it."""
    _, _, binds, _, _, sampled, _, _ = tx.rows("decision", review=decided.review)[0]
    seq = tx.append(row, decided)
    approves = {"approved": binds, "edited": decided.binds}.get(decided.verdict, "")
    tx.write(
        "decide_review",
        review=decided.review,
        verdict=decided.verdict,
        decided_by=decided.by,
        said=decided.reason,
        decided_ns=decided.at_ns,
        edited=_encode(decided.edited) if decided.edited is not None else None,
        approves="" if sampled else approves,
    )
    if not sampled:
        if row.waits_for == f"review {decided.review}":
            row.waits_for = ""
            if row.state == "waiting" and row.owner:
                row.state = "running"
        wake(tx, row)
    return seq


def supersede(tx: Transaction, row: Row, why: str) -> None:
    """Nothing waits for the reviews of a run any more."""
    for (review,) in tx.rows("reviews_that_wait", number=row.number):
        decide(tx, row, Decided(tx.now_ns, review, "superseded", BY_JOURNAL, why))


def expire(tx: Transaction, review: str) -> None:
    """Decides what was declared for the case that nobody does."""
    number, _, _, _, _, _, otherwise, _ = tx.rows("decision", review=review)[0]
    verdict: ReviewVerdict = otherwise if otherwise != "edited" else "expired"
    decide(tx, _of_number(tx, number), Decided(tx.now_ns, review, verdict, BY_JOURNAL, "nobody decided in time"))


def find_reviews(tx: Transaction, ask: FindReviews) -> Reviews:
    """A page of reviews: those that wait, samples last, and where asked for those that were decided, or these alone."""
    if ask.review:
        return Reviews((_one(tx, ask.review),))
    limit = max(1, min(ask.limit, MOST_REVIEWS))
    facts: dict[str, Any] = {"run": ask.run, "task": ask.task, "since_ns": ask.since_ns}
    facts |= {"least": int(ask.sampled), "most": int(ask.samples)}
    found = tx.many("waiting_reviews", limit=limit, **facts) if not ask.decided else []
    if (ask.decided or not ask.waiting) and len(found) < limit:
        found += tx.many("decided_reviews", limit=limit - len(found), **facts)
    return Reviews(tuple(_told(one) for one in found))


def _of_number(tx: Transaction, number: int) -> Row:
    return tx.row(tx.rows("run_of_number", number=number)[0][0])


def _one(tx: Transaction, review: str) -> Review:
    found = tx.many("review", review=review)
    if not found:
        raise ReviewUnknown(run="", review=review)
    return _told(found[0])


def _told(found: tuple[Any, ...]) -> Review:
    """A review by its row, whose columns are in the order of its fields."""
    (review, run, of, task, tool, binds, proposed, asked_ns, reason, context, roles, *rest) = found
    expires, otherwise, escalates, to, escalated, sampled, verdict, by, said, decided_ns, edited, lock = rest
    return Review(
        review=review,
        run=run,
        of=of,
        task=task,
        tool=tool,
        binds=binds,
        proposed=_body(proposed),
        asked_ns=asked_ns,
        reason=reason,
        context=_body(context) if context is not None else None,
        roles=_roles(roles),
        expires_ns=expires,
        otherwise=otherwise,
        escalates_ns=escalates,
        escalates_to=to,
        escalated=bool(escalated),
        sampled=bool(sampled),
        verdict=verdict,
        by=by,
        said=said,
        decided_ns=decided_ns,
        edited=_body(edited) if edited is not None else None,
        lock=lock,
    )


def _facts(row: Row, ask: AskReview, asked: Asked, intent: Intent) -> dict[str, Any]:
    return {
        "review": asked.review,
        "number": row.number,
        "of": asked.of,
        "tool": intent.tool or intent.label,
        "binds": asked.binds,
        "proposed": _encode(ask.proposed),
        "context": _encode(ask.context) if ask.context is not None else None,
        "asked_ns": asked.at_ns,
        "reason": asked.reason,
        "roles": _encode(ask.roles).decode(),
        "expires_ns": ask.expires_ns,
        "otherwise": ask.otherwise,
        "escalates_ns": ask.escalates_ns,
        "escalates_to": ask.escalates_to,
        "sampled": int(asked.sampled),
        "lock": intent.lock or row.lock,
    }
