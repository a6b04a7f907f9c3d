-- When a judgement is looked at again for its call.
ALTER TABLE scores_waiting ADD COLUMN due_ns INTEGER NOT NULL DEFAULT 0;

CREATE INDEX scores_waiting_by_due ON scores_waiting (due_ns);
