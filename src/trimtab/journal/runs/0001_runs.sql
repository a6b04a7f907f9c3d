-- Runs as their logs have made them: all of it can be made again from `entries`.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    name TEXT NOT NULL,
    through TEXT NOT NULL,
    lock TEXT NOT NULL,
    key TEXT NOT NULL,
    input TEXT NOT NULL,
    parent TEXT NOT NULL,
    parent_seq INTEGER NOT NULL,
    fork_of TEXT NOT NULL,
    fork_seq INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    end_user TEXT NOT NULL,
    retention TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    head INTEGER NOT NULL,
    digest BLOB NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    owner TEXT NOT NULL,
    leased_seq INTEGER NOT NULL,
    held_to INTEGER NOT NULL,
    until_ns INTEGER,
    wake_ns INTEGER,
    ready_ns INTEGER,
    woken INTEGER NOT NULL,
    waits_for TEXT NOT NULL,
    ordered TEXT NOT NULL,
    ordered_by TEXT NOT NULL,
    ordered_why TEXT NOT NULL,
    steps INTEGER NOT NULL,
    cost_pusd INTEGER NOT NULL,
    ended_ns INTEGER,
    error TEXT NOT NULL
);

CREATE INDEX runs_by_start ON runs (started_ns, run);
CREATE INDEX runs_by_task ON runs (task, started_ns, run);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent <> '';
CREATE INDEX runs_by_origin ON runs (fork_of) WHERE fork_of <> '';
CREATE INDEX runs_by_conversation ON runs (conversation) WHERE conversation <> '';
CREATE INDEX runs_by_end_user ON runs (end_user) WHERE end_user <> '';
CREATE INDEX runs_ready ON runs (task, ready_ns) WHERE ready_ns IS NOT NULL;
CREATE INDEX runs_leased ON runs (until_ns) WHERE until_ns IS NOT NULL;
CREATE INDEX runs_waking ON runs (wake_ns) WHERE wake_ns IS NOT NULL;

-- What happened, in order: `content` is the entry as JSON in the form `version`, `digest` is over it and the one before.
CREATE TABLE entries (
    number INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content BLOB NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (number, seq)
);

-- Intents by what they asked for. `alike` stands for label and request; `taken` says that it may have been sent.
CREATE TABLE steps (
    number INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    alike INTEGER NOT NULL,
    occurrence INTEGER NOT NULL,
    branch TEXT NOT NULL,
    after INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    result INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    output BLOB NOT NULL,
    call TEXT NOT NULL,
    binds TEXT NOT NULL,
    PRIMARY KEY (number, seq)
) WITHOUT ROWID;

CREATE INDEX steps_alike ON steps (number, alike, seq);
CREATE INDEX steps_of_branch ON steps (number, branch, seq) WHERE branch <> '';
CREATE INDEX steps_bound ON steps (number, binds) WHERE binds <> '';

-- How far recorded steps that nobody orders were given out again, by what they asked for.
CREATE TABLE given (
    number INTEGER NOT NULL,
    session TEXT NOT NULL,
    alike INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    call TEXT NOT NULL,
    PRIMARY KEY (number, session, alike)
) WITHOUT ROWID;

-- Events from outside by their ids, so that one that comes again is known.
CREATE TABLE arrived (
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (number, id)
) WITHOUT ROWID;

-- What persons are asked, and what they said.
CREATE TABLE reviews (
    review TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    of INTEGER NOT NULL,
    tool TEXT NOT NULL,
    binds TEXT NOT NULL,
    proposed BLOB NOT NULL,
    context BLOB,
    asked_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    roles TEXT NOT NULL,
    expires_ns INTEGER,
    otherwise TEXT NOT NULL,
    escalates_ns INTEGER,
    escalates_to TEXT NOT NULL,
    escalated INTEGER NOT NULL,
    sampled INTEGER NOT NULL,
    lock TEXT NOT NULL,
    verdict TEXT,
    decided_by TEXT NOT NULL,
    said TEXT NOT NULL,
    decided_ns INTEGER,
    edited BLOB,
    approves TEXT NOT NULL
);

CREATE INDEX reviews_of_run ON reviews (number, of);
CREATE INDEX reviews_waiting ON reviews (asked_ns, review) WHERE verdict IS NULL;
CREATE INDEX reviews_decided ON reviews (decided_ns, review) WHERE verdict IS NOT NULL;
CREATE INDEX reviews_approving ON reviews (number, approves) WHERE approves <> '';
CREATE INDEX reviews_expiring ON reviews (expires_ns) WHERE verdict IS NULL AND expires_ns IS NOT NULL;
CREATE INDEX reviews_escalating ON reviews (escalates_ns) WHERE verdict IS NULL AND escalated = 0 AND escalates_ns IS NOT NULL;
