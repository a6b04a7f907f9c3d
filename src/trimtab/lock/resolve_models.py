"""What a lock pins of a model: what is asked for and what that stands for, how it is served, what was learned of it.

Left out is what differs between environments and changes no answer: addresses of servers of one's own, keys and where
they lie, certificates, proxies, prices.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from trimtab.declare.project import Adapter, FileDigest, Model, Project, Served
from trimtab.lock.plain import command_line, endpoint, environment, place, plain

NO_IDENTITY: Final[dict[str, Any]] = {"fingerprints": [], "server_version": "", "served_model": "", "baseline": ""}
"""What is known of a model that was never asked."""
_IDENTIFYING: Final = ("adapter", "endpoints", "engine", "requested", "revision", "served", "wire")
"""What a model is by; where one of these changed, what was learned before was learned of another one."""
_PRIVATE_ENDINGS: Final = (".local", ".localhost", ".internal", ".lan", ".svc", ".intranet", ".home.arpa", ".test")


def pinned_model(model: Model, project: Project, held: Mapping[str, Any]) -> dict[str, Any]:
    """What is pinned of a model; `held` is what the earlier lock has of it, which is kept where it still holds."""
    root = project.root
    pinned: dict[str, Any] = {
        "requested": plain(model.served_name),
        "wire": model.wire,
        "engine": model.engine,
        "grammar": model.grammar,
        "revision": place(model.revision, root),
        "endpoints": endpoints(model),
        "auth": plain(
            {
                "kind": model.auth.kind,
                "api_version": model.auth.api_version,
                "region": model.auth.region,
                "service": model.auth.service,
            }
        ),
        "served": _served(model, root),
        "adapter": _adapter(model.served.adapter, project),
        "trained_on": data_digests(model.served.trained_on, project),
        "retires": plain(model.retires),
        "passthrough": sorted(f"{route.method} {route.path}" for route in model.passthrough),
        "watch": {"enforcement_s": plain(model.probe_s), "identity_s": plain(model.identity_s)},
    }
    same = all(held.get(key) == pinned[key] for key in _IDENTIFYING)
    pinned["resolved"] = _text(held, "resolved", pinned["requested"]) if same else pinned["requested"]
    pinned["identity"] = _identity(held) if same else dict(NO_IDENTITY)
    return pinned


def endpoints(model: Model) -> list[str]:
    """Whose services serve a model: the URLs of hosted ones, sorted.

    Servers of one's own (a vLLM, an address, a name that only a private network knows) have other addresses in each
    environment, and are told apart by what `served` says of them instead.
    """
    if model.engine == "vllm":
        return []
    return sorted({endpoint(url) for url in model.replicas if _is_public(urlsplit(url).hostname or "")})


def data_digests(names: tuple[str, ...], project: Project) -> dict[str, str]:
    """Data sets by their names, each with the digest of its file; empty for one that is not declared."""
    found = {name: project.data_sets.get(name) for name in names}
    return {name: data.file.digest if data else "" for name, data in found.items()}


def pinned_file(file: FileDigest | None, root: str) -> dict[str, str] | None:
    """A file of the project."""
    return None if file is None else {"path": place(file.path, root), "sha256": file.digest}


def _served(model: Model, root: str) -> dict[str, Any]:
    served: Served = model.served
    hardware = served.hardware or (f"{model.gpu.count} x {model.gpu.kind}" if model.gpu else "")
    return {
        "server": place(served.server, root),
        "image": place(served.image, root),
        "flags": command_line(served.flags, root),
        "environment": environment(served.environment, root),
        "hardware": place(hardware, root),
        "dtype": place(served.dtype, root),
        "quantization": place(served.quantization, root),
        "weights": {place(file, root): digest.removeprefix("sha256:") for file, digest in served.weights.items()},
        "chat_template": pinned_file(served.chat_template, root),
        "tokenizer": pinned_file(served.tokenizer, root),
    }


def _adapter(adapter: Adapter | None, project: Project) -> dict[str, Any] | None:
    if adapter is None:
        return None
    return {
        "name": place(adapter.name, project.root),
        "base": place(adapter.base, project.root),
        "revision": place(adapter.revision, project.root),
        "trained_on": data_digests(adapter.trained_on, project),
    }


def _is_public(host: str) -> bool:
    """Whether a host has a name that the whole internet knows."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return "." in name and not name.endswith(_PRIVATE_ENDINGS)
    return False


def _identity(held: Mapping[str, Any]) -> dict[str, Any]:
    told = held.get("identity")
    return {**NO_IDENTITY, **told} if isinstance(told, Mapping) else dict(NO_IDENTITY)


def _text(held: Mapping[str, Any], key: str, otherwise: str) -> str:
    told = held.get(key)
    return told if isinstance(told, str) and told else otherwise
