-- name: add_signals_to_calls
-- The tools that came with a call outside any task, the model that was tried first where another one ended the call, and
-- which granules may hold an id that a model's server gave its answer.
ALTER TABLE calls
    ADD COLUMN IF NOT EXISTS tools        LowCardinality(String),
    ADD COLUMN IF NOT EXISTS first_model  LowCardinality(String),
    ADD INDEX IF NOT EXISTS by_upstream_id upstream_id TYPE bloom_filter GRANULARITY 1;

-- name: create_scores
-- One row for each judgement as it came; of those of one id the last counts.
CREATE TABLE IF NOT EXISTS scores
(
    id            String CODEC(ZSTD(1)),
    at_ns         Int64 CODEC(Delta, ZSTD(1)),
    minute        Int64 MATERIALIZED intDiv(at_ns, 60000000000) CODEC(Delta, ZSTD(1)),
    name          LowCardinality(String),
    source        LowCardinality(String),
    call          String CODEC(ZSTD(1)),
    run           String CODEC(ZSTD(1)),
    conversation  String CODEC(ZSTD(1)),
    value         Nullable(Float64) CODEC(ZSTD(1)),
    label         String CODEC(ZSTD(1)),
    correction    String CODEC(ZSTD(1)),
    explanation   String CODEC(ZSTD(1)),
    by            LowCardinality(String),
    environment   LowCardinality(String),
    task          LowCardinality(String),
    model         LowCardinality(String),
    replica       LowCardinality(String),
    prompt        LowCardinality(String),
    lock          LowCardinality(String),
    key           LowCardinality(String),
    settled_ns    Int64 CODEC(Delta, ZSTD(1)),
    id_hash       UInt64 MATERIALIZED sipHash64(id),
    INDEX by_call call TYPE bloom_filter GRANULARITY 1,
    INDEX by_run run TYPE bloom_filter GRANULARITY 1,
    INDEX by_conversation conversation TYPE bloom_filter GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: add_piece_to_scores
-- The run or call of which a score tells completion or accuracy, of which one is to count; 0 of others.
ALTER TABLE scores
    ADD COLUMN IF NOT EXISTS piece_hash UInt64 MATERIALIZED if(
        isFinite(ifNull(value, nan)) AND (name = 'completion' OR name = 'accuracy' OR startsWith(name, 'accuracy/')),
        sipHash64(task, name, if(name = 'completion' AND run != '', run, call)),
        0
    );

-- name: create_readings_by_minute
-- What was read of bodies, counted by minute and field: categories by their text, numbers by their bucket.
CREATE TABLE IF NOT EXISTS readings_by_minute
(
    minute       Int64,
    environment  LowCardinality(String),
    task         LowCardinality(String),
    model        LowCardinality(String),
    prompt       LowCardinality(String),
    lock         LowCardinality(String),
    field        LowCardinality(String),
    kind         LowCardinality(String),
    n            SimpleAggregateFunction(sum, UInt64),
    zeros        SimpleAggregateFunction(sum, UInt64),
    categories   SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    positive     SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    negative     SimpleAggregateFunction(sumMap, Map(Int32, UInt64))
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, environment, task, model, prompt, lock, field, kind)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_engine_samples
-- What replicas' own metrics said.
CREATE TABLE IF NOT EXISTS engine_samples
(
    at_ns    Int64 CODEC(Delta, ZSTD(1)),
    minute   Int64 MATERIALIZED intDiv(at_ns, 60000000000) CODEC(Delta, ZSTD(1)),
    model    LowCardinality(String),
    replica  LowCardinality(String),
    series   LowCardinality(String),
    value    Float64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, model, replica, series)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;
