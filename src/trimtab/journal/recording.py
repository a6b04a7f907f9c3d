"""A run in a file: read again, and put into another journal, so that what drives it is held against what it did."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from trimtab.errors import TrimtabError
from trimtab.journal.asks import AskReview, Begin, Begun, Decide, Finish, Lease, Note, Open, Release, Reviews, Tell
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import (
    Arrived,
    Asked,
    Body,
    Checked,
    Decided,
    Ended,
    Entry,
    Intent,
    Logged,
    Result,
    Started,
    State,
    body_of,
    decode,
)
from trimtab.journal.requests import Canonical, canonical
from trimtab.journal.requests import Path as Paths
from trimtab.record import varints

FORM: Final = "trimtab run 1"
"""What the first line of an exported run says of its form."""
OWNER: Final = "a recording"
SAID: Final = frozenset({"approved", "edited", "rejected"})
"""What is said of reviews; the journal itself says the rest again where it holds again."""


class NoRecording(TrimtabError):
    """{path} is no exported run: {detail}; write it with `trimtab runs export RUN --output FILE`."""


class Recording:
    """A run with its bodies, as `trimtab runs export` writes it; what is `volatile` in its requests does not count."""

    def __init__(
        self, run: str, entries: tuple[Logged, ...], bodies: dict[str, bytes], volatile: Sequence[Paths] = ()
    ) -> None:
        self.run = run
        self.entries = entries
        self.volatile = volatile
        self._bodies = bodies

    def __repr__(self) -> str:
        return f"Recording({self.run}, {len(self.entries)} entries)"

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Reads one. Raises `NoRecording` and `OSError`."""
        run, entries, bodies, volatile = "", list[Logged](), dict[str, bytes](), list[Paths]()
        try:
            for number, line in enumerate(path.read_bytes().splitlines()):
                said = msgspec.json.decode(line)
                if number == 0:
                    if said.get("form") != FORM:
                        raise NoRecording(path=path, detail=f"its first line does not say {FORM!r}")
                    run, volatile = said["run"], msgspec.convert(said.get("volatile", []), list[Paths])
                elif "body" in said:
                    bodies[said["body"]] = b64decode(said["base64"], validate=True)
                else:
                    entry = decode(msgspec.json.encode(said["entry"]))
                    entries.append(Logged(said["seq"], entry, said["digest"]))
        except (ValueError, LookupError, AttributeError, TypeError) as wrong:
            raise NoRecording(path=path, detail=str(wrong) or type(wrong).__name__) from wrong
        if not entries or not isinstance(entries[0].entry, Started):
            raise NoRecording(path=path, detail="it has no beginning")
        return cls(run, tuple(entries), bodies, volatile)

    @property
    def started(self) -> Started:
        """What the run was begun as."""
        found = self.entries[0].entry
        assert isinstance(found, Started)  # noqa: S101 - as it was read
        return found

    @property
    def ended(self) -> Ended | None:
        """How it ended; None where it had not yet."""
        return next((one.entry for one in reversed(self.entries) if isinstance(one.entry, Ended)), None)

    def content(self, body: Body | None) -> bytes | None:
        """The bytes of a body; None where there is none, or where they were not kept."""
        if body is None:
            return None
        return body.inline.encode() if body.inline is not None else self._bodies.get(body.digest)

    def steps(self) -> Iterator[tuple[int, Intent, Result | None]]:
        """Intents with their seqs, and what became of them."""
        results = {one.entry.of: one.entry for one in self.entries if isinstance(one.entry, Result)}
        for one in self.entries:
            if isinstance(one.entry, Intent):
                yield one.seq, one.entry, results.get(one.seq)


def asked_again(recording: Recording) -> frozenset[int]:
    """The seqs of those steps with a result that a program asks for again when it does the run again: all but those
    taken within a step, which gives what it gave, and calls that the program of a driver itself gave up.
    """
    found, outer = set[int](), list[tuple[str, int]]()
    ends = {one.entry.of: one.seq for one in recording.entries if isinstance(one.entry, Result)}
    for seq, intent, result in recording.steps():
        outer = [(branch, end) for branch, end in outer if end > seq]
        if result is None or any(intent.branch.startswith(branch) for branch, _ in outer):
            continue
        if not intent.call:
            outer.append((f"{intent.branch}.", ends[seq]))
        if not (intent.call and intent.branch and result.outcome == "cancelled"):
            found.add(seq)
    return frozenset(found)


def taken_again(recording: Recording) -> dict[int, Intent]:
    """Those of them that are no calls of models, by their seqs, in order."""
    due = asked_again(recording)
    return {seq: intent for seq, intent, _ in recording.steps() if seq in due and not intent.call}


def request_of(recording: Recording, intent: Intent) -> str:
    """The digest that a step is known by in a replay. Of a gateway's call it is made of its body, so that neither the
    surface nor what was volatile then need be known; where the body was not kept, it is what was recorded.
    """
    content = recording.content(intent.input) if intent.call else None
    return asked_of(recording, content).digest if content is not None else intent.request


def asked_of(recording: Recording, body: bytes) -> Canonical:
    """What a request for a model asks, as far as that counts where the run is done again."""
    return canonical("model", "", body, recording.volatile)


def chunk_lengths(result: Result) -> list[int]:
    """The lengths of a streamed answer's chunks; none for one that came whole."""
    try:
        return varints.unpack(b64decode(result.chunk_lengths, validate=True))
    except (binascii.Error, ValueError):
        return []


def copied(recording: Recording) -> Started:
    """What a run is begun as in another journal."""
    return replace(recording.started, parent="", parent_seq=0, fork_of="", fork_seq=0, through="sdk")


def put(journal: BlockingAsking, recording: Recording) -> dict[int, int]:
    """Writes what a run did into another journal, but for its end, so that it can be taken up there under its id; gives
    the seqs that its steps have there by those they had. Raises `JournalRefusal`.
    """
    putting = _Putting(journal, recording)
    putting.all()
    return putting.seqs


class _Putting:
    def __init__(self, journal: BlockingAsking, recording: Recording) -> None:
        self._journal = journal
        self._recording = recording
        self._run = recording.run
        self._epoch = 0
        self.seqs: dict[int, int] = {}
        self._reviews: dict[str, str] = {}

    def all(self) -> None:
        started = copied(self._recording)
        content, changed = self._bytes(started.input), self._bytes(started.changes)
        lease = self._do(Open(self._run, started, OWNER, content=content, changed=changed))
        self._epoch = lease.epoch if isinstance(lease, Lease) else 0
        for logged in self._recording.entries:
            self._entry(logged.seq, logged.entry)
        self._do(Release(self._run, self._epoch))

    def _entry(self, seq: int, entry: Entry) -> None:
        match entry:
            case Intent():
                self.seqs[seq] = self._begun(entry)
            case Result() if entry.of in self.seqs:
                result = replace(entry, of=self.seqs[entry.of])
                self._do(Finish(self._run, self._epoch, result, self._bytes(entry.output)))
            case Checked() if entry.of in self.seqs:
                self._do(Note(self._run, self._epoch, replace(entry, of=self.seqs[entry.of])))
            case State():
                self._do(Note(self._run, self._epoch, entry, self._bytes(entry.value)))
            case Arrived():
                self._do(Tell(self._run, entry, self._bytes(entry.value)))
            case Asked() if entry.of in self.seqs:
                asked = replace(entry, of=self.seqs[entry.of])
                told = self._do(AskReview(self._run, self._epoch, asked, body_of(b"null")))
                if isinstance(told, Reviews) and told.reviews:
                    self._reviews[entry.review] = told.reviews[0].review
            case Decided() if entry.review in self._reviews and entry.verdict in SAID:
                self._decide(entry)
            case _:
                pass

    def _decide(self, decided: Decided) -> None:
        binds = next(
            (one.entry.binds for one in self._recording.entries
             if isinstance(one.entry, Asked) and one.entry.review == decided.review), "",
        )  # fmt: skip
        mine = replace(decided, review=self._reviews[decided.review])
        self._do(Decide(mine, binds, self._bytes(decided.edited)))

    def _begun(self, intent: Intent) -> int:
        asked = Begin(
            self._run, self._epoch, intent.step, intent.label, request_of(self._recording, intent), intent.input,
            self._bytes(intent.input), intent.branch, self.seqs.get(intent.after, 0), intent.effect, intent.key,
            intent.tool, intent.binds, intent.lock, intent.call,
        )  # fmt: skip
        told = self._do(asked)
        return told.seq if isinstance(told, Begun) else 0

    def _bytes(self, body: Body | None) -> bytes:
        found = self._recording.content(body) if body is not None and body.inline is None else None
        return found or b""

    def _do(self, ask: Any) -> Any:
        return self._journal.do(ask)
