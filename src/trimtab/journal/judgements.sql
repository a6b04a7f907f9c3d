-- name: taken
-- The token of the batch that was taken in last.
SELECT token FROM judgements_taken WHERE one = 1;

-- name: take
-- Notes the token of a batch that is taken in now.
INSERT INTO judgements_taken (one, token) VALUES (1, :token) ON CONFLICT (one) DO UPDATE SET token = :token;

-- name: run
-- One run of a task.
SELECT calls, last_ns FROM runs WHERE run = :run AND task = :task;

-- name: keep_run
-- A run with its latest call; it is to be judged again.
INSERT INTO runs (run, task, calls, last_ns, latest, value, judged)
VALUES (:run, :task, :calls, :last_ns, :latest, :value, 0)
ON CONFLICT (run, task) DO UPDATE SET calls = :calls, last_ns = :last_ns, latest = :latest, value = :value, judged = 0;

-- name: count_call
-- A call of a run that ended before its latest one.
UPDATE runs SET calls = calls + 1 WHERE run = :run AND task = :task;

-- name: quiet_runs
-- The runs of a task without a call since then, which are not judged yet.
SELECT run, task, calls, last_ns, latest, value FROM runs
WHERE judged = 0 AND task = :task AND last_ns < :before_ns ORDER BY last_ns LIMIT :limit;

-- name: judged
-- A run is judged, unless a call has come meanwhile.
UPDATE runs SET judged = 1 WHERE run = :run AND task = :task AND last_ns = :last_ns;

-- name: forget_runs
-- Lets go of runs that are long over: soon of those that are judged, later of those that nobody judged.
DELETE FROM runs WHERE (judged = 1 AND last_ns < :before_ns) OR last_ns < :unjudged_ns;

-- name: bound_runs
-- Lets go of the oldest runs beyond a number.
DELETE FROM runs WHERE rowid IN (SELECT rowid FROM runs ORDER BY last_ns DESC LIMIT -1 OFFSET :most);

-- name: asked_today
-- How many calls of a task a model was asked about on a day.
SELECT calls FROM judge_days WHERE day = :day AND task = :task;

-- name: count_asked
-- One more of them.
INSERT INTO judge_days (day, task, calls) VALUES (:day, :task, 1) ON CONFLICT (day, task) DO UPDATE SET calls = calls + 1;

-- name: forget_days
-- Days that no longer matter.
DELETE FROM judge_days WHERE day < :day;

-- name: wait_for_judge
-- A call that a model is to be asked about.
INSERT INTO judge_waiting (call, added_ns, score) VALUES (:call, :added_ns, :score) ON CONFLICT (call) DO NOTHING;

-- name: next_for_judge
-- The call that has waited longest, of those that were tried least.
SELECT call, tries, score FROM judge_waiting ORDER BY tries, added_ns LIMIT 1;

-- name: tried
-- A model was asked and told nothing.
UPDATE judge_waiting SET tries = tries + 1 WHERE call = :call;

-- name: drop_for_judge
-- Nothing more is to be asked about a call.
DELETE FROM judge_waiting WHERE call = :call;

-- name: bound_judge
-- Lets go of the oldest beyond a number.
DELETE FROM judge_waiting WHERE call IN (SELECT call FROM judge_waiting ORDER BY added_ns DESC LIMIT -1 OFFSET :most);

-- name: wait_for_call
-- A judgement that waits for its call.
INSERT INTO scores_waiting (id, added_ns, score, due_ns) VALUES (:id, :added_ns, :score, :added_ns)
ON CONFLICT (id) DO UPDATE SET score = :score, due_ns = :added_ns;

-- name: waiting_scores
-- Judgements that wait for their calls and are due by then, the longest due first.
SELECT id, added_ns, score FROM scores_waiting WHERE due_ns <= :now_ns ORDER BY due_ns, id LIMIT :limit;

-- name: look_again
-- A judgement's call was not there; it is looked for again from then on.
UPDATE scores_waiting SET due_ns = :due_ns WHERE id = :id;

-- name: drop_score
-- A judgement waits no longer.
DELETE FROM scores_waiting WHERE id = :id;

-- name: bound_scores
-- Lets go of the oldest beyond a number.
DELETE FROM scores_waiting WHERE id IN (SELECT id FROM scores_waiting ORDER BY added_ns DESC LIMIT -1 OFFSET :most);
