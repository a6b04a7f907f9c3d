"""Slices, readings, scores and engine samples in ClickHouse: statements of `sql/slices.sql` and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from clickhouse_connect.driver.query import QueryResult

from trimtab.record.events import Score
from trimtab.store import rows, slice_pieces, statements
from trimtab.store.engine_samples import MAX_SAMPLES, EngineQuery, EngineSample
from trimtab.store.readings import MAX_CATEGORIES, MAX_READINGS, ReadingCounts, ReadingQuery
from trimtab.store.scores import COMPLETERS, MAX_SCORE_ROWS, MAX_SCORES, ScoreCounts, ScoreQuery
from trimtab.store.slice_columns import MERGED_BY, columns_of, slice_of
from trimtab.store.slice_pieces import Piece
from trimtab.store.slices import MAX_SLICES, Slice, SliceQuery, Spread, bounded, few
from trimtab.store.telemetry import MINUTE_NS

MINUTE_S: Final = 60
MOST_ROWS: Final = 1_000_000
"""How many rows a report may be made of."""
FINE_BLOCK: Final = 60
"""Minutes of a block of fine rows, in which those of a task lie together."""
COARSE_BLOCK: Final = 1440
"""The same of coarse rows."""
SEPARATOR: Final = ",\n    "


class SignalReader:
    """The reading half of `Signalling`, for a store that can send statements."""

    def __init__(self) -> None:
        shared = statements.load("slices_schema.sql")
        self._texts = statements.load("slices.sql")
        self._functions = shared["slice_functions"]
        self._sums = dict(_named(shared["slice_columns"]))

    def _ask(self, text: str, **parameters: Any) -> QueryResult:
        """Sends a statement's text with its parameters."""
        raise NotImplementedError

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task, step and value of the query's dimension, in that order."""
        return tuple(slice_of(row, query) for row in self._slice_rows(query, columns_of(query), MAX_SLICES))

    def _slice_rows(
        self, query: SliceQuery, columns: tuple[str, ...], most: int = MOST_ROWS
    ) -> Iterator[Mapping[str, Any]]:
        """The rows of slices with these columns; raises `ValueError` for more than `most`."""
        parameters = _window(query) | {"across": query.across}
        texts: dict[str, list[str]] = {"part_of_roll_up": [], "part_of_calls": []}
        for place, piece in enumerate(slice_pieces.pieces(query)):
            parameters |= _bounds(piece, place)
            of = "calls" if piece.of == "calls" else "roll_up"
            texts[f"part_of_{of}"].append(_numbered(self._texts[f"piece_of_{of}"], place))
        parts = [self._texts[part].replace("{pieces}", " OR ".join(bounds)) for part, bounds in texts.items() if bounds]
        return self._merged(parts, columns, query.spreads, parameters, most) if parts else iter(())

    def _merged(
        self,
        parts: Sequence[str],
        columns: tuple[str, ...],
        spreads: tuple[Spread, ...],
        parameters: dict[str, Any],
        most: int = MOST_ROWS,
    ) -> Iterator[Mapping[str, Any]]:
        """Rows of several statements, added up by task, step and value."""
        histograms = tuple(f"spread_{name}" for name in spreads)
        names = (*columns, *histograms)
        merged_by = MERGED_BY | dict.fromkeys(histograms, "sumMap")
        merged = SEPARATOR.join(f"{merged_by.get(name, 'sum')}(p.{name}) AS {name}" for name in names)
        text = self._texts["slices"].replace("{merged}", merged)
        union = "\n    UNION ALL\n    ".join(self._with_columns(part, names) for part in parts)
        found = self._ask(text.replace("{parts}", union), **parameters, limit=most + 1)
        bounded(found.row_count, most)
        return iter(found.named_results())

    def _with_columns(self, part: str, names: Sequence[str]) -> str:
        """A part with the columns that are wanted, in their order: of the roll-up, or summed of calls."""
        if "{functions}" not in part:
            return part.replace("{columns}", SEPARATOR.join(names))
        summed = SEPARATOR.join(self._sums[name] for name in names)
        return part.replace("{functions}", self._functions).replace("{columns}", summed)

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """Counts of readings by task, field, step and value, in that order."""
        limit = MAX_READINGS + 1
        found = self._ask(self._texts["readings"], **_window(query), fields=list(query.fields), limit=limit)
        bounded(found.row_count, MAX_READINGS)
        return tuple(
            ReadingCounts(**row | {"categories": few(row["categories"], MAX_CATEGORIES)})
            for row in map(dict, found.named_results())
        )

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Scores summed by task, name, source, step and value, in that order."""
        if not self._ask(self._texts["any_score"], first_minute=query.since_ns // MINUTE_NS).row_count:
            return ()
        found = self._ask(
            self._texts["scores"],
            **_window(query),
            names=list(query.names),
            completers=list(COMPLETERS),
            limit=MAX_SCORES + 1,
        )
        bounded(found.row_count, MAX_SCORES)
        return tuple(_scores(dict(row)) for row in found.named_results())

    def score_rows(self, call: str) -> tuple[Score, ...]:
        """The scores of one call in the order they were given, the last of each id, at most `MAX_SCORE_ROWS`."""
        return self._score_rows(call=call)

    def scores_of(self, *, run: str = "", conversation: str = "") -> tuple[Score, ...]:
        """The scores of a run, or of a conversation, and of calls in it, as `score_rows` gives them."""
        return self._score_rows(run=run, conversation=conversation)

    def corrections(self, task: str, since_ns: int, limit: int) -> tuple[Score, ...]:
        """The scores of a task's calls since a time with a corrected answer, the last of each call, newest first."""
        found = self._ask(self._texts["corrections"], task=task, since_ns=since_ns, limit=limit)
        return tuple(rows.score_of(row) for row in found.named_results())

    def _score_rows(self, call: str = "", run: str = "", conversation: str = "") -> tuple[Score, ...]:
        about = {"call": call, "run": run, "conversation": conversation}
        found = self._ask(self._texts["score_rows"], **about, limit=MAX_SCORE_ROWS).named_results()
        return tuple(rows.score_of(row) for row in list(found)[::-1])

    def engine_samples(self, query: EngineQuery) -> tuple[EngineSample, ...]:
        """The samples of a window, the last of each series in each step, in the order of time."""
        found = self._ask(
            self._texts["engine_samples"],
            since_ns=query.since_ns,
            until_ns=query.until_ns,
            model=query.model,
            replica=query.replica,
            series=list(query.series),
            step_ns=query.step_s * 10**9 or 1,
            limit=MAX_SAMPLES + 1,
        )
        bounded(found.row_count, MAX_SAMPLES)
        return tuple(EngineSample(**row) for row in found.named_results())


def _named(columns: str) -> Iterator[tuple[str, str]]:
    """The columns of a list, which stand one a line, by their names."""
    for line in columns.splitlines():
        text = line.strip().rstrip(",")
        yield text.rpartition(" AS ")[2], text


def _numbered(text: str, place: int) -> str:
    """The bounds of a piece, told from those of others by its place."""
    for name in ("first_minute", "end_minute", "first_block", "last_block", "dimension"):
        text = text.replace(f"{{{name}:", f"{{{name}_{place}:")
    return text


def _bounds(piece: Piece, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {f"first_minute_{place}": piece.first_minute, f"end_minute_{place}": piece.end_minute}
    if piece.of == "calls":
        return found
    minutes = FINE_BLOCK if piece.of == "minute" else COARSE_BLOCK
    return found | {
        f"dimension_{place}": piece.of,
        f"first_block_{place}": piece.first_minute // minutes,
        f"last_block_{place}": (piece.end_minute - 1) // minutes,
    }


def _window(query: SliceQuery | ReadingQuery | ScoreQuery) -> dict[str, Any]:
    """The parameters that say what is looked at, and what it is told apart by."""
    first = query.since_ns // MINUTE_NS
    return {
        "first_minute": first,
        "end_minute": -(-query.until_ns // MINUTE_NS),
        "origin": first,
        "step": query.step_s // MINUTE_S,
        "tasks": list(query.tasks),
        "by": query.by,
        "column": query.by,
        "rolled": "environment" if query.by == "environment" else "value",
        "only": "" if query.by == "task" else query.only,
    }


def _scores(row: dict[str, Any]) -> ScoreCounts:
    return ScoreCounts(**row | {"labels": few(row["labels"]), "lag_ms": row.pop("lag_ms_spread")})
