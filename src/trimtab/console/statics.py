"""The files that pages load: our own and uPlot's, each under a name with its digest, so that it may be kept long."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.console.endpoint import Endpoint

OURS: Final = ("console.css", "console.js", "charts.js", "icon.svg")
UPLOT: Final = ("uPlot.iife.js", "uPlot.min.css")
MEDIA: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Statics:
    """Contents by served name, and the address of each file by its own name. Nothing else is ever read from disk."""

    contents: dict[str, bytes]
    addresses: dict[str, str]

    def __contains__(self, name: object) -> bool:
        return name in self.addresses

    def address(self, name: str) -> str:
        """Where a file is served."""
        return self.addresses[name]

    def endpoint(self) -> Endpoint:
        """The route of all of them."""
        return Endpoint(
            "GET", "/static/{name:path}", "anyone", self._serve, "files of the pages", page=True, socket=False, media=""
        )

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = self.contents.get(name)
        if content is None:
            raise HTTPException(404, "there is no such file here; load the page again, its files may be newer")
        media = MEDIA[Path(name).suffix]
        return Response(content, media_type=media, headers={"cache-control": FOR_EVER})


def statics() -> Statics:
    """Reads all files once. Without the package of uPlot there are none of it, and charts stay those of the server."""
    found = {name: (files("trimtab.console") / "static" / name).read_bytes() for name in OURS}
    spec = find_spec("uplot")
    folder = Path(spec.origin).parent / "static" if spec is not None and spec.origin else None
    if folder is not None and all((folder / name).is_file() for name in UPLOT):
        found |= {name: (folder / name).read_bytes() for name in UPLOT}
    contents, addresses = {}, {}
    for name, content in found.items():
        stem, _, ending = name.rpartition(".")
        served = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
        contents[served], addresses[name] = content, f"/static/{served}"
    return Statics(contents, addresses)
