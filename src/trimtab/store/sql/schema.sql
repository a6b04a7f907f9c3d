-- name: create_database
-- Makes the database all tables lie in.
CREATE DATABASE IF NOT EXISTS {database:Identifier};

-- name: create_schema_version
-- Notes which version of this schema is in place; the highest row counts.
CREATE TABLE IF NOT EXISTS schema_version
(
    version UInt32
)
ENGINE = MergeTree ORDER BY version
SETTINGS fsync_after_insert = 1;

-- name: create_after_fill
-- Notes that roll-ups were filled from the calls of an earlier release, until the next insert.
CREATE TABLE IF NOT EXISTS after_fill
(
    at DateTime
)
ENGINE = MergeTree ORDER BY at;

-- name: read_schema_version
-- The version in place; 0 for a new store.
SELECT max(version) FROM schema_version;

-- name: write_schema_version
-- Notes that the schema has reached a version.
INSERT INTO schema_version SELECT {version:UInt32};

-- name: create_calls
-- One row for each call that ended: its Settled with the Admitted inside it.
CREATE TABLE IF NOT EXISTS calls
(
    call                String CODEC(ZSTD(1)),
    admitted_ns         Int64 CODEC(Delta, ZSTD(1)),
    settled_ns          Int64 CODEC(Delta, ZSTD(1)),
    minute              Int64 MATERIALIZED intDiv(settled_ns, 60000000000) CODEC(Delta, ZSTD(1)),
    ended_at            DateTime64(9, 'UTC') ALIAS fromUnixTimestamp64Nano(settled_ns, 'UTC'),
    worker              LowCardinality(String),
    environment         LowCardinality(String),
    snapshot            LowCardinality(String),
    task                LowCardinality(String),
    key                 LowCardinality(String),
    surface             LowCardinality(String),
    asked_model         LowCardinality(String),
    served_model        LowCardinality(String),
    model               LowCardinality(String) MATERIALIZED if(served_model = '', asked_model, served_model),
    stream              Bool,
    lock                LowCardinality(String),
    owner               LowCardinality(String),
    cost_bound_pusd     Nullable(Int64),
    run                 String CODEC(ZSTD(1)),
    step                String CODEC(ZSTD(1)),
    parent              String CODEC(ZSTD(1)),
    conversation        String CODEC(ZSTD(1)),
    end_user            String CODEC(ZSTD(1)),
    trace_id            String CODEC(ZSTD(1)),
    parent_span         String CODEC(ZSTD(1)),
    retrieval_ids       Array(String) CODEC(ZSTD(1)),
    prompt              LowCardinality(String),
    system_prompt       String CODEC(ZSTD(1)),
    request_bytes       Int64 CODEC(ZSTD(1)),
    request_body        String CODEC(ZSTD(1)),
    messages            String CODEC(ZSTD(1)),
    max_output_tokens   Nullable(Int64),
    outcome             LowCardinality(String),
    status              Int64 CODEC(ZSTD(1)),
    attempts            Int64 CODEC(ZSTD(1)),
    replica             LowCardinality(String),
    total_s             Nullable(Float64) CODEC(ZSTD(1)),
    ttft_s              Nullable(Float64) CODEC(ZSTD(1)),
    tpot_s              Nullable(Float64) CODEC(ZSTD(1)),
    longest_gap_s       Nullable(Float64) CODEC(ZSTD(1)),
    finish_reason       LowCardinality(String),
    usage_known         Bool,
    input_tokens        Int64 CODEC(ZSTD(1)),
    cache_read_tokens   Int64 CODEC(ZSTD(1)),
    cache_write_tokens  Int64 CODEC(ZSTD(1)),
    output_tokens       Int64 CODEC(ZSTD(1)),
    reasoning_tokens    Int64 CODEC(ZSTD(1)),
    modalities          Map(LowCardinality(String), Int64),
    answer_tokens       Nullable(Int64) CODEC(ZSTD(1)),
    cost_pusd           Nullable(Int64) CODEC(ZSTD(1)),
    cost_label          LowCardinality(String),
    response_bytes      Int64 CODEC(ZSTD(1)),
    response_body       String CODEC(ZSTD(1)),
    upstream_model      LowCardinality(String),
    upstream_id         String CODEC(ZSTD(1)),
    system_fingerprint  LowCardinality(String),
    choices             Int64 CODEC(ZSTD(1)),
    tool_calls          Int64 CODEC(ZSTD(1)),
    logprobs_known      Bool,
    logprob_tokens      Int64 CODEC(ZSTD(1)),
    logprob_mean        Float64 CODEC(ZSTD(1)),
    logprob_lowest      Float64 CODEC(ZSTD(1)),
    chunk_delays_us     String CODEC(ZSTD(1)),
    chunk_lengths       String CODEC(ZSTD(1)),
    paused_s            Float64 CODEC(ZSTD(1)),
    detail              String CODEC(ZSTD(1)),
    INDEX by_call call TYPE bloom_filter GRANULARITY 1,
    INDEX by_run run TYPE bloom_filter GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, call)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_attempts
-- One row for each try of a call at a replica.
CREATE TABLE IF NOT EXISTS attempts
(
    call                String CODEC(ZSTD(1)),
    number              Int64 CODEC(ZSTD(1)),
    ended_ns            Int64 CODEC(Delta, ZSTD(1)),
    minute              Int64 MATERIALIZED intDiv(ended_ns, 60000000000) CODEC(Delta, ZSTD(1)),
    model               LowCardinality(String),
    replica             LowCardinality(String),
    cause               LowCardinality(String),
    duration_s          Float64 CODEC(ZSTD(1)),
    connect_s           Nullable(Float64) CODEC(ZSTD(1)),
    first_byte_s        Nullable(Float64) CODEC(ZSTD(1)),
    ttft_s              Nullable(Float64) CODEC(ZSTD(1)),
    status              Int64 CODEC(ZSTD(1)),
    reused_connection   Bool,
    retry_after_s       Nullable(Float64) CODEC(ZSTD(1)),
    detail              String CODEC(ZSTD(1)),
    usage_known         Bool,
    input_tokens        Int64 CODEC(ZSTD(1)),
    cache_read_tokens   Int64 CODEC(ZSTD(1)),
    cache_write_tokens  Int64 CODEC(ZSTD(1)),
    output_tokens       Int64 CODEC(ZSTD(1)),
    reasoning_tokens    Int64 CODEC(ZSTD(1)),
    modalities          Map(LowCardinality(String), Int64),
    cost_pusd           Nullable(Int64) CODEC(ZSTD(1)),
    cost_label          LowCardinality(String),
    INDEX by_call call TYPE bloom_filter GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, call, number)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_changes
-- One row for each thing that took effect at a time.
CREATE TABLE IF NOT EXISTS changes
(
    at_ns    Int64,
    minute   Int64 MATERIALIZED intDiv(at_ns, 60000000000),
    kind     LowCardinality(String),
    subject  String,
    before   String,
    after    String,
    by       String,
    detail   String
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY at_ns
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: add_contract_to_calls
-- How an answer kept its contract: its schema, its verdict, its tool calls, and where it was repeated or resumed.
ALTER TABLE calls
    ADD COLUMN IF NOT EXISTS schema              LowCardinality(String),
    ADD COLUMN IF NOT EXISTS redrive_of          String CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS verdict             LowCardinality(String),
    ADD COLUMN IF NOT EXISTS failing             Array(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS repairs             Int64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tool_outcomes       Array(Tuple(tool String, outcome String, attempt Int64)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS repetition          LowCardinality(String),
    ADD COLUMN IF NOT EXISTS repetition_stopped  Bool,
    ADD COLUMN IF NOT EXISTS confidence          Map(String, Tuple(mean Float64, lowest Float64, margin Nullable(Float64))) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS seams               Array(Int64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS wire                LowCardinality(String);

-- name: add_context_to_calls
-- What the task's context strategy did to a call's messages (no strategy's name where none looked at them), and the
-- tools' answers that came with its request.
ALTER TABLE calls
    ADD COLUMN IF NOT EXISTS context_strategy        LowCardinality(String),
    ADD COLUMN IF NOT EXISTS context_digest          LowCardinality(String),
    ADD COLUMN IF NOT EXISTS context_messages        Int64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_dropped         Int64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_tokens          Int64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_dropped_tokens  Int64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_counted         LowCardinality(String),
    ADD COLUMN IF NOT EXISTS context_summary         String CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_summary_failed  Bool,
    ADD COLUMN IF NOT EXISTS context_kept            Array(Int64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_kept            Array(Int64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS context_summary_failed  Bool,
    ADD COLUMN IF NOT EXISTS tool_results            Array(Tuple(tool String, shape String, size Int64, error Bool)) CODEC(ZSTD(1));
