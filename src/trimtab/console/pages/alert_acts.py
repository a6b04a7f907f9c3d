"""What an operator does with alerts: forms of their pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException

from trimtab.console.alert_desk import AlertDesk
from trimtab.console.page import Action, Asked
from trimtab.console.pages.alert import SILENCES, seen
from trimtab.console.pages.alerts import sees
from trimtab.console.parts import Parts
from trimtab.errors import InvalidRequest
from trimtab.signals.alerts.alert import Act, Silence

ACTS: Final[dict[Act, str]] = {
    "acknowledge": "somebody sees to an alert and the others of its group",
    "resolve": "an alert is over, by a person's word",
    "accept": "what an alert tells of is taken for normal from now on",
}
SCOPES: Final = ("rule", "task")
MOST_WHY: Final = 500


def acting(what: Act) -> Action:
    """The form that does this with an alert."""

    async def act(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
        """Does it, and leads back to the alert."""
        desk, detail = await seen(asked, parts)
        why = form.get("why", "").strip()[:MOST_WHY]
        await desk.act(detail.alert.id, what, asked.visitor.name, why, asked.visitor.tasks)
        return _place(detail.alert.id)

    return Action(f"/alerts/{{id}}/{what}", ACTS[what], act)


async def silence(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Silences the rule of an alert in its task, or all of its task."""
    desk, detail = await seen(asked, parts)
    alert, why = detail.alert, form.get("why", "").strip()
    length, scope = form.get("for", ""), form.get("scope", "rule")
    if length not in SILENCES:
        raise InvalidRequest(detail=f"a silence is for one of {', '.join(SILENCES)}; choose one")
    if scope not in SCOPES or (scope == "task" and not alert.task):
        raise InvalidRequest(detail="a silence is of the alert's rule or of its task; choose one of them")
    if not why:
        raise InvalidRequest(detail="a silence needs a reason; write it for those who wonder why nobody is told")
    rule = alert.rule if scope == "rule" else ""
    wanted = Silence("", alert.task, "", rule, asked.now_ns, 0, asked.visitor.name, why[:MOST_WHY])
    await desk.silence(wanted, SILENCES[length][1])
    return _place(alert.id)


async def lift(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Ends a silence that the visitor may see."""
    desk, name = _desk(parts), asked.path["id"]
    found = next((one for one in (await desk.quiet()).silences if one.id == name), None)
    if found is None or not sees(asked.visitor, found.task):
        raise HTTPException(404, f"there is no silence {name[:80]}; it may have ended by itself")
    await desk.unsilence(name)
    return "/alerts#silences"


async def send_test(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Lets a receiver be told of an alert that is none."""
    await _desk(parts).send_test(asked.path["name"])
    return f"/alerts/rules?sent={quote(asked.path['name'], safe='')}#receivers"


def _desk(parts: Parts) -> AlertDesk:
    if parts.alert_desk is None:
        raise HTTPException(404, "there are no alerts here")
    return parts.alert_desk


def _place(alert: str) -> str:
    return f"/alerts/{quote(alert, safe='')}"


ACTIONS: Final = (
    *(acting(what) for what in ACTS),
    Action("/alerts/{id}/silence", "tells nobody of the rule or the task of an alert for a while", silence),
    Action("/alerts/silences/{id}/lift", "ends a silence", lift),
    Action("/alerts/receivers/{name}/test", "sends a receiver a test", send_test, whole=True),
)
