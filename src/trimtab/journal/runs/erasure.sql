-- name: run_of_user
-- A run of an end user, those that began last first, so that what a run began goes before it.
SELECT run FROM runs WHERE end_user = :end_user AND end_user <> '' ORDER BY number DESC LIMIT 1;

-- name: erase_run
-- Takes out what a run's row says of a person.
UPDATE runs SET name = '', key = '', input = '(erased)', conversation = '', end_user = '', ordered_why = ''
WHERE number = :number;

-- name: theirs_too
-- Forks of a run and what it began are of the same end user, unless they were taken out.
UPDATE runs SET end_user = :end_user
WHERE ((fork_of = :run AND fork_of <> '') OR (parent = :run AND parent <> '')) AND input <> '(erased)';

-- name: erase_entry
-- Leaves of an entry what it says of no person; its digest stays.
UPDATE entries SET content = :content WHERE number = :number AND seq = :seq;

-- name: shred
-- A body that is to go.
INSERT INTO shreds (digest) VALUES (:digest) ON CONFLICT (digest) DO NOTHING;

-- name: shredded
-- A body that has gone.
DELETE FROM shreds WHERE digest = :digest;

-- name: shreds
-- Bodies that are to go, those behind one.
SELECT digest FROM shreds WHERE digest > :after ORDER BY digest LIMIT :limit;
