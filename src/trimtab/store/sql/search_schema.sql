-- name: index_calls_for_search
-- Finds the calls of one conversation, end user or system prompt without looking at all of them.
ALTER TABLE calls
    ADD INDEX IF NOT EXISTS by_conversation conversation TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_end_user end_user TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_system_prompt system_prompt TYPE bloom_filter(0.01) GRANULARITY 1;

-- name: create_texts
-- The beginnings of questions and answers, indexed by the runs of four characters in them, and what was read of them.
CREATE TABLE IF NOT EXISTS texts
(
    call        String CODEC(ZSTD(1)),
    ended_ns    Int64 CODEC(Delta, ZSTD(1)),
    minute      Int64 MATERIALIZED intDiv(ended_ns, 60000000000) CODEC(Delta, ZSTD(1)),
    task        LowCardinality(String),
    asked       String CODEC(ZSTD(1)),
    answered    String CODEC(ZSTD(1)),
    categories  Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    numbers     Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    INDEX by_words concat(lowerUTF8(asked), '\n', lowerUTF8(answered)) TYPE ngrambf_v1(4, 8192, 2, 0) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, call)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_spend_by_hour
-- The roll-up of tokens and cost by everything of few values that they are told apart by.
CREATE TABLE IF NOT EXISTS spend_by_hour
(
    hour                Int64,
    environment         LowCardinality(String),
    task                LowCardinality(String),
    model               LowCardinality(String),
    key                 LowCardinality(String),
    owner               LowCardinality(String),
    prompt              LowCardinality(String),
    lock                LowCardinality(String),
    cost_label          LowCardinality(String),
    calls               SimpleAggregateFunction(sum, UInt64),
    cost_pusd           SimpleAggregateFunction(sum, Int128),
    input_tokens        SimpleAggregateFunction(sum, Int64),
    cache_read_tokens   SimpleAggregateFunction(sum, Int64),
    cache_write_tokens  SimpleAggregateFunction(sum, Int64),
    output_tokens       SimpleAggregateFunction(sum, Int64),
    reasoning_tokens    SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(hour, 24)
ORDER BY (hour, environment, task, model, key, owner, prompt, lock, cost_label)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_spend_to_hour
-- Fills that roll-up with every insert into calls.
CREATE MATERIALIZED VIEW IF NOT EXISTS spend_to_hour TO spend_by_hour AS
SELECT
    intDiv(c.minute, 60) AS hour,
    c.environment AS environment,
    c.task AS task,
    c.model AS model,
    c.key AS key,
    c.owner AS owner,
    c.prompt AS prompt,
    c.lock AS lock,
    c.cost_label AS cost_label,
    count() AS calls,
    sum(toInt128(ifNull(c.cost_pusd, 0))) AS cost_pusd,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_tokens) AS cache_read_tokens,
    sum(c.cache_write_tokens) AS cache_write_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_tokens) AS reasoning_tokens
FROM calls AS c
GROUP BY hour, environment, task, model, key, owner, prompt, lock, cost_label;

-- name: create_conversations_by_hour
-- The roll-up of conversations and end users: calls, how they ended, tokens and cost. Calls without either are here too.
CREATE TABLE IF NOT EXISTS conversations_by_hour
(
    conversation        String CODEC(ZSTD(1)),
    hour                Int64 CODEC(Delta, ZSTD(1)),
    task                LowCardinality(String),
    end_user            String CODEC(ZSTD(1)),
    cost_label          LowCardinality(String),
    first_ns            SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1)),
    last_ns             SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    last_failed         SimpleAggregateFunction(max, Tuple(Int64, String)) CODEC(ZSTD(1)),
    calls               SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    failed              SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    invalid             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cost_pusd           SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    input_tokens        SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cache_read_tokens   SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cache_write_tokens  SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    output_tokens       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    reasoning_tokens    SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(hour, 24)
ORDER BY (conversation, hour, task, end_user, cost_label)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_conversations_to_hour
-- Fills that roll-up with every insert into calls.
CREATE MATERIALIZED VIEW IF NOT EXISTS conversations_to_hour TO conversations_by_hour AS
SELECT
    c.conversation AS conversation,
    intDiv(c.minute, 60) AS hour,
    c.task AS task,
    c.end_user AS end_user,
    c.cost_label AS cost_label,
    min(c.settled_ns) AS first_ns,
    max(c.settled_ns) AS last_ns,
    max(if(c.outcome = 'ok', (toInt64(0), ''), (c.settled_ns, toString(c.outcome)))) AS last_failed,
    count() AS calls,
    countIf(c.outcome != 'ok') AS failed,
    countIf(c.verdict IN ('invalid', 'truncated', 'refused')) AS invalid,
    sum(toInt128(ifNull(c.cost_pusd, 0))) AS cost_pusd,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_tokens) AS cache_read_tokens,
    sum(c.cache_write_tokens) AS cache_write_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_tokens) AS reasoning_tokens
FROM calls AS c
GROUP BY conversation, hour, task, end_user, cost_label;

-- name: create_spend_of_calls
-- Calls as rows of the roll-ups of spend, for what neither of them tells apart.
CREATE VIEW IF NOT EXISTS spend_of_calls AS
SELECT
    intDiv(minute, 60) AS hour,
    environment,
    task,
    model,
    key,
    owner,
    prompt,
    lock,
    conversation,
    end_user,
    cost_label,
    toUInt64(1) AS calls,
    toInt128(ifNull(cost_pusd, 0)) AS cost_pusd,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    reasoning_tokens
FROM calls;
