"""What a lock pins of what tasks share: tools, retrieval, data sets, and the project's own packages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import jinja2

from trimtab.declare.project import DataSet, Golden, Implementation, Project, Retrieval, Tool
from trimtab.lock.plain import command_line, endpoint, place, plain
from trimtab.lock.resolve_models import pinned_file
from trimtab.lock.schema_form import pinned_schema

NOTHING_LEARNED: Final[dict[str, Any]] = {"shape": None, "server": None, "definition": ""}
"""What is known of a tool that was never called nor listed by its server."""


def pinned_tool(tool: Tool, root: str, held: Mapping[str, Any]) -> dict[str, Any]:
    """What is pinned of a tool; of `held`, the earlier lock's, what was learned is kept.

    The shape of its answers is kept whatever changed, so that a new implementation is held against the old one's
    answers; what an MCP server said of itself is kept while the same server is named.
    """
    implementation = _implementation(tool.implementation, root)
    learned = {**NOTHING_LEARNED, **_mapping(held.get("learned"))}
    if implementation != held.get("implementation"):
        learned = {**learned, "server": None, "definition": ""}
    return {
        "description": plain(tool.description),
        "input_schema": pinned_schema(tool.input_schema),
        "output_schema": None if tool.output_schema is None else pinned_schema(tool.output_schema),
        "effect": tool.effect,
        "implementation": implementation,
        "golden": [_golden(golden) for golden in tool.golden],
        "learned": learned,
    }


def pinned_retrieval(retrieval: Retrieval, root: str) -> dict[str, Any]:
    """What is pinned of a retrieval."""
    return {
        "corpus": place(retrieval.corpus, root),
        "chunker": place(retrieval.chunker, root),
        "embedding_model": place(retrieval.embedding_model, root),
        "index": plain(
            {key: place(value, root) if isinstance(value, str) else value for key, value in retrieval.index.items()}
        ),
    }


def pinned_data(data: DataSet, root: str) -> dict[str, Any]:
    """What is pinned of a data set: its digest and where it comes from, not its rows."""
    return {
        "path": place(data.file.path, root),
        "sha256": data.file.digest,
        "rows": data.rows,
        "columns": None if data.columns is None else pinned_schema(data.columns),
        "parents": {parent.name: parent.digest for parent in data.parents},
        "transform": pinned_file(data.transform, root),
        "licence": place(data.licence, root),
        "source": place(data.source, root),
        "purpose": data.purpose,
    }


def pinned_packages(project: Project) -> dict[str, Any]:
    """The project's own dependency lock files and interpreter, and what renders its prompts here."""
    return {
        "python": place(project.lock.python, project.root),
        "dependencies": {place(file.path, project.root): file.digest for file in project.lock.dependencies},
        "templates": {"jinja2": jinja2.__version__},
    }


def _implementation(made: Implementation, root: str) -> dict[str, Any]:
    mcp = None
    if made.mcp is not None:
        mcp = {
            "tool": place(made.mcp.tool, root),
            "url": plain(endpoint(made.mcp.url)) if made.mcp.url else "",
            "command": command_line(made.mcp.command, root),
        }
    return {"source": pinned_file(made.source, root), "package": place(made.package, root), "mcp": mcp}


def _golden(golden: Golden) -> dict[str, str]:
    """A known answer by digests: it may hold what is somebody's."""
    return {
        "arguments": hashlib.sha256(golden.arguments.encode()).hexdigest(),
        "answer": hashlib.sha256(golden.answer.encode()).hexdigest(),
        "compare": golden.compare,
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
