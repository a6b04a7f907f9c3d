"""What goes wrong, told in one shape: JSON to programs, a page to people. Neither ever shows a stack trace."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.errors import CallError, InvalidRequest, KeyNameInvalid, KeyUnknown, StoreError, Unauthorized

T = TypeVar("T")
ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
PAGE: Final = "trimtab.page"
"""The key in a request's scope that is true where a person asked for a page."""


@dataclass(frozen=True)
class Problem:
    """What happened: a status, a code, and words that end with what to do next."""

    status: int
    code: str
    message: str


Shown = Callable[[Request, Problem], Response]


def json_answer(content: Any, status: int = 200) -> Response:
    """JSON, whatever msgspec can encode; half a surrogate pair, which UTF-8 cannot hold, is U+FFFD in it."""
    try:
        encoded = msgspec.json.encode(content)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_whole(msgspec.to_builtins(content, str_keys=True)))
    return Response(encoded, status, media_type="application/json")


def json_given(body: bytes, kind: type[T], what: str) -> T:
    """The JSON of a request; raises `InvalidRequest`, that the body is not `what`, for anything else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise InvalidRequest(detail=f"the body is not {what}: {wrong}") from wrong
    except RecursionError as wrong:
        raise InvalidRequest(detail=f"the body is not {what}: it is nested too deeply; send it flatter") from wrong


def _whole(value: Any) -> Any:
    """The same with every text made of whole characters."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole(key): _whole(one) for key, one in value.items()}
        case list() | tuple():
            return [_whole(one) for one in value]
    return value


def problem_of(failure: Exception) -> tuple[Problem, dict[str, str]]:
    """What a failure is told as, and the headers that go with it."""
    headers: dict[str, str] = {}
    match failure:
        case CallError():
            if isinstance(failure, Unauthorized):
                headers["www-authenticate"] = "Bearer"
            if failure.retry_after_s is not None:
                headers["retry-after"] = str(math.ceil(failure.retry_after_s))
            return Problem(failure.status, failure.code, str(failure)), headers
        case StoreError():
            return Problem(503, "telemetry_unavailable", str(failure)), {"retry-after": "5"}
        case HTTPException():
            code = {404: "not_found", 405: "method_not_allowed"}.get(failure.status_code, "invalid_request")
            return Problem(failure.status_code, code, str(failure.detail)), dict(failure.headers or {})
        case KeyUnknown():
            return Problem(404, "not_found", str(failure)), headers
        case KeyNameInvalid():
            return Problem(400, "invalid_request", str(failure)), headers
    return Problem(500, "internal", "control failed on this request; its log says why"), headers


def handlers(shown: Shown | None = None) -> dict[Any, ErrorHandler]:
    """Starlette's handlers of all that may be raised; `shown` makes the page of a problem."""

    async def told(request: Request, failure: Exception) -> Response:
        problem, headers = problem_of(failure)
        if shown is not None and _wants_page(request):
            answer = shown(request, problem)
        else:
            answer = json_answer({"error": {"code": problem.code, "message": problem.message}}, problem.status)
        answer.headers.update(headers)
        return answer

    return dict.fromkeys((CallError, StoreError, HTTPException, KeyUnknown, KeyNameInvalid, Exception), told)


def _wants_page(request: Request) -> bool:
    """Whether a person asked: for a page of ours, or for something that is not there and is no route of the API."""
    known = cast(bool | None, request.scope.get(PAGE))
    if known is not None:
        return known
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
