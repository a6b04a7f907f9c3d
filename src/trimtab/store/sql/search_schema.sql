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
    INDEX by_words concat(lowerUTF8(asked), '\n', lowerUTF8(answered)) TYPE ngrambf_v1(4, 4096, 2, 0) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, call)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: drop_texts_anew
-- Takes away what a step that was cut short has left, or the texts that were copied.
DROP TABLE IF EXISTS texts_anew SYNC;

-- name: create_texts_anew
-- The texts in granules and compressed blocks of half the size: fewer hold a search's words by chance, and less is
-- unpacked for each that does.
CREATE TABLE texts_anew AS texts
ENGINE = MergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (minute, call)
SETTINGS
    index_granularity = 128,
    min_compress_block_size = 8192,
    non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1;

-- name: drop_words_of_texts_anew
-- The index of larger granules.
ALTER TABLE texts_anew DROP INDEX IF EXISTS by_words;

-- name: index_words_of_texts_anew
-- The runs of four characters of a granule.
ALTER TABLE texts_anew
    ADD INDEX by_words concat(lowerUTF8(asked), '\n', lowerUTF8(answered)) TYPE ngrambf_v1(4, 2048, 2, 0) GRANULARITY 1;

-- name: copy_texts
-- Copies the texts of some minutes.
INSERT INTO texts_anew (call, ended_ns, task, asked, answered, categories, numbers)
SELECT t.call, t.ended_ns, t.task, t.asked, t.answered, t.categories, t.numbers
FROM texts AS t
WHERE t.minute >= {first_minute:Int64} AND t.minute < {end_minute:Int64};

-- name: exchange_texts
-- Puts the copy in the place of the texts, at once.
EXCHANGE TABLES texts AND texts_anew;

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

-- name: create_undeclared_by_hour
-- The roll-up of undeclared calls by system prompt and tools; histograms are those of `store/histograms`.
CREATE TABLE IF NOT EXISTS undeclared_by_hour
(
    hour             Int64,
    system_prompt    String CODEC(ZSTD(1)),
    tools            LowCardinality(String),
    calls            SimpleAggregateFunction(sum, UInt64),
    first_ns         SimpleAggregateFunction(min, Int64),
    last_ns          SimpleAggregateFunction(max, Int64),
    streamed         SimpleAggregateFunction(sum, UInt64),
    with_tool_calls  SimpleAggregateFunction(sum, UInt64),
    largest_output   SimpleAggregateFunction(max, Int64),
    keys             SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    asked            SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    surfaces         SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    outcomes         SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    finish_reasons   SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    limits           SimpleAggregateFunction(sumMap, Map(Int64, UInt64)),
    schemas          SimpleAggregateFunction(sumMap, Map(String, UInt64)),
    output           SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    input            SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    total            SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    ttft             SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    tpot             SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    gap              SimpleAggregateFunction(sumMap, Map(Int32, UInt64)),
    newest           AggregateFunction(groupArraySorted(5), Tuple(Int64, String))
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(hour, 24)
ORDER BY (hour, system_prompt, tools)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_undeclared_to_hour
-- Fills that roll-up with every insert into calls.
CREATE MATERIALIZED VIEW IF NOT EXISTS undeclared_to_hour TO undeclared_by_hour AS
WITH
    log(1.01 / 0.99) AS width,
    (x -> map(toInt32(ceil(log(if(x > 0 AND isFinite(x), x, 1.)) / width - 1e-9)), toUInt64(1))) AS bucket
SELECT
    intDiv(c.minute, 60) AS hour,
    c.system_prompt AS system_prompt,
    c.tools AS tools,
    count() AS calls,
    min(c.settled_ns) AS first_ns,
    max(c.settled_ns) AS last_ns,
    countIf(c.stream) AS streamed,
    countIf(c.tool_calls > 0) AS with_tool_calls,
    max(ifNull(c.answer_tokens, 0)) AS largest_output,
    sumMap(map(toString(c.key), toUInt64(1))) AS keys,
    sumMap(map(toString(c.asked_model), toUInt64(1))) AS asked,
    sumMap(map(toString(c.surface), toUInt64(1))) AS surfaces,
    sumMap(map(toString(c.outcome), toUInt64(1))) AS outcomes,
    sumMapIf(map(toString(c.finish_reason), toUInt64(1)), c.finish_reason != '') AS finish_reasons,
    sumMap(map(ifNull(c.max_output_tokens, 0), toUInt64(1))) AS limits,
    sumMapIf(map(toString(c.schema), toUInt64(1)), c.schema != '') AS schemas,
    sumMapIf(bucket(toFloat64(ifNull(c.answer_tokens, 0))), c.answer_tokens > 0) AS output,
    sumMapIf(bucket(toFloat64(c.input_tokens) + toFloat64(c.cache_read_tokens) + toFloat64(c.cache_write_tokens)), toFloat64(c.input_tokens) + toFloat64(c.cache_read_tokens) + toFloat64(c.cache_write_tokens) > 0) AS input,
    sumMapIf(bucket(1e6 * ifNull(c.total_s, 0.)), c.outcome = 'ok' AND c.total_s > 0 AND isFinite(ifNull(c.total_s, 0.))) AS total,
    sumMapIf(bucket(1e6 * ifNull(c.ttft_s, 0.)), c.ttft_s > 0 AND isFinite(ifNull(c.ttft_s, 0.))) AS ttft,
    sumMapIf(bucket(1e6 * ifNull(c.tpot_s, 0.)), c.tpot_s > 0 AND isFinite(ifNull(c.tpot_s, 0.))) AS tpot,
    sumMapIf(bucket(1e6 * ifNull(c.longest_gap_s, 0.)), c.longest_gap_s > 0 AND isFinite(ifNull(c.longest_gap_s, 0.))) AS gap,
    groupArraySortedState(5)((-c.settled_ns, c.call)) AS newest
FROM calls AS c
WHERE c.task = '(undeclared)'
GROUP BY hour, system_prompt, tools;
