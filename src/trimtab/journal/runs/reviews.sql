-- name: add_review
-- A review that waits for a person.
INSERT INTO reviews (review, number, of, tool, binds, proposed, context, asked_ns, reason, roles, expires_ns, otherwise,
    escalates_ns, escalates_to, escalated, sampled, lock, decided_by, said, approves)
VALUES (:review, :number, :of, :tool, :binds, :proposed, :context, :asked_ns, :reason, :roles, :expires_ns, :otherwise,
    :escalates_ns, :escalates_to, 0, :sampled, :lock, '', '', '');

-- name: review
-- One review.
SELECT v.review, r.run, v.of, r.task, v.tool, v.binds, v.proposed, v.asked_ns, v.reason, v.context, v.roles,
    v.expires_ns, v.otherwise, v.escalates_ns, v.escalates_to, v.escalated, v.sampled, v.verdict, v.decided_by, v.said,
    v.decided_ns, v.edited, v.lock
FROM reviews v JOIN runs r ON r.number = v.number WHERE v.review = :review;

-- name: reviews_of_step
-- Reviews of a step, the latest last.
SELECT review, binds, verdict, sampled FROM reviews WHERE number = :number AND of = :of ORDER BY asked_ns, review;

-- name: reviews_that_wait
-- Reviews of a run that nobody has decided, and that it waits for.
SELECT review FROM reviews WHERE number = :number AND verdict IS NULL AND sampled = 0 ORDER BY asked_ns, review;

-- name: waiting_reviews
-- Reviews that wait, the oldest first, samples behind those that runs wait for.
SELECT v.review, r.run, v.of, r.task, v.tool, v.binds, v.proposed, v.asked_ns, v.reason, v.context, v.roles,
    v.expires_ns, v.otherwise, v.escalates_ns, v.escalates_to, v.escalated, v.sampled, v.verdict, v.decided_by, v.said,
    v.decided_ns, v.edited, v.lock
FROM reviews v JOIN runs r ON r.number = v.number
WHERE v.verdict IS NULL AND (:run = '' OR r.run = :run) AND (:task = '' OR r.task = :task)
    AND v.sampled BETWEEN :least AND :most AND v.asked_ns >= :since_ns
ORDER BY v.sampled, v.asked_ns, v.review LIMIT :limit;

-- name: decided_reviews
-- Reviews that were decided, the latest first.
SELECT v.review, r.run, v.of, r.task, v.tool, v.binds, v.proposed, v.asked_ns, v.reason, v.context, v.roles,
    v.expires_ns, v.otherwise, v.escalates_ns, v.escalates_to, v.escalated, v.sampled, v.verdict, v.decided_by, v.said,
    v.decided_ns, v.edited, v.lock
FROM reviews v JOIN runs r ON r.number = v.number
WHERE v.verdict IS NOT NULL AND (:run = '' OR r.run = :run) AND (:task = '' OR r.task = :task)
    AND v.sampled BETWEEN :least AND :most AND v.asked_ns >= :since_ns
ORDER BY v.decided_ns DESC, v.review DESC LIMIT :limit;

-- name: decide_review
-- What a person said, or what was declared for the case that nobody does.
UPDATE reviews SET verdict = :verdict, decided_by = :decided_by, said = :said, decided_ns = :decided_ns,
    edited = :edited, approves = :approves
WHERE review = :review AND verdict IS NULL;

-- name: decision
-- What a decision on a review is written against.
SELECT number, of, binds, verdict, decided_by, sampled, otherwise, edited FROM reviews WHERE review = :review;

-- name: expiring
-- Reviews that nobody has decided in time.
SELECT review FROM reviews WHERE verdict IS NULL AND expires_ns IS NOT NULL AND expires_ns <= :now_ns
ORDER BY expires_ns, review LIMIT :limit;

-- name: escalating
-- Reviews of which somebody else is to be told.
SELECT review FROM reviews WHERE verdict IS NULL AND escalated = 0 AND escalates_ns IS NOT NULL AND escalates_ns <= :now_ns
ORDER BY escalates_ns, review LIMIT :limit;

-- name: escalate
-- That somebody else is told.
UPDATE reviews SET escalated = 1 WHERE review = :review;
