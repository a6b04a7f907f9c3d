"""Everything that is wrong with a data set, in one reading of it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import jsonschema_rs
from msgspec import Struct

from trimtab.data.bags import Bags
from trimtab.data.cases import Case, case
from trimtab.data.contamination import CONTAINMENT, Contamination
from trimtab.data.examples import Reference
from trimtab.data.manifest import Held, held
from trimtab.data.near_duplicates import NEARNESS, Found, among
from trimtab.data.rows import Row, RowFault, has_mark, read_rows
from trimtab.data.text import row_words, words
from trimtab.declare.files import contents
from trimtab.declare.values import Wrong, duration
from trimtab.errors import DataInvalid

MOST_OF_A_KIND: Final = 100
MOST_BREAKS: Final = 5
"""Breaks of the schema that are told of one row."""
BACKTRACKS: Final = 100_000
"""Steps after which a pattern of a schema gives up on a text."""
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")

Kind = Literal[
    "unreadable", "encoding", "schema", "conflict", "contamination", "changed", "no_rows", "missing",
    "duplicate", "near_duplicate", "stale_parent", "stale_source", "empty", "mark", "control_characters", "unchecked",
]  # fmt: skip
FAULTS: Final[frozenset[Kind]] = frozenset(
    {"unreadable", "encoding", "schema", "conflict", "contamination", "changed", "no_rows", "missing"}
)
"""Kinds of findings that make a data set unfit; the others are warnings."""


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing found: `rows` are row numbers, `path` a JSON Pointer in the row, `similarity` from 0 to 1."""

    kind: Kind
    words: str
    rows: tuple[int, ...] = ()
    path: str = ""
    where: str = ""
    similarity: float | None = None


class Checked(Struct, frozen=True):
    """A data set after its check. `counts` are all findings by kind, `findings` the first 100 of each kind.

    `looked` tells how near duplicates and contamination were looked for.
    """

    name: str
    rows: int
    faults: int
    warnings: int
    counts: dict[str, int]
    findings: tuple[Finding, ...]
    looked: dict[str, float | int | str]


class Notes:
    """Gathers findings."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._kept: dict[Kind, list[Finding]] = defaultdict(list)

    def add(self, finding: Finding) -> None:
        """Counts a finding, and keeps it while there are few of its kind."""
        self.counts[finding.kind] += 1
        if self.counts[finding.kind] <= MOST_OF_A_KIND:
            self._kept[finding.kind].append(finding)

    def findings(self) -> tuple[Finding, ...]:
        """What was kept, faults first."""
        order = sorted(self._kept, key=lambda kind: kind not in FAULTS)
        return tuple(finding for kind in order for finding in self._kept[kind])


class _Read(NamedTuple):
    """Rows as cases; `numbers` are their lines."""

    numbers: list[int]
    inputs: list[bytes]
    expected: list[bytes]
    bags: Bags


def check(root: Path, tried: Held, references: Iterable[Reference], today: date) -> Checked:
    """Checks a data set of the project in `root`; raises `DataInvalid` where its file cannot be read at all."""
    notes = Notes()
    _check_origin(root, tried, today, notes)
    read = _Read([], [], [], Bags())
    looked: dict[str, float | int | str] = {}
    if tried.has_rows:
        _read(root, tried, read, notes)
        _same_inputs(read, notes)
        found = among(read.bags, NEARNESS)
        _near(read, found, notes)
        looked = {**NEARNESS.told, "contamination_threshold": CONTAINMENT.threshold, "buckets_in_part": found.partly}
        if tried.purpose == "cases":
            looked["references_in_part"] = _contaminated(root, read, tuple(references), notes)
    elif tried.path and not (root / tried.path).stat().st_size:
        notes.add(Finding("no_rows", "the file is empty"))
    faults = sum(count for kind, count in notes.counts.items() if kind in FAULTS)
    total = notes.counts.total()
    counts = {str(kind): count for kind, count in sorted(notes.counts.items())}
    return Checked(tried.name, len(read.numbers), faults, total - faults, counts, notes.findings(), looked)


def rows_of(root: Path, one: Held) -> Iterator[Row | RowFault]:
    """The rows of a data set; raises `DataInvalid` when the file cannot be read."""
    try:
        with (root / one.path).open("rb") as file:
            yield from read_rows(file)
    except OSError as failure:
        raise DataInvalid(name=one.name, detail=f"{one.path} cannot be read ({failure.strerror})") from None


def _check_origin(root: Path, tried: Held, today: date, notes: Notes) -> None:
    manifest = tried.manifest
    if manifest is None:
        return
    if tried.path and manifest.digest != tried.digest:
        words = "the file is not the one its manifest tells of; take it in with `trimtab data add --update`"
        notes.add(Finding("changed", words))
    for parent in manifest.parents:
        try:
            digest = held(root, parent.name).digest
        except DataInvalid as wrong:
            notes.add(Finding("missing", f"its parent {parent.name}: {wrong.facts['detail']}", where=parent.name))
            continue
        if digest != parent.digest:
            words = f"its parent {parent.name} has changed since; make it anew" + (
                f" with {manifest.transform}" if manifest.transform else ""
            )
            notes.add(Finding("stale_parent", words, where=parent.name))
    _check_freshness(manifest.source_seen, manifest.fresh_for, today, notes)


def _check_freshness(seen: str, fresh_for: str, today: date, notes: Notes) -> None:
    if not fresh_for:
        return
    try:
        until = date.fromisoformat(seen) + timedelta(seconds=duration()(fresh_for))
    except (ValueError, OverflowError, Wrong):
        words = f"its manifest says fresh_for {fresh_for!r} and source_seen {seen!r}; write 90d and 2026-11-01, say"
        notes.add(Finding("stale_source", words))
        return
    if today > until:
        notes.add(Finding("stale_source", f"it was taken from its source on {seen} and was good until {until}"))


def _read(root: Path, tried: Held, read: _Read, notes: Notes) -> None:
    validator = _validator(root, tried)
    with (root / tried.path).open("rb") as file:
        if has_mark(file.read(3)):
            notes.add(Finding("mark", "the file begins with a byte order mark, which some readers take for text"))
    for row in rows_of(root, tried):
        if isinstance(row, RowFault):
            kind: Kind = "encoding" if row.kind == "encoding" else "unreadable"
            notes.add(Finding(kind, f"row {row.number} {row.words}", (row.number,)))
            continue
        for finding in validator(row):
            notes.add(finding)
        taken = case(row.value)
        _look_at(row, taken, notes)
        read.numbers.append(row.number)
        read.inputs.append(taken.inputs)
        read.expected.append(taken.expected)
        read.bags.take(taken.words, taken.texts)
    if not read.numbers:
        notes.add(Finding("no_rows", "there is no row in it that can be read"))


def _look_at(row: Row, taken: Case, notes: Notes) -> None:
    if not taken.words:
        notes.add(Finding("empty", f"row {row.number} has no words in its inputs", (row.number,)))
    found = CONTROL.search("\n".join(_all_texts(row.value)))
    if found is not None:
        code = f"U+{ord(found[0]):04X}"
        notes.add(Finding("control_characters", f"row {row.number} holds the control character {code}", (row.number,)))


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _all_texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _all_texts(one)


def _validator(root: Path, tried: Held) -> Callable[[Row], Iterator[Finding]]:
    """What holds rows against the schema of the manifest. Nothing is fetched: a `$ref` must lie in the schema."""
    path = tried.manifest.schema if tried.manifest else ""
    if not path:
        return lambda row: iter(())
    try:
        contents(root, path)
        patterns = jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS)
        text = (root / path).read_text("utf-8")
        compiled = jsonschema_rs.validator_for(text, validate_formats=True, pattern_options=patterns, offline=True)
    except (Wrong, OSError, ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as wrong:
        reason = (wrong.what if isinstance(wrong, Wrong) else str(wrong)).partition("\n")[0][:200]
        raise DataInvalid(name=tried.name, detail=f"its schema {path} cannot be used ({reason})") from None

    def breaks(row: Row) -> Iterator[Finding]:
        if compiled.is_valid(row.value):
            return
        for number, error in enumerate(compiled.iter_errors(row.value)):
            if number == MOST_BREAKS:
                return
            pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.instance_path)
            words = f"row {row.number} at {pointer or 'its top'}: {error.message[:200]}"
            yield Finding("schema", words, (row.number,), pointer)

    return breaks


def _same_inputs(read: _Read, notes: Notes) -> None:
    """Rows with the same inputs: duplicates where they expect the same, a conflict where they do not."""
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in enumerate(read.inputs):
        places[digest].append(place)
    for same in places.values():
        if len(same) == 1:
            continue
        numbers = tuple(read.numbers[place] for place in same)
        expected = {read.expected[place] for place in same} - {b""}
        if len(expected) > 1:
            words = f"rows {_listed(numbers)} have the same inputs and expect {len(expected)} different answers"
            notes.add(Finding("conflict", words, numbers[:MOST_OF_A_KIND]))
        else:
            words = f"rows {_listed(numbers)} are the same case"
            notes.add(Finding("duplicate", words, numbers[:MOST_OF_A_KIND]))


def _near(read: _Read, found: Found, notes: Notes) -> None:
    for pair in found.pairs:
        if read.inputs[pair.one] == read.inputs[pair.other]:
            continue
        one, other = read.numbers[pair.one], read.numbers[pair.other]
        differ = {read.expected[pair.one], read.expected[pair.other]} - {b""}
        words = f"rows {one} and {other} say nearly the same" + (
            " and expect different answers" if len(differ) > 1 else ""
        )
        notes.add(Finding("near_duplicate", words, (one, other), similarity=round(pair.similarity, 3)))


def _contaminated(root: Path, read: _Read, references: tuple[Reference, ...], notes: Notes) -> int:
    """Cases that were seen before, and how many references met too many cases to be compared with all of them."""
    partly = 0
    of_name: dict[str, list[Reference]] = defaultdict(list)
    for reference in references:
        of_name[reference.name].append(reference)
    for name, same in of_name.items():
        search = Contamination(read.bags, CONTAINMENT)
        wheres = [reference.where for reference in same]
        if same[0].text:
            for number, reference in enumerate(same):
                search.take(number, words(reference.text))
        else:
            missing = _take_rows(root, name, search)
            if missing:
                notes.add(Finding("unchecked", f"{' and '.join(wheres)}: {missing}", where=name))
                continue
        for seen in search.seen():
            row, of = seen.reference, " and ".join(wheres)
            where = wheres[row] if same[0].text else f"row {row} of {of}"
            number = read.numbers[seen.case]
            told = f"row {number} stands in {where}"
            notes.add(Finding("contamination", told, (number,), where=where, similarity=round(seen.share, 3)))
        partly += search.partly
    return partly


def _take_rows(root: Path, name: str, search: Contamination) -> str:
    """Holds cases against the rows of a data set; why that cannot be done, empty where it was."""
    try:
        other = held(root, name)
        if not other.has_rows:
            return "its rows are not here"
        for row in rows_of(root, other):
            if isinstance(row, Row):
                search.take(row.number, row_words(row.value))
    except DataInvalid as wrong:
        return str(wrong.facts["detail"])
    return ""


def _listed(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} more"
