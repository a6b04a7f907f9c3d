"""The `auth` table of a model: how requests to its servers are authenticated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from trimtab.declare import values
from trimtab.declare.host import existing_file
from trimtab.declare.mistakes import one_of
from trimtab.declare.project import BEARER, Auth, Wire
from trimtab.declare.table import Table

Kind = Literal["bearer", "azure", "aws", "google"]
KIND: Final[values.Read[Kind]] = values.choice("bearer", "azure", "aws", "google")
OF_KIND: Final[dict[Kind, tuple[str, ...]]] = {
    "bearer": (),
    "azure": ("api_version",),
    "aws": ("region", "service", "profile"),
    "google": ("project", "region", "credentials"),
}
"""The keys that each kind has beside `kind`."""
LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,126}[A-Za-z0-9])?")


def read_auth(model: Table, wire: Wire, root: Path) -> Auth:
    """The `auth` table of a model's table, and what its kind asks of the model's `api_key` and `wire`."""
    if "auth" not in model:
        return BEARER
    table = model.table("auth")
    kind: Kind = table.get("kind", KIND, "bearer")
    _check_use(table, kind)
    _check_model(model, table, kind, wire)
    if kind == "azure":
        _require(table, "api_version", '"2024-10-21" or "v1"')
    elif kind == "aws":
        _require(table, "region", '"us-east-1"')
    elif kind == "google" and (wire == "anthropic" or "project" in table or "region" in table):
        _require(table, "project", '"my-project"')
        _require(table, "region", '"us-east5" or "global"')
    return Auth(
        kind=kind,
        api_version=table.get("api_version", label, ""),
        region=table.get("region", label, ""),
        service=table.get("service", label, "bedrock" if kind == "aws" else ""),
        project=table.get("project", label, ""),
        profile=table.get("profile", values.text, ""),
        credentials=existing_file(table, "credentials", root),
    )


def label(value: object) -> str:
    """1 to 128 of A-Z, a-z, 0-9 and `. : _ -`, a letter or digit at both ends: what may stand in a URL as it is."""
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        raise values.Wrong(f"{values.show(value)}, not a label", "use 1 to 128 of the characters A-Z a-z 0-9 . : _ -")
    return value


def _require(table: Table, key: str, example: str) -> None:
    table.required(key, label, example)


def _check_use(table: Table, kind: Kind) -> None:
    """No key of another kind."""
    for keys in OF_KIND.values():
        for key in keys:
            if key in table and key not in OF_KIND[kind]:
                owners = one_of(values.show(each) for each, theirs in OF_KIND.items() if key in theirs)
                what = f"{table.name(key)} has no use with the kind {values.show(kind)}"
                table.wrong(key, what, f"take it out, or write kind = {owners}")


def _check_model(model: Table, table: Table, kind: Kind, wire: Wire) -> None:
    if kind == "azure" and "api_key" not in model:
        table.wrong("kind", f"{model.name('api_key')} is missing, which azure sends", 'write api_key = "env:NAME"')
    if kind in {"aws", "google"} and "api_key" in model:
        what = f"{model.name('api_key')} has no use: {kind} finds credentials of its own"
        model.wrong("api_key", what, 'take it out, or write auth.kind = "bearer"')
    if kind == "azure" and wire != "openai":
        table.wrong(
            "kind",
            f'{table.name("kind")} is "azure", which does not speak the wire {values.show(wire)}',
            'write wire = "openai", or kind = "bearer"',
        )
