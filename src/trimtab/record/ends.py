"""How a call may end for good."""

from __future__ import annotations

from typing import Final

from trimtab.errors import (
    CircuitOpen,
    DeadlineConnect,
    DeadlineFirstToken,
    DeadlineGap,
    DeadlineTotal,
    Internal,
    OutputInvalid,
    RateLimited,
    ToolCallInvalid,
    UpstreamError,
    UpstreamTruncated,
)
from trimtab.record.events import ABANDONED

FATAL: Final = frozenset(
    {
        ABANDONED,
        CircuitOpen.code,
        DeadlineConnect.code,
        DeadlineFirstToken.code,
        DeadlineGap.code,
        DeadlineTotal.code,
        Internal.code,
        OutputInvalid.code,
        RateLimited.code,
        ToolCallInvalid.code,
        UpstreamError.code,
        UpstreamTruncated.code,
    }
)
"""Ends that another try of the same request may not come to. What the request itself is to blame for is left out."""
