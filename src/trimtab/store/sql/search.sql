-- name: calls_by_hour
-- How many calls ended in each hour of a window, the newest hour first, and only hours in which the tasks and models
-- that are wanted had any; of the dimension with the fewest rows that tells them.
SELECT intDiv(r.minute, 60) AS hour, sum(r.calls) AS calls
FROM slices AS r
WHERE r.dimension = {dimension:String}
  AND r.minute > {first_minute:Int64} - 15
  AND r.minute < {end_minute:Int64}
GROUP BY hour
HAVING countIf((empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
           AND (empty({models:Array(String)}) OR has({models:Array(String)}, r.value))) > 0
ORDER BY hour DESC;

-- name: search
-- Where the calls that are wanted lie, in the order asked for. `narrowed` stands for the conditions below that are asked.
SELECT
    c.minute AS at_minute,
    c.call AS id,
    c.settled_ns AS ended_ns,
    {measured} AS measured
FROM calls AS c
WHERE c.minute >= {first_minute:Int64}
  AND c.minute < {end_minute:Int64}
  AND c.settled_ns >= {since_ns:Int64}
  AND c.settled_ns < {until_ns:Int64}
  {narrowed}
ORDER BY measured DESC, ended_ns DESC, id DESC
LIMIT {limit:UInt32};

-- name: if_tasks
-- Conditions of a search, one for each field of it.
AND has({tasks:Array(String)}, c.task);

-- name: if_models
-- The model that served, or that was asked for where none did.
AND has({models:Array(String)}, c.model);

-- name: if_replicas
-- One of these replicas.
AND has({replicas:Array(String)}, c.replica);

-- name: if_outcomes
-- One of these ends.
AND has({outcomes:Array(String)}, c.outcome);

-- name: if_verdicts
-- One of these verdicts.
AND has({verdicts:Array(String)}, c.verdict);

-- name: if_finish_reasons
-- One of these reasons.
AND has({finish_reasons:Array(String)}, c.finish_reason);

-- name: if_environments
-- One of these environments.
AND has({environments:Array(String)}, c.environment);

-- name: if_keys
-- One of these keys.
AND has({keys:Array(String)}, c.key);

-- name: if_prompts
-- A digest that begins so.
AND arrayExists(id -> startsWith(c.prompt, id), {prompts:Array(String)});

-- name: if_locks
-- A lock that begins so.
AND arrayExists(id -> startsWith(c.lock, id), {locks:Array(String)});

-- name: if_run
-- This run.
AND c.run = {run:String};

-- name: if_conversation
-- This conversation.
AND c.conversation = {conversation:String};

-- name: if_end_user
-- This end user.
AND c.end_user = {end_user:String};

-- name: if_system_prompt
-- This system prompt.
AND c.system_prompt = {system_prompt:String};

-- name: if_tools
-- These tools.
AND c.tools = {tools:String};

-- name: if_tool
-- An answer that called this tool.
AND has(c.tool_outcomes.tool, {tool:String});

-- name: if_failing
-- No good answer.
AND (c.outcome != 'ok' OR c.verdict IN ('invalid', 'truncated', 'refused'));

-- name: if_bad_tool_call
-- A tool call that was not valid.
AND arrayExists(one -> one != 'valid', c.tool_outcomes.outcome);

-- name: if_tool_error
-- A tool's error in the request.
AND has(c.tool_results.error, true);

-- name: if_retried
-- More than one attempt.
AND c.attempts > 1;

-- name: if_total
-- Total seconds within bounds, and so on for each measure.
AND c.total_s BETWEEN {total_least:Float64} AND {total_most:Float64};

-- name: if_ttft
-- Seconds to the first token.
AND c.ttft_s BETWEEN {ttft_least:Float64} AND {ttft_most:Float64};

-- name: if_tpot
-- Seconds for each token after it.
AND c.tpot_s BETWEEN {tpot_least:Float64} AND {tpot_most:Float64};

-- name: if_gap
-- Seconds of the longest gap.
AND c.longest_gap_s BETWEEN {gap_least:Float64} AND {gap_most:Float64};

-- name: if_output
-- Tokens of the answer.
AND c.answer_tokens BETWEEN {output_least:Float64} AND {output_most:Float64};

-- name: if_input
-- Tokens of the request, cached or not.
AND c.usage_known AND c.input_tokens + c.cache_read_tokens + c.cache_write_tokens BETWEEN {input_least:Float64} AND {input_most:Float64};

-- name: if_cost
-- Picodollars.
AND c.cost_pusd BETWEEN {cost_least:Float64} AND {cost_most:Float64};

-- name: if_attempts
-- Attempts.
AND c.attempts BETWEEN {attempts_least:Float64} AND {attempts_most:Float64};

-- name: if_repairs
-- How often the model was asked again.
AND c.repairs BETWEEN {repairs_least:Float64} AND {repairs_most:Float64};

-- name: if_said
-- Words in what is kept of question and answer. Where a call lies is its place in the order of `calls` too. More threads
-- than processors, since what they wait for is the disk.
AND (c.minute, c.call) IN
(
    SELECT t.minute, t.call
    FROM texts AS t
    WHERE t.minute >= {first_minute:Int64}
      AND t.minute < {end_minute:Int64}
      AND concat(lowerUTF8(t.asked), '\n', lowerUTF8(t.answered)) LIKE concat('%', lowerUTF8({said:String}), '%')
    SETTINGS max_threads = 8
);

-- name: if_category
-- A field that was read as this category.
AND (c.minute, c.call) IN
(
    SELECT t.minute, t.call
    FROM texts AS t
    WHERE t.minute >= {first_minute:Int64}
      AND t.minute < {end_minute:Int64}
      AND mapContains(t.categories, {field:String})
      AND t.categories[{field:String}] = {category:String}
);

-- name: if_number
-- A field that was read as a number within bounds.
AND (c.minute, c.call) IN
(
    SELECT t.minute, t.call
    FROM texts AS t
    WHERE t.minute >= {first_minute:Int64}
      AND t.minute < {end_minute:Int64}
      AND mapContains(t.numbers, {field:String})
      AND t.numbers[{field:String}] BETWEEN {number_least:Float64} AND {number_most:Float64}
);

-- name: if_measured
-- A call with the figure that the order goes by.
AND isFinite(ifNull(toFloat64({measured}), nan));

-- name: if_behind
-- Behind the place where the page before ended.
AND ({measured}, c.settled_ns, c.call) < ({after_figure:Float64}, {after_ns:Int64}, {after_call:String});

-- name: found_calls
-- The calls that a search found, by where they lie, without their chunk capture.
SELECT * EXCEPT (chunk_delays_us, chunk_lengths)
FROM calls
WHERE (minute, call) IN {places:Array(Tuple(Int64, String))};

-- name: found_briefly
-- What a list shows of the calls that a search found.
SELECT
    call,
    settled_ns,
    task,
    asked_model,
    served_model,
    outcome,
    verdict,
    attempts,
    total_s,
    ttft_s,
    usage_known,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    cost_pusd,
    cost_label
FROM calls
WHERE (minute, call) IN {places:Array(Tuple(Int64, String))};

-- name: found_examples
-- A few fields of the calls that a search found.
SELECT
    c.call AS id,
    c.settled_ns AS at_ns,
    c.task AS task,
    c.model AS model,
    c.replica AS replica,
    c.prompt AS prompt,
    c.lock AS lock,
    c.outcome AS outcome,
    c.verdict AS verdict,
    c.finish_reason AS finish_reason,
    c.failing AS failing,
    c.detail AS detail,
    c.total_s AS total_s,
    c.ttft_s AS ttft_s,
    c.answer_tokens AS output_tokens,
    c.cost_pusd AS cost_pusd
FROM calls AS c
WHERE (minute, call) IN {places:Array(Tuple(Int64, String))};

-- name: found_texts
-- What is kept for searching of the calls that a search found.
SELECT call, ended_ns AS at_ns, task, asked, answered, categories, numbers
FROM texts
WHERE (minute, call) IN {places:Array(Tuple(Int64, String))};

-- name: place_of_call
-- Where one call lies.
SELECT minute, call FROM calls WHERE call = {call:String} LIMIT 1;

-- name: newest_conversations
-- The conversations whose last call in a window ended last.
SELECT conversation AS id, 0. AS measured, max(settled_ns) AS last_at
FROM calls
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND conversation != ''
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({end_user:String} = '' OR end_user = {end_user:String})
GROUP BY conversation
HAVING {is_first:Bool} OR (last_at, id) < ({after_ns:Int64}, {after_id:String})
ORDER BY last_at DESC, id DESC
LIMIT {limit:UInt32};

-- name: largest_conversations
-- The conversations of a window that cost most, or have most calls.
SELECT
    conversation AS id,
    if({order:String} = 'dearest', toFloat64(sum(cost_pusd)), toFloat64(sum(calls))) AS measured,
    max(last_ns) AS last_at
FROM conversations_by_hour
WHERE hour >= intDiv({first_minute:Int64}, 60)
  AND hour < intDiv({end_minute:Int64}, 60)
  AND conversation != ''
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({end_user:String} = '' OR end_user = {end_user:String})
GROUP BY conversation
HAVING {is_first:Bool} OR (measured, last_at, id) < ({after_figure:Float64}, {after_ns:Int64}, {after_id:String})
ORDER BY measured DESC, last_at DESC, id DESC
LIMIT {limit:UInt32};

-- name: conversations
-- What conversations came to in a window.
SELECT
    r.conversation AS id,
    max(r.end_user) AS end_users,
    arraySlice(arraySort(groupUniqArray(toString(r.task))), 1, {most_tasks:UInt32}) AS tasks,
    min(r.first_ns) AS first_at,
    max(r.last_ns) AS last_at,
    sum(r.calls) AS calls,
    sum(r.failed) AS failed,
    sum(r.invalid) AS invalid,
    max(r.last_failed).2 AS worst,
    sum(r.input_tokens) AS input,
    sum(r.cache_read_tokens) AS cache_read,
    sum(r.cache_write_tokens) AS cache_write,
    sum(r.output_tokens) AS output,
    sum(r.reasoning_tokens) AS reasoning,
    sumMap(map(toString(r.cost_label), r.cost_pusd)) AS cost
FROM conversations_by_hour AS r
WHERE r.hour >= intDiv({first_minute:Int64}, 60)
  AND r.hour < intDiv({end_minute:Int64}, 60)
  AND r.conversation IN {ids:Array(String)}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
  AND ({end_user:String} = '' OR r.end_user = {end_user:String})
GROUP BY id;

-- name: completed_conversations
-- What the latest completion score of each conversation says.
SELECT conversation, argMax(value, at_ns) >= 0.5 AS completed
FROM scores
WHERE conversation IN {ids:Array(String)} AND name = 'completion' AND isNotNull(value)
GROUP BY conversation;

-- name: top_spenders
-- The values, or pairs of values, that cost most in a window.
SELECT
    if({count:UInt8} > 0, toString(s.{first:Identifier}), '') AS value_1,
    if({count:UInt8} > 1, toString(s.{second:Identifier}), '') AS value_2
FROM {source:Identifier} AS s
WHERE s.hour >= {first_hour:Int64}
  AND s.hour < {end_hour:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, s.task))
  AND (empty({models:Array(String)}) OR has({models:Array(String)}, s.{model:Identifier}))
  AND (empty({keys:Array(String)}) OR has({keys:Array(String)}, s.{key:Identifier}))
GROUP BY value_1, value_2
ORDER BY sum(s.cost_pusd) DESC, sum(s.input_tokens + s.cache_read_tokens + s.cache_write_tokens + s.output_tokens) DESC, value_1, value_2
LIMIT {top:UInt32};

-- name: spend
-- Tokens and cost of a window by step and by these values; all others are one.
WITH
    if({count:UInt8} > 0, toString(s.{first:Identifier}), '') AS raw_1,
    if({count:UInt8} > 1, toString(s.{second:Identifier}), '') AS raw_2,
    ({count:UInt8} = 0 OR (raw_1, raw_2) IN {top:Array(Tuple(String, String))}) AS is_top
SELECT
    if({step_h:Int64} = 0, {first_hour:Int64}, intDiv(s.hour, greatest({step_h:Int64}, 1)) * {step_h:Int64}) AS step,
    if(is_top, raw_1, '(other)') AS value_1,
    if(is_top, raw_2, '(other)') AS value_2,
    sum(s.calls) AS all_calls,
    sum(s.input_tokens) AS input,
    sum(s.cache_read_tokens) AS cache_read,
    sum(s.cache_write_tokens) AS cache_write,
    sum(s.output_tokens) AS output,
    sum(s.reasoning_tokens) AS reasoning,
    sumMap(map(toString(s.cost_label), s.cost_pusd)) AS cost,
    sumMap(map(toString(s.cost_label), s.calls)) AS labelled
FROM {source:Identifier} AS s
WHERE s.hour >= {first_hour:Int64}
  AND s.hour < {end_hour:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, s.task))
  AND (empty({models:Array(String)}) OR has({models:Array(String)}, s.{model:Identifier}))
  AND (empty({keys:Array(String)}) OR has({keys:Array(String)}, s.{key:Identifier}))
GROUP BY step, value_1, value_2;

-- name: undeclared
-- Undeclared calls of whole hours by system prompt and tools, those with most calls first.
SELECT
    r.system_prompt AS system_prompt,
    r.tools AS tools,
    sum(r.calls) AS calls,
    min(r.first_ns) AS first_ns,
    max(r.last_ns) AS last_ns,
    sum(r.streamed) AS streamed,
    sum(r.with_tool_calls) AS with_tool_calls,
    max(r.largest_output) AS largest_output,
    sumMap(r.keys) AS keys,
    sumMap(r.asked) AS asked,
    sumMap(r.surfaces) AS surfaces,
    sumMap(r.outcomes) AS outcomes,
    sumMap(r.finish_reasons) AS finish_reasons,
    sumMap(r.limits) AS limits,
    sumMap(r.schemas) AS schemas,
    sumMap(r.output) AS output,
    sumMap(r.input) AS input,
    sumMap(r.total) AS total,
    sumMap(r.ttft) AS ttft,
    sumMap(r.tpot) AS tpot,
    sumMap(r.gap) AS gap,
    arrayMap(one -> one.2, groupArraySortedMerge(5)(r.newest)) AS examples,
    sum(sum(r.calls)) OVER () AS all_calls
FROM undeclared_by_hour AS r
WHERE r.hour >= {first_hour:Int64}
  AND r.hour < {end_hour:Int64}
GROUP BY system_prompt, tools
ORDER BY calls DESC, system_prompt, tools
LIMIT {limit:UInt32};
