-- name: part_columns
-- What is read of a run.
number, run, task, name, through, lock, key, input, parent, parent_seq, fork_of, fork_seq, conversation, end_user,
    retention, started_ns, head, digest, state, epoch, owner, leased_seq, held_to, until_ns, wake_ns, woken,
    waits_for, ordered, ordered_by, ordered_why, steps, cost_pusd, ended_ns, error, asked, tried, requests, tokens, open;

-- name: part_narrowed
-- What a page of runs may be narrowed by; an empty value narrows nothing.
AND (:task = '' OR task = :task) AND (:parent = '' OR parent = :parent)
    AND (:fork_of = '' OR fork_of = :fork_of) AND (:conversation = '' OR conversation = :conversation)
    AND (:end_user = '' OR end_user = :end_user) AND (:through = '' OR through = :through)
    AND (:states = '' OR replace(:states, ',' || state || ',', '') <> :states)
    AND (:waits = '' OR substr(waits_for, 1, 7) = :waits) AND (:error = '' OR error = :error)
    AND (:unforked = 0 OR NOT EXISTS (SELECT 1 FROM runs f WHERE f.fork_of = runs.run AND f.fork_of <> ''));

-- name: find
-- A page of runs, the latest first.
SELECT {part_columns}
FROM runs WHERE (started_ns < :started_ns OR (started_ns = :started_ns AND run < :run))
    AND started_ns >= :since_ns {part_narrowed}
ORDER BY started_ns DESC, run DESC LIMIT :limit;

-- name: find_by_task
-- A page of runs of a task, the latest first.
SELECT {part_columns}
FROM runs WHERE task = :task AND (started_ns < :started_ns OR (started_ns = :started_ns AND run < :run))
    AND started_ns >= :since_ns {part_narrowed}
ORDER BY started_ns DESC, run DESC LIMIT :limit;

-- name: find_by_parent
-- A page of runs that a run began, the latest first.
SELECT {part_columns}
FROM runs WHERE parent = :parent AND parent <> '' AND (started_ns < :started_ns OR (started_ns = :started_ns AND run < :run))
    AND started_ns >= :since_ns {part_narrowed}
ORDER BY started_ns DESC, run DESC LIMIT :limit;

-- name: find_by_fork_of
-- A page of runs that were forked off a run, the latest first.
SELECT {part_columns}
FROM runs WHERE fork_of = :fork_of AND fork_of <> '' AND (started_ns < :started_ns OR (started_ns = :started_ns AND run < :run))
    AND started_ns >= :since_ns {part_narrowed}
ORDER BY started_ns DESC, run DESC LIMIT :limit;

-- name: find_by_conversation
-- A page of runs of a conversation, the latest first.
SELECT {part_columns}
FROM runs WHERE conversation = :conversation AND conversation <> '' AND (started_ns < :started_ns OR (started_ns = :started_ns AND run < :run))
    AND started_ns >= :since_ns {part_narrowed}
ORDER BY started_ns DESC, run DESC LIMIT :limit;

-- name: find_by_end_user
-- A page of runs of an end user, the latest first.
SELECT {part_columns}
FROM runs WHERE end_user = :end_user AND end_user <> '' AND (started_ns < :started_ns OR (started_ns = :started_ns AND run < :run))
    AND started_ns >= :since_ns {part_narrowed}
ORDER BY started_ns DESC, run DESC LIMIT :limit;

-- name: find_live
-- A page of runs that have not ended, the latest first; read by the index of those.
SELECT {part_columns}
FROM runs WHERE ended_ns IS NULL AND (+started_ns < :started_ns OR (+started_ns = :started_ns AND run < :run))
    AND +started_ns >= :since_ns {part_narrowed}
ORDER BY +started_ns DESC, run DESC LIMIT :limit;
