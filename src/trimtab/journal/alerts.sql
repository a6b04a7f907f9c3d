-- name: keep_alert
-- Keeps an alert as it is now.
INSERT INTO alerts (id, place, task, rule, signal, severity, state, led_by, found_ns, changed_ns, body)
VALUES (:id, :place, :task, :rule, :signal, :severity, :state, :led_by, :found_ns, :changed_ns, :body)
ON CONFLICT (id) DO UPDATE SET severity = :severity, state = :state, led_by = :led_by, found_ns = :found_ns,
    changed_ns = :changed_ns, body = :body;

-- name: add_step
-- Adds a step to the history of an alert.
INSERT INTO alert_steps (alert, at_ns, before, after, by, why) VALUES (:alert, :at_ns, :before, :after, :by, :why);

-- name: one
-- One alert.
SELECT body FROM alerts WHERE id = :id;

-- name: living
-- The alerts that are not resolved, those that lead the groups of such, and those that were resolved since a time.
SELECT body FROM alerts
WHERE state <> 'resolved' OR changed_ns >= :since_ns OR id IN (SELECT led_by FROM alerts WHERE state <> 'resolved')
ORDER BY found_ns, id;

-- name: listed
-- The alerts of some tasks (JSON), a task, rule and state, where given, newest first; an empty state is all. Those that
-- were over before anybody was told are none.
SELECT body FROM alerts
WHERE (state <> 'resolved' OR EXISTS (SELECT 1 FROM alert_steps WHERE alert = alerts.id AND after = 'open'))
  AND (:tasks = '[]' OR task IN (SELECT value FROM json_each(:tasks)))
  AND (:task = '' OR task = :task) AND (:rule = '' OR rule = :rule) AND (:signal = '' OR signal = :signal)
  AND (:state = '' OR state = :state OR (:state = 'active' AND state <> 'resolved')) AND changed_ns >= :since_ns
ORDER BY found_ns DESC, id DESC
LIMIT :limit;

-- name: history
-- The steps of an alert, the first one first.
SELECT at_ns, before, after, by, why FROM alert_steps WHERE alert = :alert ORDER BY at_ns, rowid;

-- name: older
-- Drops alerts that were resolved before a time.
DELETE FROM alerts WHERE state = 'resolved' AND changed_ns < :before_ns;

-- name: over_bound
-- Drops the oldest resolved alerts beyond a number.
DELETE FROM alerts WHERE id IN (
    SELECT id FROM alerts WHERE state = 'resolved' ORDER BY changed_ns DESC, id DESC LIMIT -1 OFFSET :most
);

-- name: keep_silence
-- Keeps a silence, or changes when it ends.
INSERT INTO silences (id, task, signal, rule, from_ns, until_ns, by, why)
VALUES (:id, :task, :signal, :rule, :from_ns, :until_ns, :by, :why)
ON CONFLICT (id) DO UPDATE SET until_ns = :until_ns;

-- name: silences
-- The silences that end after a time.
SELECT id, task, signal, rule, from_ns, until_ns, by, why FROM silences WHERE until_ns > :after_ns
ORDER BY until_ns, id;

-- name: forget_silences
-- Drops silences that ended before a time.
DELETE FROM silences WHERE until_ns < :before_ns;

-- name: keep_monitor
-- Keeps where a monitor stands.
UPDATE monitors SET body = :body WHERE place = :place;

-- name: keep_learned
-- Keeps a monitor with what it learned.
INSERT INTO monitors (place, task, body, learned) VALUES (:place, :task, :body, :learned)
ON CONFLICT (place) DO UPDATE SET body = :body, learned = :learned;

-- name: forget_monitor
-- Lets go of a monitor.
DELETE FROM monitors WHERE place = :place;

-- name: monitors
-- All monitors.
SELECT body, learned FROM monitors ORDER BY place;

-- name: evaluated
-- The minute up to which a source was evaluated.
SELECT minute FROM evaluated WHERE source = :source;

-- name: keep_evaluated
-- Notes the minute up to which a source was evaluated.
INSERT INTO evaluated (source, minute) VALUES (:source, :minute)
ON CONFLICT (source) DO UPDATE SET minute = :minute;

-- name: put
-- Puts something into the outbox.
INSERT INTO outbox (id, alert, kind, receiver, body, made_ns, due_ns)
VALUES (:id, :alert, :kind, :receiver, :body, :made_ns, :due_ns);
