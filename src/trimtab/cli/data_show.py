"""How data sets read on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.data.check import Checked
from trimtab.data.columns import Column
from trimtab.data.shown import Ancestor, Brief, Shown
from trimtab.reports.foreign import plain_text

SHOWN_OF_A_KIND = 10


def list_text(every: Sequence[Brief]) -> RenderableType:
    """All data sets as a table."""
    if not every:
        return Text("There is no data set yet.")
    table = Table("data set", "purpose", "rows", "digest", "made from", "", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in every:
        rows = str(one.rows) if one.rows is not None else "-"
        table.add_row(
            plain_text(one.name), one.purpose, rows, one.digest[7:19], ", ".join(one.parents), plain_text(one.wrong)
        )
    return table


def shown_text(found: Shown) -> RenderableType:
    """One data set."""
    one, manifest = found.data_set, found.manifest
    lines = [f"{one.name} ({one.purpose}), {one.path or 'not kept here'}", one.digest]
    lines += [f"{one.rows} rows"] if one.rows is not None else []
    if manifest is not None:
        told = {
            "licence": manifest.licence,
            "source": manifest.source,
            "made by": manifest.transform,
            "schema": manifest.schema,
            "source seen": manifest.source_seen,
            "fresh for": manifest.fresh_for,
        }
        lines += [f"{key}: {value}" for key, value in told.items() if value]
    lines += [f"! {one.wrong}"] if one.wrong else []
    lines += [f"kept: {digest}" for digest in found.kept]
    parts: list[RenderableType] = [_lines(lines)]
    if found.lineage:
        parts.append(Text("\nmade from", style="bold"))
        parts.append(_lines(map(_ancestor, found.lineage)))
    if found.columns:
        parts.append(_columns(found.columns))
    if found.splits:
        parts.append(Text("splits", style="bold"))
        parts.append(_lines(f"  {side.name}: {side.rows} rows" for side in found.splits))
    parts.append(Text("used", style="bold"))
    nowhere = "  nowhere" if found.project_read else "  not known: the project has mistakes, `trimtab check` tells them"
    parts.append(_lines([f"  {use}" for use in found.uses] or [nowhere]))
    return Group(*parts)


def checked_text(checked: Checked) -> RenderableType:
    """What a check found."""
    head = (
        f"{checked.name}: {checked.rows} rows, {_many(checked.faults, 'fault')}, {_many(checked.warnings, 'warning')}"
    )
    lines = [Text(head, style="bold")]
    told: dict[str, int] = {}
    for finding in checked.findings:
        told[finding.kind] = told.get(finding.kind, 0) + 1
        if told[finding.kind] <= SHOWN_OF_A_KIND:
            near = f" ({finding.similarity:.2f})" if finding.similarity is not None else ""
            lines.append(plain_text(f"  {finding.kind.replace('_', ' ')}: {finding.words}{near}", 400))
    for kind, count in checked.counts.items():
        if count > SHOWN_OF_A_KIND:
            lines.append(Text(f"  {kind.replace('_', ' ')}: {count} in all", style="dim"))
    return Text("\n").join(lines)


def looked_text(checked: Checked) -> Text:
    """How near duplicates were looked for."""
    looked = checked.looked
    partly = f"; {looked['buckets_in_part']} buckets were looked at in part" if looked["buckets_in_part"] else ""
    if looked.get("references_in_part"):
        partly += f"; {looked['references_in_part']} references were compared with part of the cases"
    return Text(
        f"Near duplicates: MinHash of {looked['elements']}, {looked['permutations']} permutations in {looked['bands']} "
        f"bands, then exact similarity >= {looked['threshold']}; a pair at it is found with probability "
        f"{looked['recall_at_threshold']}{partly}.",
        style="dim",
    )


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _lines(lines: Iterable[str]) -> Text:
    return Text("\n").join(plain_text(line) for line in lines)


def _ancestor(one: Ancestor) -> str:
    more = [one.wrong or ("changed since" if one.changed else "")]
    more += [f"by {one.transform}" if one.transform else "", one.licence, one.source]
    told = ", ".join(word for word in more if word)
    return f"{'  ' * one.generation}{one.name}" + (f" ({told})" if told else "")


def _columns(found: Sequence[Column]) -> Table:
    table = Table("field", "rows", "types", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in found:
        types = ", ".join(kind if len(column.types) == 1 else f"{kind} {n}" for kind, n in column.types.items())
        table.add_row(plain_text(column.path), str(column.rows), types)
    return table
