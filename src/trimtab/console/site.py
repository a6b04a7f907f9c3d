"""The pages there are, in the order of the navigation. A page is one file in `pages/`, one template, one line here."""

from __future__ import annotations

from typing import Any, Final

from trimtab.console.page import Action, Download, Page
from trimtab.console.pages import (
    alert,
    alert_acts,
    alert_rules,
    alerts,
    call,
    calls,
    conversation,
    conversations,
    costs,
    dead,
    evaluation,
    evaluation_history,
    evaluations,
    labelling,
    labels,
    letter,
    lock,
    overview,
    prompt,
    prompts,
    redrive,
    replicas,
    task,
    tasks,
    undeclared,
)

PAGES: Final[tuple[Page[Any], ...]] = (
    overview.PAGE,
    tasks.PAGE,
    task.PAGE,
    calls.PAGE,
    call.PAGE,
    conversations.PAGE,
    conversation.PAGE,
    prompts.PAGE,
    prompt.PAGE,
    lock.PAGE,
    evaluations.PAGE,
    evaluation.PAGE,
    evaluation_history.PAGE,
    labels.PAGE,
    labelling.PAGE,
    alerts.PAGE,
    alert_rules.PAGE,
    alert.PAGE,
    costs.PAGE,
    replicas.PAGE,
    dead.PAGE,
    redrive.PAGE,
    letter.PAGE,
    undeclared.LIST,
    undeclared.DETAIL,
)
ACTIONS: Final[tuple[Action, ...]] = (
    calls.SAVE,
    calls.DROP,
    call.JUDGE,
    *alert_acts.ACTIONS,
    *redrive.ACTIONS,
    *labelling.ACTIONS,
)
DOWNLOADS: Final[tuple[Download, ...]] = (
    call.REQUEST,
    call.RESPONSE,
    call.CASE,
    labelling.EXPORT,
)
