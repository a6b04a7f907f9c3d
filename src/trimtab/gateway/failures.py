"""Maps what an upstream did to how a call ends: the one table between foreign faults and our errors."""

from __future__ import annotations

import logging

from trimtab.errors import CallError, Internal, RateLimited, UpstreamError

log = logging.getLogger("trimtab.gateway")

PASSED_ON = frozenset({400, 404, 413, 422})
REJECTED_AS = {400: "invalid_request", 404: "not_found", 413: "payload_too_large", 422: "invalid_request"}
MAX_DETAIL = 500


class Rejected(CallError):
    """The model's server refused the request with status {upstream_status}; its answer says why."""

    def __init__(self, *, upstream_status: int, body: bytes, content_type: bytes) -> None:
        super().__init__(upstream_status=upstream_status)
        self.code = REJECTED_AS[upstream_status]  # type: ignore[misc]
        self.status = upstream_status  # type: ignore[misc]
        self.body = body
        self.content_type = content_type


def from_status(model: str, status: int, body: bytes, content_type: bytes, retry_after_s: float | None) -> CallError:
    """The end of an attempt that was answered with an error status."""
    if status in PASSED_ON:
        return Rejected(upstream_status=status, body=body, content_type=content_type)
    if status == 429:
        return RateLimited(model=model, retry_after_s=retry_after_s)
    if status in {401, 403}:
        detail = f"it answered {status}; check models.{model}.api_key"
        return UpstreamError(replica=f"model {model}", detail=detail)
    text = body[:MAX_DETAIL].decode(errors="replace").strip()
    detail = f"it answered {status}: {text}" if text else f"it answered {status}"
    return UpstreamError(replica=f"model {model}", detail=detail, retry_after_s=retry_after_s)


def from_fault(call: str, fault: BaseException) -> CallError:
    """The end of a call in which something of ours failed: the error it is, or an internal one, which is logged."""
    if isinstance(fault, CallError):
        return fault
    log.error("internal_error", exc_info=fault, extra={"fields": {"call": call}})
    return Internal(call=call)
