-- Calls that were submitted to be made later, each a run, until the time is over for which answers are kept.
CREATE TABLE background (
    number INTEGER NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    surface TEXT NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    repeats TEXT NOT NULL,
    headers TEXT NOT NULL,
    shown TEXT NOT NULL,
    receiver TEXT NOT NULL,
    status TEXT NOT NULL,
    submitted_ns INTEGER NOT NULL,
    deadline_ns INTEGER NOT NULL,
    life_ns INTEGER NOT NULL,
    keep_ns INTEGER NOT NULL,
    due_ns INTEGER,
    tries INTEGER NOT NULL,
    most_tries INTEGER NOT NULL,
    after INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    status_code INTEGER NOT NULL,
    error TEXT NOT NULL,
    detail TEXT NOT NULL,
    told TEXT NOT NULL,
    over_ns INTEGER,
    expires_ns INTEGER,
    untold INTEGER NOT NULL,
    PRIMARY KEY (number)
);

CREATE UNIQUE INDEX background_repeats ON background (key, repeats) WHERE repeats <> '';
CREATE INDEX background_due ON background (due_ns) WHERE due_ns IS NOT NULL;
CREATE INDEX background_late ON background (deadline_ns) WHERE due_ns IS NOT NULL;
CREATE INDEX background_of_key ON background (key) WHERE due_ns IS NOT NULL;
CREATE INDEX background_expiring ON background (expires_ns) WHERE expires_ns IS NOT NULL;
CREATE INDEX background_untold ON background (over_ns) WHERE untold = 1;
CREATE INDEX background_by_time ON background (submitted_ns, number);
