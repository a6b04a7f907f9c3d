"""What became of answers and tool calls, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.reports.contracts import ContractReport, Share
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import share_of, whole
from trimtab.store.contract_figures import UNKNOWN_TOOL, AnswerResult

ANSWERS: tuple[tuple[AnswerResult, str], ...] = (
    ("valid_first", "valid first time"),
    ("repaired", "valid after repair"),
    ("rejected", "rejected"),
    ("passed_invalid", "passed invalid"),
    ("truncated", "truncated"),
    ("refused", "refused"),
)
DIGEST_CHARACTERS = 12
Row = tuple[str, str, str]


def contracts_text(contracts: tuple[ContractReport, ...]) -> RenderableType:
    """The shares of each prompt: answers by what became of them, tool calls by outcome, and what else there was."""
    is_by_prompt = len(contracts) > 1 or any(one.prompt for one in contracts)
    return Group(*(part for one in contracts for part in _parts(one, is_by_prompt)))


def _parts(one: ContractReport, is_by_prompt: bool) -> Iterator[RenderableType]:
    if is_by_prompt:
        yield Text(f"prompt {one.prompt[:DIGEST_CHARACTERS]}" if one.prompt else "no declared prompt", style="bold")
    rows = (*_answers(one), *_tools(one))
    if rows:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        for _ in range(2):
            table.add_column(overflow="fold", min_width=12)
        table.add_column(no_wrap=True)
        for row in rows:
            table.add_row(*map(plain_text, row))
        yield table
    yield from map(Text, _lines(one))


def _answers(one: ContractReport) -> Iterator[Row]:
    for result, told in ANSWERS if one.answers else ():
        yield "" if result != ANSWERS[0][0] else "answers", told, _share(one.answers[result])


def _tools(one: ContractReport) -> Iterator[Row]:
    """Of outcomes that never occurred only `valid` is told, of tools a model could call; all together where several."""
    groups = [(f"tool {tool.tool}", tool.outcomes) for tool in one.tools]
    if len(groups) > 1:
        groups.insert(0, ("all tools", one.tool_calls))
    for name, outcomes in groups:
        could_be_valid = name != f"tool {UNKNOWN_TOOL}"
        told = [(outcome, share) for outcome, share in outcomes.items() if share.count]
        if could_be_valid and not outcomes["valid"].count:
            told.insert(0, ("valid", outcomes["valid"]))
        for place, (outcome, share) in enumerate(told):
            yield "" if place else name, outcome, _share(share)


def _lines(one: ContractReport) -> Iterator[str]:
    if one.repairs:
        yield f"asked again  {whole(one.repairs)}"
    if one.flagged or one.stopped:
        yield f"repetition   flagged {whole(one.flagged)}   stopped {whole(one.stopped)}"
    if one.resumed:
        yield f"resumed      {whole(one.resumed)} (seams {whole(one.seams)})"


def _share(share: Share) -> str:
    return share_of(share.share, share.low, share.high, share.n)
