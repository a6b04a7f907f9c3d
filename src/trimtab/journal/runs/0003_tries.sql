-- What a run came to: steps that asked for something, how often they were tried, requests that models got, their tokens;
-- and how many of its calls are under way that no driver sent.
ALTER TABLE runs ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN open INTEGER NOT NULL DEFAULT 0;

CREATE INDEX runs_live ON runs (task, state) WHERE ended_ns IS NULL;

-- Which gateway worker has the step under way, where no driver does.
ALTER TABLE steps ADD COLUMN holder TEXT NOT NULL DEFAULT '';

CREATE INDEX steps_held ON steps (holder) WHERE holder <> '';
