"""What stands in the addresses of pages that have something in them, by the page's name: things that are seeded."""

from __future__ import annotations

from typing import Final

from tests.console import agents, alarms, evaluated
from tests.console.past import NEW_LOCK, OLD_LOCK, OLD_PROMPT
from tests.console.straying import FEW, SORTING

PLACES: Final[dict[str, dict[str, str]]] = {
    "task": {"task": "extract"},
    "call": {"call": "talk-3"},
    "prompt": {"task": "extract"},
    "lock": {"lock": NEW_LOCK},
    "conversation": {"conversation": "support/42"},
    "undeclared_cluster": {"cluster": SORTING},
    "alert": {"id": alarms.OPEN},
    "letter": {"id": "hostile-1"},
    "run": {"run": agents.FAILED},
    "review": {"review": agents.REVIEW},
    "evaluation": {"evaluation": evaluated.BLOCKED},
    "evaluation_history": {"task": "extract"},
    "labelling": {"name": "helpful"},
}
REACHED: Final = frozenset({"redrive", "run_compare"})
"""Pages that only a form leads to: tests of what people do go there."""
FURTHER: Final[tuple[str, ...]] = (
    "/tasks/extract?by=prompt",
    "/tasks/extract?by=answers",
    "/tasks/idle",
    "/calls?task=extract&failing=true&order=slowest&min_total=1&limit=20",
    "/calls?text=nothing+says+this",
    "/calls/talk-1",
    "/calls/talk-4",
    "/calls/chunked",
    "/calls/hostile-0",
    "/calls/extract-5-0",
    "/conversations?task=refund",
    f"/undeclared/{FEW}",
    f"/prompts/extract?b={OLD_PROMPT}",
    "/prompts/refund",
    f"/prompts/locks/{OLD_LOCK}",
    f"/alerts/{alarms.HOST}",
    "/alerts/hostile-1",
    "/alerts?state=acknowledged&range=15m",
    "/alerts/rules?task=idle",
    f"/evaluations/{evaluated.HARMFUL}",
    f"/evaluations/{evaluated.RUNS}",
    f"/evaluations/{evaluated.ALONE}",
    f"/evaluations/{evaluated.BLOCKED}?case=case-20",
    "/evaluations?ended=done",
    f"/runs/{agents.FAILED}?step=7",
    f"/runs/{agents.HARM}",
    f"/runs/{agents.HARM}?step=3",
    f"/runs/{agents.LONG}?at=300",
    f"/runs/{agents.PARKED}",
    f"/runs/compare?left={agents.FAILED}&right={agents.FORK}",
    "/runs?state=failed&range=24h",
    "/labels/harm",
    "/labels/better",
    "/labels/settled",
    "/dead/route-3-4",
    "/dead?kind=alert",
    "/dead?cause=nothing",
    "/?range=28d",
    "/?from=2020-01-01T00:00Z&to=2020-01-02T00:00Z",
)
"""More addresses to visit: other views of pages, and pages with nothing to show."""
