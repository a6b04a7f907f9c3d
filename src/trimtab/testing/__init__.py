"""Public fakes for tests: a clock that jumps, an upstream that follows a script, runs in process."""

from trimtab.testing.answers import Answer, ToolCall, chat_json, chat_stream
from trimtab.testing.clock import JumpingClock, JumpingLoop, Stuck
from trimtab.testing.faults import SCRIPTS
from trimtab.testing.ports import refused_port, unanswered_port
from trimtab.testing.replay import Diverged, NetworkClosed, ReplayedRun, ReplayServer
from trimtab.testing.runs import LocalRuns, ScriptedModels
from trimtab.testing.scripts import (
    Close,
    Cut,
    Framing,
    Hang,
    Repeat,
    Reset,
    Script,
    Send,
    Step,
    Wait,
    WaitFor,
    chunk,
    error_answer,
    event,
    head,
    json_answer,
    sse_answer,
)
from trimtab.testing.upstream import Received, ScriptedUpstream

__all__ = [
    "SCRIPTS",
    "Answer",
    "Close",
    "Cut",
    "Diverged",
    "Framing",
    "Hang",
    "JumpingClock",
    "JumpingLoop",
    "LocalRuns",
    "NetworkClosed",
    "Received",
    "Repeat",
    "ReplayServer",
    "ReplayedRun",
    "Reset",
    "Script",
    "ScriptedModels",
    "ScriptedUpstream",
    "Send",
    "Step",
    "Stuck",
    "ToolCall",
    "Wait",
    "WaitFor",
    "chat_json",
    "chat_stream",
    "chunk",
    "error_answer",
    "event",
    "head",
    "json_answer",
    "refused_port",
    "sse_answer",
    "unanswered_port",
]
