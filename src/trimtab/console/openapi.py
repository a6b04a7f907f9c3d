"""OpenAPI 3.1 of all that is served, made of the table of routes and the types it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.console.endpoint import Endpoint, Query

REFERENCE: Final = "#/components/schemas/{name}"
PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
PATH: Final = "/api/openapi.json"


class Failure(Struct, frozen=True):
    """What went wrong, and what to do next."""

    code: str
    message: str


class Failed(Struct, frozen=True):
    """The one shape of errors."""

    error: Failure


def openapi(table: Sequence[Endpoint], version: str, cookie: str = "") -> dict[str, Any]:
    """The document of a table: every route is in it, and nothing else. `cookie` is the name of that of sessions."""
    types = [Failed, *(kind for one in table for kind in (one.answers, one.body) if kind is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    by_type = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for one in table:
        place = PARAMETER.sub(r"{\1}", one.path)
        paths.setdefault(place, {})[one.method.lower()] = _operation(one, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Trimtab control", "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie or "trimtab_session"},
            },
        },
    }


def _operation(one: Endpoint, by_type: dict[int, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": one.says,
        "operationId": re.sub(r"\W+", "_", f"{one.method.lower()} {one.path}").strip("_"),
        "tags": ["pages" if one.page else "api"],
        "x-trimtab-least": one.least,
        "x-trimtab-acts": one.acts,
        "x-trimtab-where": "socket" if one.least == "owner" else "both" if one.socket else "network",
        "parameters": [*_in_path(one.path), *map(_parameter, one.query or ())],
        "responses": {str(one.status if one.media else 303): _answer(one, by_type), "default": _failure(by_type)},
        "security": [] if one.least == "anyone" else [{"key": []}, {"session": []}],
    }
    if one.body is not None:
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": by_type[id(one.body)]}},
        }
    return told


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in PARAMETER.findall(path)
    ]


def _parameter(query: Query) -> dict[str, Any]:
    kind = msgspec.json.schema(query.kind)
    schema = {"type": "array", "items": kind} if query.many else kind
    return {"name": query.name, "in": "query", "description": query.says, "schema": schema}


def _answer(one: Endpoint, by_type: dict[int, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if one.answers is not None:
        content["application/json"] = {"schema": by_type[id(one.answers)]}
    if one.media and (one.media != "application/json" or not content):
        content[one.media] = {}
    if one.page and one.answers is not None:
        content["text/csv"] = {}
    return {"description": one.says, **({"content": content} if content else {})}


def _failure(by_type: dict[int, Any]) -> dict[str, Any]:
    return {"description": "what went wrong", "content": {"application/json": {"schema": by_type[id(Failed)]}}}
