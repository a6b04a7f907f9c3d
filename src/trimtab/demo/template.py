"""A conversation as the one text that the model was trained to continue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from trimtab.errors import EngineRefusal


class ChatTemplate:
    """The Jinja2 template of a model directory, rendered in a sandbox."""

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        self._template = environment.from_string(source)

    @classmethod
    def read(cls, folder: Path) -> ChatTemplate:
        """The template of a model directory."""
        return cls((folder / "chat_template.jinja").read_text(encoding="utf-8"))

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None) -> str:
        """The prompt, up to where the assistant's answer begins; EngineRefusal if the messages do not fit."""
        try:
            return self._template.render(messages=messages, tools=tools or None, add_generation_prompt=True)
        except (TemplateError, TypeError) as error:
            detail = f"its chat template does not fit these messages ({error})"
            raise EngineRefusal(400, detail, param="messages") from error
