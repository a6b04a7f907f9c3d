"""What is asked of the journal to take out all of one end user, and what it answers: a part of `journal.asks`."""

from __future__ import annotations

from msgspec import Struct


class Erase(Struct, frozen=True, tag_field="ask", tag="erase"):
    """Take out what one run of an end user says, whichever is the next; its forks and those it began are theirs too.

    `erasure` names the doing and is written into the log; the end user is not.
    """

    end_user: str
    erasure: str
    by: str


class Shred(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="shred"):
    """Note bodies, by their sha256 (hexadecimal), that are to go, and those that are gone."""

    add: tuple[str, ...] = ()
    done: tuple[str, ...] = ()


class FindShreds(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="find_shreds"):
    """Bodies that are still to go, in the order of their digests, those behind one."""

    limit: int = 10_000
    after: str = ""


class RunErased(Struct, frozen=True, omit_defaults=True, tag_field="told", tag="run_erased"):
    """The run that was emptied, with its entries, reviews and bodies; `run` is empty where there is none left."""

    run: str = ""
    entries: int = 0
    reviews: int = 0
    bodies: int = 0


class Shreds(Struct, frozen=True, tag_field="told", tag="shreds"):
    """Bodies that are still to go."""

    digests: tuple[str, ...]


ErasingAsk = Erase | Shred | FindShreds
ErasingTold = RunErased | Shreds
