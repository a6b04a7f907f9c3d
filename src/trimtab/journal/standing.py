"""Which verdicts of checks are about what a run did: those on answers that the run went on with.

A check that had an answer mended, another way taken or the step fail has changed the run, so that how it ended says
nothing of whether the check was right.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from trimtab.journal.entries import Asked, Checked, Decided, Entry, Intent

CHANGED = frozenset({"repair", "branch", "fail"})


class Standing(Struct, frozen=True):
    """A check in one run: whether it passed all answers that stood (None where none did), and how often what it found
    changed the run.
    """

    passed: bool | None
    changed: int


def standing(entries: Iterable[Entry]) -> dict[str, Standing]:
    """What each check of a run says, by its name; entries are the whole log in order.

    An answer that a person let pass in spite of a check stands; one that they edited or rejected does not.
    """
    intents: dict[int, Intent] = {}
    asked: dict[str, int] = {}
    waiting: dict[tuple[str, str], str] = {}
    stands: dict[str, list[bool]] = {}
    changed: dict[str, int] = {}
    for seq, entry in enumerate(entries, 1):
        match entry:
            case Intent():
                intents[seq] = entry
            case Checked():
                stands.setdefault(entry.check, [])
                if entry.action == "ask":
                    place = intents.get(entry.of)
                    waiting[place.branch if place is not None else "", entry.check] = entry.check
                elif entry.action in CHANGED:
                    changed[entry.check] = changed.get(entry.check, 0) + 1
                else:
                    stands[entry.check].append(entry.passed)
            case Asked():
                asked[entry.review] = entry.of
            case Decided() if entry.review in asked:
                place = intents.get(asked[entry.review])
                name = "" if place is None else place.label.removeprefix("check ").partition(": review")[0]
                check = waiting.pop((place.branch if place is not None else "", name), "")
                if check and entry.verdict == "approved":
                    stands[check].append(False)
                elif check:
                    changed[check] = changed.get(check, 0) + 1
    for check in waiting.values():
        changed[check] = changed.get(check, 0) + 1
    return {check: Standing(all(passed) if passed else None, changed.get(check, 0)) for check, passed in stands.items()}
