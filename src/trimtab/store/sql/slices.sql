-- name: slices
-- The slices of a window, merged of the parts that stand in the place of `parts`. `merged` stands for the columns that
-- are wanted, in each part `columns` for the same ones.
SELECT
    task,
    at_minute * 60000000000 AS at_ns,
    value,
    {merged}
FROM
(
    {parts}
) AS p
GROUP BY task, at_minute, value
ORDER BY task, at_minute, value
LIMIT {limit:UInt32};

-- name: part_of_roll_up
-- A part of the slices: rows of the roll-up in `pieces` of the window.
SELECT
    if({across:Bool}, '', r.task) AS task,
    if({step:Int64} = 0, {origin:Int64}, intDiv(r.minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
    if({by:String} = 'task', '', {rolled:Identifier}) AS value,
    {columns}
FROM slices AS r
WHERE ({pieces})
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
  AND ({only:String} = '' OR {rolled:Identifier} = {only:String});

-- name: piece_of_roll_up
-- Rows of one dimension from one minute to another, within the blocks that hold them.
(r.dimension = {dimension:String}
  AND r.block >= {first_block:Int64}
  AND r.block <= {last_block:Int64}
  AND r.minute >= {first_minute:Int64}
  AND r.minute < {end_minute:Int64});

-- name: part_of_calls
-- A part of the slices: the calls themselves that ended in `pieces` of the window, summed.
WITH
    {functions}
SELECT
    if({across:Bool}, '', c.task) AS task,
    if({step:Int64} = 0, {origin:Int64}, intDiv(c.minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
    if({by:String} = 'task', '', {column:Identifier}) AS value,
    {columns}
FROM calls AS c
WHERE ({pieces})
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({only:String} = '' OR {column:Identifier} = {only:String})
GROUP BY task, at_minute, value;

-- name: piece_of_calls
-- Calls that ended from one minute to another.
(c.minute >= {first_minute:Int64} AND c.minute < {end_minute:Int64});

-- name: part_across
-- The calls of a window summed by several dimensions at once, whose names stand in one value.
WITH
    {functions}
SELECT
    c.task AS task,
    {first_minute:Int64} AS at_minute,
    concat(if({by_model:Bool}, toString(c.model), ''), '\x1f', if({by_prompt:Bool}, toString(c.prompt), ''), '\x1f', if({by_lock:Bool}, toString(c.lock), '')) AS value,
    {columns}
FROM calls AS c
WHERE c.minute >= {first_minute:Int64}
  AND c.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({model:String} = '' OR c.model = {model:String})
GROUP BY task, at_minute, value;

-- name: readings
-- Counts of readings over a window, by field and step and by what the query tells apart.
SELECT
    task,
    field,
    kind,
    if({step:Int64} = 0, {origin:Int64}, intDiv(r.minute, greatest({step:Int64}, 1)) * {step:Int64}) * 60000000000 AS at_ns,
    if({by:String} = 'task', '', {column:Identifier}) AS value,
    sum(r.n) AS n,
    sumMap(r.categories) AS categories,
    sumMap(r.positive) AS positive,
    sumMap(r.negative) AS negative,
    sum(r.zeros) AS zeros
FROM readings_by_minute AS r
WHERE r.minute >= {first_minute:Int64}
  AND r.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
  AND (empty({fields:Array(String)}) OR has({fields:Array(String)}, r.field))
  AND ({only:String} = '' OR {column:Identifier} = {only:String})
GROUP BY task, field, kind, at_ns, value
ORDER BY task, field, at_ns, value, kind
LIMIT {limit:UInt32};

-- name: any_score
-- A row if there is a score from a minute on; to ask for the sums of none takes twenty times as long.
SELECT 1 FROM scores WHERE minute >= {first_minute:Int64} LIMIT 1;

-- name: scores
-- Scores of a window, summed. One that came again under its id counts where it came last, which may lie past the window
-- or in another task. Of those that tell completion of one run, or accuracy of one call, one counts in each step. Few come
-- again or are of one piece of work, and only those are put in order.
WITH
again AS
(
    SELECT id_hash FROM scores WHERE minute >= {first_minute:Int64} GROUP BY id_hash HAVING count() > 1
),
several AS
(
    SELECT piece_hash
    FROM scores
    WHERE minute >= {first_minute:Int64}
      AND minute < {end_minute:Int64}
      AND piece_hash != 0
      AND (name != 'completion' OR source != 'rule')
)
SELECT
    s.task AS task,
    s.name AS name,
    s.source AS source,
    s.at_minute * 60000000000 AS at_ns,
    if({by:String} = 'task', '', s.told) AS value,
    count() AS n,
    countIf(isFinite(s.number)) AS valued,
    countIf(isFinite(s.number) AND s.number >= 0.5) AS passed,
    sumIf(s.number, isFinite(s.number)) AS total,
    sumIf(s.number * s.number, isFinite(s.number)) AS squares,
    sumMapIf(map(toString(s.label), toUInt64(1)), s.label != '') AS labels,
    sumMapIf(
        map(toInt32(ceil(log(if(s.lag_ms > 0, s.lag_ms, 1.)) / log(1.01 / 0.99) - 1e-9)), toUInt64(1)), s.lag_ms > 0
    ) AS lag_ms_spread
FROM
(
    SELECT
        task,
        name,
        source,
        if({step:Int64} = 0, {origin:Int64}, intDiv(minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
        {column:Identifier} AS told,
        ifNull(value, nan) AS number,
        label,
        if(settled_ns > 0, (at_ns - settled_ns) / 1e6, 0.) AS lag_ms
    FROM scores
    WHERE minute >= {first_minute:Int64}
      AND minute < {end_minute:Int64}
      AND id_hash NOT IN (again)
      AND piece_hash NOT IN (several)
    UNION ALL
    SELECT
        task,
        name,
        source,
        if({step:Int64} = 0, {origin:Int64}, intDiv(minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
        {column:Identifier} AS told,
        ifNull(value, nan) AS number,
        label,
        if(settled_ns > 0, (at_ns - settled_ns) / 1e6, 0.) AS lag_ms
    FROM
    (
        SELECT *, minute, piece_hash
        FROM scores
        WHERE minute >= {first_minute:Int64} AND (id_hash IN (again) OR piece_hash IN (several))
        ORDER BY at_ns DESC
        LIMIT 1 BY id
    )
    WHERE minute < {end_minute:Int64}
    ORDER BY if(name = 'completion', indexOf({completers:Array(String)}, source), 0), at_ns DESC, id DESC
    LIMIT 1 BY piece_hash, if(piece_hash = 0, id, ''), at_minute
) AS s
WHERE (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, s.task))
  AND (empty({names:Array(String)}) OR has({names:Array(String)}, s.name))
  AND ({only:String} = '' OR s.told = {only:String})
GROUP BY task, name, source, at_ns, value
ORDER BY task, name, source, at_ns, value
LIMIT {limit:UInt32};

-- name: score_rows
-- The scores of a call, a run or a conversation, the last of each id, newest first.
SELECT *
FROM
(
    SELECT *
    FROM scores
    WHERE ({call:String} != '' AND call = {call:String})
       OR ({run:String} != '' AND run = {run:String})
       OR ({conversation:String} != '' AND conversation = {conversation:String})
    ORDER BY at_ns DESC
    LIMIT 1 BY id
)
ORDER BY at_ns DESC, id DESC
LIMIT {limit:UInt32};

-- name: corrections
-- The scores of a task's calls that have the answer that would have been right, the last of each call, newest first.
SELECT *
FROM
(
    SELECT *
    FROM
    (
        SELECT *
        FROM scores
        WHERE task = {task:String} AND at_ns >= {since_ns:Int64} AND call != ''
        ORDER BY at_ns DESC
        LIMIT 1 BY id
    )
    WHERE correction != ''
    ORDER BY at_ns DESC, id DESC
    LIMIT 1 BY call
)
ORDER BY at_ns DESC, id DESC
LIMIT {limit:UInt32};

-- name: engine_samples
-- Samples of a window, the last of each series in each step.
SELECT
    max(e.at_ns) AS at_ns,
    e.model AS model,
    e.replica AS replica,
    e.series AS series,
    argMax(e.value, e.at_ns) AS value
FROM engine_samples AS e
WHERE e.minute >= intDiv({since_ns:Int64}, 60000000000)
  AND e.at_ns >= {since_ns:Int64}
  AND e.at_ns < {until_ns:Int64}
  AND ({model:String} = '' OR e.model = {model:String})
  AND ({replica:String} = '' OR e.replica = {replica:String})
  AND (empty({series:Array(String)}) OR has({series:Array(String)}, e.series))
GROUP BY e.model, e.replica, e.series, intDiv(e.at_ns, {step_ns:Int64})
ORDER BY at_ns, model, replica, series
LIMIT {limit:UInt32};
