"""A task's prompt as it is elsewhere: in a file of the project, or in another revision of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.declare.files import is_inside
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.parts import Parts
from trimtab.declare.project import Prompt, Task
from trimtab.declare.prompts import read_prompt
from trimtab.errors import InvalidRequest, RevisionUnknown
from trimtab.lock.git import Repository, find
from trimtab.lock.prompt_history import prompt_history
from trimtab.lock.prompt_versions import state_at

DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")
SHORT: Final = 12
MOST_VERSIONS: Final = 300


class PromptThere(NamedTuple):
    """A prompt and where it was found: a file, or the beginning of a commit."""

    where: str
    prompt: Prompt


def prompt_there(root: Path, task: Task, named: str, *, alone: bool) -> PromptThere | None:
    """The prompt of a task in a file of the project, in a revision, or of a version's digest as `prompts log` tells it.

    A file can only be that of a task which is meant `alone`. None where the revision has no prompt of the task. Raises
    `InvalidRequest`, `GitFailed`.
    """
    if (root / named).is_file():
        if not alone:
            raise InvalidRequest(detail=f"the prompts of several tasks are meant; name one: {task.name}.prompt={named}")
        return PromptThere(named, _of_file(root, task, named))
    repository = find(root)
    if repository is None:
        detail = f"there is no file {named!a}, and the project lies in no git repository"
        raise InvalidRequest(detail=detail)
    commit = _commit(root, repository, task, named)
    state = state_at(repository, commit, task.name)
    if state is not None and state.prompt is None:
        raise InvalidRequest(detail=f"the prompt of {task.name} at {named} cannot be read: {state.fault}")
    return PromptThere(commit[:SHORT], state.prompt) if state is not None and state.prompt is not None else None


def _of_file(root: Path, task: Task, named: str) -> Prompt:
    if Path(named).is_absolute() or not is_inside(root, root / named):
        raise InvalidRequest(detail=f"{named} lies outside of the project; put it there")
    mistakes = Mistakes()
    prompt = read_prompt(Parts(root, mistakes), named, task.prompt.types if task.prompt is not None else {})
    if prompt is None:
        raise InvalidRequest(detail=str(next(iter(mistakes), f"{named} cannot be read")))
    return prompt


def _commit(root: Path, repository: Repository, task: Task, named: str) -> str:
    """The commit that is named; also by the digest of the version that it brought."""
    try:
        return repository.revision(named)
    except RevisionUnknown:
        if not DIGEST.fullmatch(named):
            raise
        versions = prompt_history(root, task.name, MOST_VERSIONS).versions
        found = next((one.commit for one in versions if one.commit and one.digest.startswith(named)), None)
        if found is None:
            raise
        return found.hash
