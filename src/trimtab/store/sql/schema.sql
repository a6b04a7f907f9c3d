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

-- name: create_calls_by_minute
-- The roll-up: counts, exact sums and quantile sketches of the calls that ended in a minute.
CREATE TABLE IF NOT EXISTS calls_by_minute
(
    minute              Int64,
    environment         LowCardinality(String),
    task                LowCardinality(String),
    model               LowCardinality(String),
    snapshot            LowCardinality(String),
    outcome             LowCardinality(String),
    cost_label          LowCardinality(String),
    calls               SimpleAggregateFunction(sum, UInt64),
    cost_pusd           SimpleAggregateFunction(sum, Int128),
    input_tokens        SimpleAggregateFunction(sum, Int64),
    cache_read_tokens   SimpleAggregateFunction(sum, Int64),
    cache_write_tokens  SimpleAggregateFunction(sum, Int64),
    output_tokens       SimpleAggregateFunction(sum, Int64),
    reasoning_tokens    SimpleAggregateFunction(sum, Int64),
    prefill_tokens      SimpleAggregateFunction(sum, Int64),
    prefill_s           SimpleAggregateFunction(sum, Float64),
    decode_tokens       SimpleAggregateFunction(sum, Int64),
    decode_s            SimpleAggregateFunction(sum, Float64),
    ttft_calls          SimpleAggregateFunction(sum, UInt64),
    tpot_calls          SimpleAggregateFunction(sum, UInt64),
    gap_calls           SimpleAggregateFunction(sum, UInt64),
    total_calls         SimpleAggregateFunction(sum, UInt64),
    output_calls        SimpleAggregateFunction(sum, UInt64),
    ttft_us             AggregateFunction(quantilesDD(0.01, 0.5), Float64),
    tpot_us             AggregateFunction(quantilesDD(0.01, 0.5), Float64),
    gap_us              AggregateFunction(quantilesDD(0.01, 0.5), Float64),
    total_us            AggregateFunction(quantilesDD(0.01, 0.5), Float64),
    answer_tokens       AggregateFunction(quantilesDD(0.01, 0.5), Float64)
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, environment, task, model, snapshot, outcome, cost_label)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_calls_to_minute
-- Fills the roll-up with every insert into calls. DDSketch (Masson, Rim and Lee, VLDB 2019): its error is bounded at
-- every quantile and its merge is the same in every order, which t-digest's is not. Sketches hold microseconds:
-- ClickHouse 26.9 sorts values below 1 into the wrong bucket, up to 3 % off where 1 % is promised. They refuse infinity,
-- and one refused row would hold up the spool for ever: what is not finite is not measured.
CREATE MATERIALIZED VIEW IF NOT EXISTS calls_to_minute TO calls_by_minute AS
WITH
    assumeNotNull(ttft_s) AS known_ttft_s,
    assumeNotNull(tpot_s) AS known_tpot_s,
    isFinite(ifNull(ttft_s, nan)) AS has_ttft,
    isFinite(ifNull(tpot_s, nan)) AS has_tpot,
    isFinite(ifNull(longest_gap_s, nan)) AS has_gap,
    isFinite(ifNull(total_s, nan)) AND outcome = 'ok' AS has_total
SELECT
    minute,
    environment,
    task,
    model,
    snapshot,
    outcome,
    cost_label,
    count() AS calls,
    sum(toInt128(ifNull(c.cost_pusd, 0))) AS cost_pusd,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_tokens) AS cache_read_tokens,
    sum(c.cache_write_tokens) AS cache_write_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_tokens) AS reasoning_tokens,
    sumIf(c.input_tokens, usage_known AND has_ttft) AS prefill_tokens,
    sumIf(known_ttft_s, usage_known AND has_ttft) AS prefill_s,
    sumIf(assumeNotNull(c.answer_tokens) - 1, has_tpot AND c.answer_tokens > 1) AS decode_tokens,
    sumIf(known_tpot_s * (assumeNotNull(c.answer_tokens) - 1), has_tpot AND c.answer_tokens > 1) AS decode_s,
    countIf(has_ttft) AS ttft_calls,
    countIf(has_tpot) AS tpot_calls,
    countIf(has_gap) AS gap_calls,
    countIf(has_total) AS total_calls,
    countIf(isNotNull(c.answer_tokens)) AS output_calls,
    quantilesDDStateIf(0.01, 0.5)(1e6 * known_ttft_s, has_ttft) AS ttft_us,
    quantilesDDStateIf(0.01, 0.5)(1e6 * known_tpot_s, has_tpot) AS tpot_us,
    quantilesDDStateIf(0.01, 0.5)(1e6 * assumeNotNull(longest_gap_s), has_gap) AS gap_us,
    quantilesDDStateIf(0.01, 0.5)(1e6 * assumeNotNull(total_s), has_total) AS total_us,
    quantilesDDStateIf(0.01, 0.5)(toFloat64(assumeNotNull(c.answer_tokens)), isNotNull(c.answer_tokens)) AS answer_tokens
FROM calls AS c
GROUP BY minute, environment, task, model, snapshot, outcome, cost_label;

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

-- name: create_contracts_by_minute
-- The roll-up of what became of answers: against their schema, by degenerate repetition, and where they were resumed.
CREATE TABLE IF NOT EXISTS contracts_by_minute
(
    minute          Int64,
    environment     LowCardinality(String),
    task            LowCardinality(String),
    model           LowCardinality(String),
    prompt          LowCardinality(String),
    schema          LowCardinality(String),
    surface         LowCardinality(String),
    calls           SimpleAggregateFunction(sum, UInt64),
    valid_first     SimpleAggregateFunction(sum, UInt64),
    repaired        SimpleAggregateFunction(sum, UInt64),
    rejected        SimpleAggregateFunction(sum, UInt64),
    passed_invalid  SimpleAggregateFunction(sum, UInt64),
    truncated       SimpleAggregateFunction(sum, UInt64),
    refused         SimpleAggregateFunction(sum, UInt64),
    repairs         SimpleAggregateFunction(sum, Int64),
    flagged         SimpleAggregateFunction(sum, UInt64),
    stopped         SimpleAggregateFunction(sum, UInt64),
    resumed         SimpleAggregateFunction(sum, UInt64),
    seams           SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, environment, task, model, prompt, schema, surface)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_contracts_to_minute
-- Fills that roll-up with every insert into calls; a call with nothing of the kind leaves no row.
CREATE MATERIALIZED VIEW IF NOT EXISTS contracts_to_minute TO contracts_by_minute AS
SELECT
    minute,
    environment,
    task,
    model,
    prompt,
    schema,
    surface,
    count() AS calls,
    countIf(c.verdict = 'valid' AND c.repairs = 0) AS valid_first,
    countIf(c.verdict = 'valid' AND c.repairs > 0) AS repaired,
    countIf(c.verdict = 'invalid' AND c.outcome != 'ok') AS rejected,
    countIf(c.verdict = 'invalid' AND c.outcome = 'ok') AS passed_invalid,
    countIf(c.verdict = 'truncated') AS truncated,
    countIf(c.verdict = 'refused') AS refused,
    sum(c.repairs) AS repairs,
    countIf(c.repetition != '' AND NOT c.repetition_stopped) AS flagged,
    countIf(c.repetition != '' AND c.repetition_stopped) AS stopped,
    countIf(notEmpty(c.seams)) AS resumed,
    sum(length(c.seams)) AS seams
FROM calls AS c
WHERE c.verdict != '' OR c.repetition != '' OR notEmpty(c.seams) OR c.repairs > 0
GROUP BY minute, environment, task, model, prompt, schema, surface;

-- name: create_tool_calls_by_minute
-- The roll-up of tool calls in answers, by tool and by how each stood against the tools it could use.
CREATE TABLE IF NOT EXISTS tool_calls_by_minute
(
    minute       Int64,
    environment  LowCardinality(String),
    task         LowCardinality(String),
    model        LowCardinality(String),
    prompt       LowCardinality(String),
    tool         String,
    outcome      LowCardinality(String),
    tool_calls   SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, environment, task, model, prompt, tool, outcome)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_tool_calls_to_minute
-- Fills that roll-up with every insert into calls. Models invent names without end: those go under one.
CREATE MATERIALIZED VIEW IF NOT EXISTS tool_calls_to_minute TO tool_calls_by_minute AS
SELECT
    minute,
    environment,
    task,
    model,
    prompt,
    if(one.outcome = 'unknown_tool', '(unknown)', one.tool) AS tool,
    one.outcome AS outcome,
    count() AS tool_calls
FROM calls AS c
ARRAY JOIN c.tool_outcomes AS one
GROUP BY minute, environment, task, model, prompt, tool, outcome;

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
