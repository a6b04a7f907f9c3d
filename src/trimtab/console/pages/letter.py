"""One dead letter: what failed and how often, who called, and the request that a redrive would send."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.letter_desk import LetterDesk, Shown
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages.alerts import sees
from trimtab.console.pages.calls import call_place
from trimtab.console.pages.dead import CHOSEN, KINDS, letter_place
from trimtab.console.parts import Parts
from trimtab.journal.dead_letters import DeadLetter

NAMED: Final = ("key", "run", "step", "conversation", "end_user", "surface", "environment")
"""What a call is called under."""


class LetterPage(Struct, frozen=True):
    """One letter; `request` is what a redrive would send, `missing` why there is nothing to send."""

    letter: DeadLetter
    request: str | None
    missing: str


async def build(asked: Asked, parts: Parts) -> Built[LetterPage]:
    """The page."""
    _, found = await seen(asked, parts, asked.path["id"])
    letter = found.letter
    names = [(name.replace("_", " "), str(getattr(letter.admitted, name, "") or "")) for name in NAMED]
    calls = [("the call", call_place(asked, letter.id))] if letter.kind == "call" else []
    if letter.kind == "call" and letter.last_call not in ("", letter.id):
        calls.append(("the latest try", call_place(asked, letter.last_call)))
    extra = {
        "kind": KINDS.get(letter.kind, letter.kind),
        "names": [(name, value) for name, value in names if value],
        "calls": calls,
        "size": written.size(letter.size_bytes),
        "can_be_sent": letter.kind != "call" or found.request is not None,
        "may_act": asked.visitor.may("operator"),
        "field": f"{CHOSEN}{letter.id}",
        "place": letter_place(asked, letter.id),
    }
    return Built(LetterPage(letter, found.request, found.missing), title=f"Dead letter {letter.id}", extra=extra)


async def seen(asked: Asked, parts: Parts, letter: str) -> tuple[LetterDesk, Shown]:
    """A letter that the visitor may see, and where it is kept; raises a 404 where there is none such."""
    found = await parts.letters.show(letter) if parts.letters is not None else None
    if parts.letters is None or found is None or not sees(asked.visitor, found.letter.task):
        raise HTTPException(404, f"there is no dead letter {letter[:80]}; the page of dead letters lists them")
    return parts.letters, found


PAGE: Final = Page(
    "letter",
    "/dead/{id:path}",
    "Dead letter",
    "one dead letter: what failed, who called, and the request that a redrive would send",
    LetterPage,
    build,
)
