"""What the saved data directory in `data/` holds.

`python -m tests.record.sample DIRECTORY` writes such a directory with the program as it is. One is saved for each
format version and for each release that added fields to one, and never written again.
"""

import sys
from pathlib import Path

from tests.record.wiring import Worker
from trimtab.record.events import (
    Admitted,
    Attempt,
    Change,
    Confidence,
    ContextUse,
    LogprobSummary,
    Settled,
    ToolOutcome,
    ToolResult,
    Usage,
)

EPOCH = "g0-5a5a5a5a5a5a"
REQUEST = (
    b'{"model": "triage", "messages": [{"role":"system","content":"Sort."} , '
    b'{"role":"user","content":"' + b"My parcel is late. " * 80 + b'"}],"temperature":0}\n'
)
MESSAGES = [
    b'{"role":"system","content":"Sort."}',
    b'{"role":"user","content":"' + b"My parcel is late. " * 80 + b'"}',
]
ANSWER = [b'data: {"choices":[{"delta":{"content":"deli"}}]}\n\n', b"data: [DONE]\n\n"]
LONG_ANSWER = [b"%06d " % number * 100 for number in range(60)]
USAGE = Usage(input=90, cache_read=7, cache_write=5, output=11, reasoning=4, modalities={"input_image": 3})
CONTEXT = ContextUse(
    "summarise", "ef" * 32, 40, 30, 2000, 9000, "tokenizer", "019b0000000070008000000000000003", (0, 2, 32, 40), True
)
ADMITTED = Admitted(
    call="019b0000000070008000000000000001",
    at_ns=1_795_000_000_123_456_789,
    worker=EPOCH,
    environment="production",
    snapshot="ab" * 32,
    task="triage",
    key="support-app",
    surface="chat_completions",
    model="triage",
    stream=True,
    lock="cd" * 32,
    owner="support-platform",
    cost_bound_pusd=71_000_000,
    run="run-7",
    step="sort",
    parent="step-1",
    conversation="conversation-3",
    end_user="Zoë",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    parent_span="00f067aa0ba902b7",
    retrieval_ids=("doc-1", "doc-2"),
    prompt="ef" * 32,
    system_prompt="sha256:" + "01" * 32,
    request_bytes=len(REQUEST),
    request_body="d" * 64,
    messages="e" * 64,
    max_output_tokens=256,
    schema="12" * 32,
    redrive_of="019b0000000070008000000000000000",
    context=CONTEXT,
    tools="56" * 32,
)
ATTEMPT = Attempt(
    call=ADMITTED.call,
    number=1,
    at_ns=ADMITTED.at_ns + 5,
    model="small",
    replica="http://10.0.0.11:8000",
    cause="rate_limited",
    duration_s=0.125,
    connect_s=0.002,
    first_byte_s=0.05,
    ttft_s=0.06,
    status=429,
    reused_connection=True,
    retry_after_s=2.0,
    detail="too many requests",
    usage=USAGE,
    cost_pusd=1_000_001,
    cost_label="estimated",
)
SETTLED = Settled(
    admitted=ADMITTED,
    at_ns=ADMITTED.at_ns + 10,
    outcome="ok",
    status=200,
    attempts=2,
    model="small",
    replica="http://10.0.0.12:8000",
    total_s=1.5,
    ttft_s=0.25,
    tpot_s=0.01,
    longest_gap_s=0.3,
    finish_reason="stop",
    usage=USAGE,
    answer_tokens=11,
    cost_pusd=2_000_002,
    cost_label="exact",
    response_bytes=65,
    response_body="f" * 64,
    upstream_model="Qwen/Qwen3-8B",
    upstream_id="chatcmpl-1",
    system_fingerprint="fp_1",
    choices=1,
    tool_calls=2,
    logprobs=LogprobSummary(11, -0.25, -1.5),
    chunk_delays_us=b"\x80\x01\x05",
    chunk_lengths=b"\x30\x0e",
    paused_s=0.5,
    detail="as expected",
    verdict="invalid",
    failing=("/team enum", "/tags/0 maxLength"),
    repairs=1,
    tool_outcomes=(ToolOutcome("lookup", "bad_json", 1), ToolOutcome("lookup", "valid", 2)),
    repetition="loop",
    repetition_stopped=True,
    confidence={"": Confidence(0.75, 0.25), "/team": Confidence(0.5, 0.125, -0.25)},
    seams=(40, 2000),
    wire="openai",
    tool_results=(ToolResult("lookup", '{"id":"number"}', 12), ToolResult("refund", "", 40, error=True)),
    first_model="large",
)
CHANGE = Change(ADMITTED.at_ns + 20, "snapshot", "gateway 0", "ab" * 32, "ba" * 32, "SIGHUP", "one task changed")
OPEN = Admitted(
    "019b0000000070008000000000000002", 1, EPOCH, "production", "ab" * 32, "triage", "app", "embeddings", "m"
)


def write(directory):
    """Writes the sample with a worker that is not closed in order, as one that was killed."""
    worker = Worker(directory, epoch=EPOCH, segment_bytes=3000)
    worker.request(REQUEST, MESSAGES)
    worker.request(b"no JSON at all", None)
    worker.request(REQUEST, MESSAGES, "preview")
    worker.response(ANSWER)
    worker.response(LONG_ANSWER)
    recorder = worker.recorder
    recorder.admit(ADMITTED)
    recorder.attempt(ATTEMPT)
    recorder.settle(SETTLED)
    recorder.change(CHANGE)
    recorder.flush()
    recorder.admit(OPEN)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir()
    write(target)
