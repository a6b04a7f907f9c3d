"""Names that stand for another thing tomorrow: branches, tags, `latest`, undated names of hosted models.

What cannot change under its name has a digest, a commit's hash or a date in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from trimtab.declare.project import Adapter, Auth, Model, Retrieval, Tool

ASK_LIVE: Final = "trimtab lock --live"
"""What resolves an alias by asking its provider."""
_COMMIT: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}|[0-9a-f]{40}")
_IMAGE: Final = re.compile(r"(?:[^\s@]{1,255}@)?sha256:[0-9a-f]{64}|[0-9a-f]{64}")
_LATEST: Final = re.compile(r"(?i)(?:^|[:@/_.-])(?:latest|newest|nightly)$")
_UNSTEADY: Final = re.compile(r"(?i)(?:^|[:@/_.-])(?:latest|newest|nightly|current|main|master|head)$")
_DATE: Final = re.compile(
    r"(?:^|[-@_.:])(?:20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"|2[3-9](?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])-20[0-9]{2})(?:$|[-@_:.])"
)
"""2024-08-06, 20250514, 0613, 2407 or 09-2025 as a part of its own."""
_NUMBERED: Final = re.compile(r"-[0-9]{3}$|-v?[0-9]+:[0-9]+$")
"""-001 as on Vertex AI, -v1:0 as on Bedrock."""
_FINE_TUNED: Final = re.compile(r"ft:[^:]{1,200}:[^:]*:[^:]*:[^:]{4,}")
_CLAUDE: Final = re.compile(r"claude-[a-z]+-([0-9]{1,2})(?:-([0-9]{1,2}))?(?:-v1)?")
_CLAUDE_UNDATED_FROM: Final = (4, 6)
"""From this generation on a name without a date is one fixed snapshot of its own.

Source: platform.claude.com/docs/en/about-claude/models/model-ids-and-versions.
"""
_PLATFORM: Final = re.compile(r"\A(?:(?:us|eu|apac|jp|au|global)\.)?anthropic\.")
_EXACT_PACKAGE: Final = re.compile(r"[^\s=<>!~]{1,200}===?[0-9][^\s*]{0,100}")
_NPM: Final = frozenset({"npx", "bunx", "pnpx"})
_PYTHON: Final = frozenset({"uvx", "pipx"})
_CONTAINERS: Final = frozenset({"docker", "podman"})
"""Programs that fetch what they run: from npm, from a Python index, from a registry of images."""
_SUBCOMMANDS: Final = frozenset({"run", "exec", "dlx", "tool"})
_VALUED: Final = frozenset({"-e", "--env", "-v", "--volume", "--mount", "--network", "--name", "--python", "-w", "-u"})
_NPM_VERSION: Final = re.compile(r".+@[0-9]+\.[0-9]+\.[0-9]+\S*")
_PYTHON_VERSION: Final = re.compile(r".+(?:===?|@)(?:[0-9][^*\s]*|[0-9a-f]{40})")


def bare_name(served: str) -> str:
    """A hosted model's name without what a platform puts before it ("us.anthropic.", "models/")."""
    return _PLATFORM.sub("", served.rpartition("/")[2])


def is_fixed_revision(revision: str) -> bool:
    """Whether a revision is a commit's or a content's whole hash; branches, tags and short hashes are not."""
    return bool(_COMMIT.fullmatch(revision))


def is_dated(name: str) -> bool:
    """Whether a hosted model's name stands for one snapshot: it has a date, a version of its own, or is fine-tuned."""
    if _LATEST.search(name):
        return False
    bare = bare_name(name)
    if _DATE.search(bare) or _NUMBERED.search(bare) or _FINE_TUNED.fullmatch(name):
        return True
    claude = _CLAUDE.fullmatch(bare)
    return claude is not None and (int(claude[1]), int(claude[2] or 0)) >= _CLAUDE_UNDATED_FROM


def is_hosted(engine: str, auth: Auth) -> bool:
    """Whether others serve a model, so that its name alone tells which it is."""
    if engine == "vllm":
        return False
    by_account = auth.kind in {"azure", "google"} or (auth.kind == "aws" and auth.service.startswith("bedrock"))
    return engine in {"openai", "anthropic"} or by_account


def of_model(model: Model, resolved: str, served_model: str) -> Iterator[str]:
    """What of a model moves, each with what to do.

    `resolved` is the name that is sent; `served_model` is what the server called itself, if it was asked.
    """
    name = model.name
    if _LATEST.search(resolved):
        yield (
            f'models.{name}.model is "{resolved}", which stands for another model tomorrow; name the one that it '
            f"stands for today, with its date or version"
        )
    elif is_hosted(model.engine, model.auth) and not _is_known(model, resolved, served_model):
        yield (
            f'models.{name}.model is "{resolved}", which its provider may move to another snapshot; name a dated one '
            f'(as "gpt-4o-2024-08-06" is), or let `{ASK_LIVE}` ask what it stands for'
        )
    if model.revision and not is_fixed_revision(model.revision) and not _is_version(model):
        yield (
            f'models.{name}.revision is "{model.revision}", a branch or a tag, which can be moved; write the 40 or 64 '
            f"digits of the commit it stands for"
        )
    yield from _of_served(model)


def _is_known(model: Model, resolved: str, served_model: str) -> bool:
    return is_dated(resolved) or served_model == resolved or _is_version(model)


def _is_version(model: Model) -> bool:
    """Whether the revision is the model version of a deployment whose name its owner chose, as on Azure."""
    return model.auth.kind == "azure" and bool(_DATE.search(model.revision))


def _of_served(model: Model) -> Iterator[str]:
    served, place = model.served, f"models.{model.name}.served"
    if served.image and not _IMAGE.fullmatch(served.image):
        yield (
            f'{place}.image is "{served.image}", a tag, which can be moved; write the image\'s digest '
            f'("sha256:..." or "name@sha256:...")'
        )
    if served.server and (_LATEST.search(served.server) or not any(sign.isdigit() for sign in served.server)):
        yield f'{place}.server is "{served.server}", which names no version; write it as in "vllm==0.32.0"'
    if served.adapter is not None:
        yield from _of_adapter(served.adapter, f"{place}.adapter")


def _of_adapter(adapter: Adapter, place: str) -> Iterator[str]:
    if adapter.revision and not is_fixed_revision(adapter.revision):
        yield (
            f'{place}.revision is "{adapter.revision}", a branch or a tag, which can be moved; write the 40 or 64 '
            f"digits of the commit it stands for"
        )
    for key, value in (("name", adapter.name), ("base", adapter.base)):
        if _LATEST.search(value):
            yield f'{place}.{key} is "{value}", which stands for another thing tomorrow; name the version it stands for'


def of_tool(tool: Tool) -> Iterator[str]:
    """What of a tool's implementation moves, each with what to do."""
    made = tool.implementation
    place = f"tools/{tool.name}.json: implementation"
    if made.package and not _EXACT_PACKAGE.fullmatch(made.package):
        yield f'{place}.package is "{made.package}", which is no one version; write it as in "name==1.2.3"'
    if made.mcp is not None and made.mcp.command:
        fetched = _fetched(made.mcp.command)
        if fetched is not None:
            program, what = fetched
            yield (
                f'{place}.mcp.command has {program} fetch "{what}", whose version is open; '
                f"{_exact(program, what)}, so that the server is the same tomorrow"
            )


def of_retrieval(retrieval: Retrieval) -> Iterator[str]:
    """What of a retrieval moves, each with what to do."""
    for key, value in (("corpus", retrieval.corpus), ("embedding_model", retrieval.embedding_model)):
        if _UNSTEADY.search(value):
            yield (
                f'retrieval.{retrieval.name}.{key} is "{value}", which stands for another thing tomorrow; name the '
                f"snapshot or version that it stands for today"
            )


def _fetched(command: tuple[str, ...]) -> tuple[str, str] | None:
    """The program that fetches what it runs, and what it fetches without naming a version; None where it is fixed."""
    program = command[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
    if program not in _NPM | _PYTHON | _CONTAINERS:
        return None
    skip = False
    for word in command[1:]:
        option, sign, value = word.partition("=")
        named = value if sign and option in {"--package", "--from"} else word
        if skip or named.startswith("-"):
            skip = not skip and named in _VALUED
        elif named not in _SUBCOMMANDS:
            return None if _names_version(program, named) else (program, named)
    return None


def _names_version(program: str, word: str) -> bool:
    if program in _CONTAINERS:
        return bool(_IMAGE.fullmatch(word))
    form = _NPM_VERSION if program in _NPM else _PYTHON_VERSION
    return word.startswith((".", "/")) or bool(form.fullmatch(word))


def _exact(program: str, what: str) -> str:
    if program in _CONTAINERS:
        return f'write "{what.partition(":")[0]}@sha256:..."'
    bare = what[:1] + re.split("[@=<>~]", what[1:])[0]
    return f'write "{bare}{"@" if program in _NPM else "=="}1.2.3"'
