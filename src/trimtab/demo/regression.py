"""A change of the demo's prompt that means well and does harm, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trimtab.errors import TrimtabError

TASK: Final = "extract"
ENTRY: Final = "prompts/extract"
WORDS: Final = """\
system:
Read the order below and answer with one JSON object that has the keys name, item, qty and city. \
Do not explain anything.
user:
{{ order }}
"""
"""The prompt after the change: clearer to a person, and not the words that the model was trained on, so that about a
quarter of its answers are no JSON any more, at the speed they had before."""


class NotTheDemo(TrimtabError):
    """{folder} is not the demo's project: it has no task `extract` with a prompt. Start the demo with
    `trimtab up --demo` and name its folder with `--project`.
    """


class PromptUnwritten(TrimtabError):
    """{path} cannot be written: {detail}. Free space or change its permissions, then run the command again."""


@dataclass(frozen=True)
class Regression:
    """The change in a project's folder; `kept` is where the prompt stands meanwhile as it was before."""

    folder: Path
    kept: Path

    @property
    def prompt(self) -> Path:
        """The prompt that is changed."""
        return self.folder / "tasks" / TASK / "prompt.md"

    @property
    def is_planted(self) -> bool:
        """Whether the change is there, from now or from a run that was cut short."""
        return self.kept.exists()

    def plant(self) -> tuple[str, str]:
        """Changes the prompt; its words before and after. Raises `NotTheDemo`, and `PromptUnwritten`."""
        before = self._words()
        _write(self.kept, before)
        _write(self.prompt, WORDS)
        return before, WORDS

    def restore(self) -> bool:
        """Puts the prompt back as it was; False where nothing was changed. Raises `PromptUnwritten`."""
        if not self.is_planted:
            return False
        _write(self.prompt, self.kept.read_text(encoding="utf-8"))
        self.kept.unlink()
        return True

    def _words(self) -> str:
        try:
            return self.prompt.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as missing:
            raise NotTheDemo(folder=str(self.folder)) from missing


def _write(path: Path, words: str) -> None:
    """A file in one step, so that nobody reads half of it."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(words, encoding="utf-8")
        fresh.replace(path)
    except OSError as failure:
        raise PromptUnwritten(path=str(path), detail=failure.strerror or str(failure)) from failure
