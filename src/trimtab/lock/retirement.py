"""When hosted models are taken away: the day that a project names, else the one that their provider published."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

from msgspec import Struct

from trimtab.declare.project import Model
from trimtab.lock.aliases import bare_name

ANTHROPIC: Final = "platform.claude.com/docs/en/about-claude/model-deprecations"
OPENAI: Final = "developers.openai.com/api/docs/deprecations"

_ANTHROPIC_DAYS: Final = {
    "2025-07-21": "claude-2.0 claude-2.1 claude-3-sonnet-20240229",
    "2025-10-28": "claude-3-5-sonnet-20240620 claude-3-5-sonnet-20241022",
    "2026-01-05": "claude-3-opus-20240229",
    "2026-02-19": "claude-3-7-sonnet-20250219 claude-3-5-haiku-20241022",
    "2026-06-15": "claude-sonnet-4-20250514 claude-opus-4-20250514",
    "2026-08-05": "claude-opus-4-1-20250805",
    "2026-11-30": "claude-sonnet-4-5-20250929",
}
"""Days on which Anthropic's own platforms take models away; Bedrock and Vertex AI have days of their own."""
_OPENAI_DAYS: Final = {
    "2026-07-23": "gpt-4o-search-preview-2025-03-11 gpt-4o-mini-search-preview-2025-03-11 "
    "o3-deep-research-2025-06-26 o4-mini-deep-research-2025-06-26 computer-use-preview-2025-03-11",
    "2026-10-23": "gpt-3.5-turbo-0125 gpt-4-0613 gpt-4-turbo-2024-04-09 gpt-4o-2024-05-13 o1-2024-12-17 "
    "o1-pro-2025-03-19 o3-mini-2025-01-31 o4-mini-2025-04-16 gpt-4.1-nano-2025-04-14",
    "2026-12-11": "gpt-5-2025-08-07 gpt-5-mini-2025-08-07 gpt-5-nano-2025-08-07 o3-2025-04-16",
    "2027-01-14": "gpt-4o-2024-08-06 gpt-4o-2024-11-20 gpt-4o-mini-2024-07-18 gpt-4.1-2025-04-14 "
    "gpt-4.1-mini-2025-04-14",
}
"""Days on which OpenAI shuts models down; Azure has days of its own."""
PUBLISHED: Final = {
    **{(name, ANTHROPIC): date.fromisoformat(day) for day, names in _ANTHROPIC_DAYS.items() for name in names.split()},
    **{(name, OPENAI): date.fromisoformat(day) for day, names in _OPENAI_DAYS.items() for name in names.split()},
}
"""The day of each model, by its dated name and the page that tells it (as read in November 2026)."""
_PAGES: Final = {"anthropic": ANTHROPIC, "openai": OPENAI}


class Warned(Struct, frozen=True):
    """What does not keep a project from being locked, but should be looked at. `key` is the entry's.

    `severity` is "error" for a model that is gone already. `days` are those left until it is, negative afterwards.
    """

    key: str
    words: str
    severity: Literal["warning", "error"] = "warning"
    days: int | None = None


class Retirement(Struct, frozen=True):
    """The day on which a model is taken away, and who says so: "models.X.retires" or the provider's page."""

    day: date
    source: str


def retirement(model: Model, resolved: str) -> Retirement | None:
    """When a model is taken away, if that is known; `resolved` is the dated name that is sent to its servers."""
    if model.retires is not None:
        return Retirement(model.retires, f"models.{model.name}.retires")
    page = _PAGES.get(model.engine)
    if page is None or model.auth.kind != "bearer":
        return None
    day = PUBLISHED.get((bare_name(resolved), page))
    return None if day is None else Retirement(day, page)


def warn(model: Model, resolved: str, today: date, warn_days: tuple[int, ...]) -> Warned | None:
    """What to say of a model's end today: nothing while more days are left than the largest of `warn_days`."""
    known = retirement(model, resolved)
    if known is None:
        return None
    days = (known.day - today).days
    key = f"models/{model.name}"
    upgrade = f"move on with `trimtab lock upgrade models.{model.name} --to ...`"
    if days <= 0:
        since = "today" if days == 0 else f"since {known.day} ({-days} {_days(-days)} ago)"
        return Warned(key, f"{key}: {resolved} is retired {since} ({known.source}); {upgrade}", "error", days)
    passed = [step for step in warn_days if days <= step]
    if not passed:
        return None
    words = f"{key}: {resolved} retires on {known.day}, in {days} {_days(days)} ({known.source}); {upgrade}"
    return Warned(key, words, "warning", days)


def _days(count: int) -> str:
    return "day" if count == 1 else "days"
