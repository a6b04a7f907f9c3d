"""The page of documentation that lists every signal."""

from __future__ import annotations

from typing import Final

from trimtab.signals.catalogue import SIGNALS
from trimtab.signals.signal import Family, Signal

HEADS: Final[dict[Family, tuple[str, str]]] = {
    "behaviour": ("Behaviour", "Whether what comes back is what was meant."),
    "infrastructure": ("Infrastructure", "Whether calls are answered, how fast, and how replicas and host fare."),
    "cost": ("Cost", "What calls and completed work take in tokens and money."),
}
FORMS: Final = {
    "ratio": "share",
    "spread": "distribution",
    "shares": "parts of a whole",
    "amount": "amount",
    "fields": "distribution of each field",
    "reading": "latest reading",
}


def tables() -> str:
    """The tables of all signals, by family, as Markdown."""
    return "\n".join(_family(family) for family in HEADS)


def _family(family: Family) -> str:
    head, says = HEADS[family]
    lines = [
        f"## {head}",
        "",
        says,
        "",
        "| signal | what it is | what is counted, among what | what it says | what a change means |",
    ]
    lines.append("|---|---|---|---|---|")
    lines += [_row(one) for one in SIGNALS if one.family == family]
    return "\n".join(lines) + "\n"


def _row(one: Signal) -> str:
    good = {"higher": ", higher is better", "lower": ", lower is better", "neither": ""}[one.better]
    form = FORMS[one.kind] if one.unit == "share" else f"{FORMS[one.kind]}, {one.unit}"
    counted = f"{one.of} / {one.among}" if one.of else f"`{one.series.of}`" if one.series else ""
    return f"| `{one.name}` | {form}{good} | {counted} | {one.says} | {one.means} |"
