-- Version 5 of the telemetry schema, as it was made: every later release opens such a store.

CREATE TABLE IF NOT EXISTS schema_version
(
    version UInt32
)
ENGINE = MergeTree ORDER BY version
SETTINGS fsync_after_insert = 1;

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

ALTER TABLE calls
    ADD COLUMN IF NOT EXISTS tools        LowCardinality(String),
    ADD COLUMN IF NOT EXISTS first_model  LowCardinality(String),
    ADD INDEX IF NOT EXISTS by_upstream_id upstream_id TYPE bloom_filter GRANULARITY 1;

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

CREATE TABLE IF NOT EXISTS slices
(
    dimension           LowCardinality(String),
    block               Int64 CODEC(Delta, ZSTD(1)),
    task                LowCardinality(String),
    minute              Int64 CODEC(Delta, ZSTD(1)),
    environment         LowCardinality(String),
    value               LowCardinality(String),
    snapshots           SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    calls               SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    contracts           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    valid_first         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    repaired            SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    rejected            SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    passed_invalid      SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    truncated           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    refused             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    repairs             SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cut                 SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    flagged             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    stopped             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    resumed             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    seams               SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    tool_results        SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    tool_errors         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    attempts            SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    retried             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    fallbacks           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    input_tokens        SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cache_read_tokens   SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cache_write_tokens  SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    output_tokens       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    reasoning_tokens    SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    exact_calls         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    estimated_calls     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    unknown_calls       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    exact_pusd          SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    estimated_pusd      SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    unknown_pusd        SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    prefill_tokens      SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    prefill_s           SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    decode_tokens       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    decode_s            SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    first_ns            SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1)),
    last_ns             SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    outcomes            SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    finish_reasons      SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    tool_calls          SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    spread_ttft         SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_tpot         SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_gap          SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_total        SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_output       SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_input        SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_request      SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (dimension, block, task, minute, environment, value)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS calls_to_slices TO slices AS
WITH
    (x -> if(x > 0 AND isFinite(x), toInt32(ceil(log(if(x > 0 AND isFinite(x), x, 1.)) / log(1.01 / 0.99) - 1e-9)), -2147483648)) AS bucket,
    (b -> mapFromArrays(b, arrayWithConstant(length(b), toUInt64(1)))) AS counted
SELECT
    d.1 AS dimension,
    intDiv(c.minute, if(d.1 = 'minute', 60, 1440)) AS block,
    if(d.1 IN ('models', 'replicas'), '', c.task) AS task,
    if(d.1 = 'minute', c.minute, intDiv(c.minute, 15) * 15) AS minute,
    c.environment AS environment,
    d.2 AS value,
    groupUniqArrayIf(toString(c.snapshot), d.1 = 'lock') AS snapshots,
    count() AS calls,
    countIf(c.verdict != '' OR c.repetition != '' OR notEmpty(c.seams) OR c.repairs > 0) AS contracts,
    countIf(c.verdict = 'valid' AND c.repairs = 0) AS valid_first,
    countIf(c.verdict = 'valid' AND c.repairs > 0) AS repaired,
    countIf(c.verdict = 'invalid' AND c.outcome != 'ok') AS rejected,
    countIf(c.verdict = 'invalid' AND c.outcome = 'ok') AS passed_invalid,
    countIf(c.verdict = 'truncated') AS truncated,
    countIf(c.verdict = 'refused') AS refused,
    sum(c.repairs) AS repairs,
    countIf(c.finish_reason = 'length') AS cut,
    countIf(c.repetition != '' AND NOT c.repetition_stopped) AS flagged,
    countIf(c.repetition != '' AND c.repetition_stopped) AS stopped,
    countIf(notEmpty(c.seams)) AS resumed,
    sum(length(c.seams)) AS seams,
    sum(length(c.tool_results)) AS tool_results,
    sum(arrayCount(c.tool_results.error)) AS tool_errors,
    sum(c.attempts) AS attempts,
    countIf(c.attempts > 1) AS retried,
    countIf(c.first_model != '') AS fallbacks,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_tokens) AS cache_read_tokens,
    sum(c.cache_write_tokens) AS cache_write_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_tokens) AS reasoning_tokens,
    countIf(c.cost_label = 'exact') AS exact_calls,
    countIf(c.cost_label = 'estimated') AS estimated_calls,
    countIf(c.cost_label = 'unknown') AS unknown_calls,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'exact') AS exact_pusd,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'estimated') AS estimated_pusd,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'unknown') AS unknown_pusd,
    sumIf(c.input_tokens, c.usage_known AND isFinite(ifNull(c.ttft_s, nan))) AS prefill_tokens,
    sumIf(assumeNotNull(c.ttft_s), c.usage_known AND isFinite(ifNull(c.ttft_s, nan))) AS prefill_s,
    sumIf(assumeNotNull(c.answer_tokens) - 1, isFinite(ifNull(c.tpot_s, nan)) AND c.answer_tokens > 1) AS decode_tokens,
    sumIf(assumeNotNull(c.tpot_s) * (assumeNotNull(c.answer_tokens) - 1), isFinite(ifNull(c.tpot_s, nan)) AND c.answer_tokens > 1) AS decode_s,
    min(c.settled_ns) AS first_ns,
    max(c.settled_ns) AS last_ns,
    sumMap(map(toString(c.outcome), toUInt64(1))) AS outcomes,
    sumMapIf(map(toString(c.finish_reason), toUInt64(1)), c.finish_reason != '') AS finish_reasons,
    sumMap(mapFromArrays(arrayMap((o, t) -> concat(o, ' ', if(o = 'unknown_tool', '(unknown)', t)), c.tool_outcomes.outcome, c.tool_outcomes.tool), arrayWithConstant(length(c.tool_outcomes), toUInt64(1)))) AS tool_calls,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.ttft_s, nan)), isFinite(1e6 * ifNull(c.ttft_s, nan)))) AS spread_ttft,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.tpot_s, nan)), isFinite(1e6 * ifNull(c.tpot_s, nan)))) AS spread_tpot,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.longest_gap_s, nan)), isFinite(1e6 * ifNull(c.longest_gap_s, nan)))) AS spread_gap,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.total_s, nan)), isFinite(1e6 * ifNull(c.total_s, nan)) AND c.outcome = 'ok')) AS spread_total,
    counted(groupArrayIf(bucket(toFloat64(ifNull(c.answer_tokens, 0))), isNotNull(c.answer_tokens))) AS spread_output,
    counted(groupArrayIf(bucket(toFloat64(c.input_tokens) + toFloat64(c.cache_read_tokens) + toFloat64(c.cache_write_tokens)), c.usage_known)) AS spread_input,
    counted(groupArrayIf(bucket(toFloat64(c.request_bytes)), c.request_bytes > 0)) AS spread_request
FROM calls AS c
ARRAY JOIN [
    ('minute', ''),
    ('task', ''),
    ('model', toString(c.model)),
    ('replica', toString(c.replica)),
    ('prompt', toString(c.prompt)),
    ('lock', toString(c.lock)),
    ('key', toString(c.key)),
    ('models', toString(c.model)),
    ('replicas', toString(c.replica))
] AS d
GROUP BY dimension, block, task, minute, environment, value;

ALTER TABLE calls
    ADD INDEX IF NOT EXISTS by_conversation conversation TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_end_user end_user TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_system_prompt system_prompt TYPE bloom_filter(0.01) GRANULARITY 1;

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

INSERT INTO schema_version SELECT 1;

INSERT INTO schema_version SELECT 2;

INSERT INTO schema_version SELECT 3;

INSERT INTO schema_version SELECT 4;

INSERT INTO schema_version SELECT 5;
