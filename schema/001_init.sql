-- 001_init.sql - the manifest: what was asked for, what happened, what came out.
-- Integer keys inside; a job's digest is its identity.  Views for people are made by
-- coordinator/views.c at every open.  Times are wall milliseconds since 1970, UTC.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a coordinator; ended_ms is NULL while it runs and after a crash.
CREATE TABLE session (
    id         INTEGER PRIMARY KEY,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    version    TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER
) STRICT;

-- The last text given for a sweep; `revision` grows with every change of it.
CREATE TABLE sweep (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    title       TEXT,
    phase       TEXT,
    hypothesis  TEXT,
    expected    TEXT,
    path        TEXT,
    spec        TEXT NOT NULL,
    digest      BLOB NOT NULL,
    revision    INTEGER NOT NULL,
    is_whole    INTEGER NOT NULL DEFAULT 0,   -- every job of the revision is recorded
    n_jobs      INTEGER NOT NULL DEFAULT 0,
    recorded_ms INTEGER NOT NULL,
    changed_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE kind (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (name, version)
) STRICT;

CREATE TABLE stage (
    id           INTEGER PRIMARY KEY,
    sweep        INTEGER NOT NULL REFERENCES sweep (id),
    name         TEXT NOT NULL,
    ord          INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    gate_metric  TEXT,
    gate_against TEXT,                        -- a stage of the same sweep; NULL: the value itself
    gate_min     REAL,
    gate_max     REAL,
    gate_fails   INTEGER NOT NULL DEFAULT 0,  -- on_miss: fail
    UNIQUE (sweep, name)
) STRICT;

-- Knobs of a job's ancestors, shared by many jobs.
CREATE TABLE context (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE
) STRICT;

-- Here and below: x = a OR x = b.  For x IN (a, b, c) SQLite builds a table anew at every write.
CREATE TABLE job (
    id                 INTEGER PRIMARY KEY,
    digest             BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    kind               INTEGER NOT NULL REFERENCES kind (id),
    knobs              TEXT NOT NULL,         -- JSON object, non-default knobs only
    context            INTEGER NOT NULL REFERENCES context (id),
    run_name           TEXT NOT NULL UNIQUE,
    sweep              INTEGER NOT NULL REFERENCES sweep (id),  -- where it lives
    stage              INTEGER NOT NULL REFERENCES stage (id),
    state              TEXT NOT NULL DEFAULT 'waiting' CHECK (state = 'waiting' OR state = 'ready' OR
                           state = 'leased' OR state = 'done' OR state = 'failed' OR state = 'quarantined' OR
                           state = 'skipped' OR state = 'cancelled'),
    epoch              INTEGER NOT NULL DEFAULT 0,
    in_agent           INTEGER NOT NULL,      -- no process, no folder
    threads            INTEGER NOT NULL,
    priority           INTEGER NOT NULL,
    retries            INTEGER NOT NULL,
    timeout_s          REAL NOT NULL,
    checkpoint_every_s REAL NOT NULL,
    memory             INTEGER NOT NULL,
    cost_s             REAL NOT NULL,
    n_infra            INTEGER NOT NULL DEFAULT 0,
    n_lost             INTEGER NOT NULL DEFAULT 0,
    n_oom              INTEGER NOT NULL DEFAULT 0,
    not_before_ms      INTEGER NOT NULL DEFAULT 0,
    recorded_ms        INTEGER NOT NULL,
    verdict            TEXT CHECK (verdict IN ('pass', 'negative')),
    class              TEXT,                  -- of the last failure
    message            TEXT,
    cause              INTEGER                -- the job that made it skip
) STRICT;
CREATE INDEX job_by_trouble ON job (state) WHERE state = 'leased' OR state = 'failed' OR state = 'quarantined';

CREATE TABLE sweep_job (
    sweep    INTEGER NOT NULL REFERENCES sweep (id),
    job      INTEGER NOT NULL REFERENCES job (id),
    stage    INTEGER NOT NULL REFERENCES stage (id),
    revision INTEGER NOT NULL,                -- the last one of the sweep that has the job
    verdict  TEXT CHECK (verdict IN ('pass', 'negative')),   -- of this stage's gate
    reason   TEXT,
    PRIMARY KEY (sweep, job, stage)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_input (
    job       INTEGER NOT NULL REFERENCES job (id),
    pos       INTEGER NOT NULL,
    name      TEXT NOT NULL,                  -- input, or knob when field is set
    field     TEXT,                           -- metric taken from the input
    ord       INTEGER NOT NULL,
    input     INTEGER NOT NULL REFERENCES job (id),
    must_pass INTEGER NOT NULL,
    PRIMARY KEY (job, pos)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_input_by_input ON job_input (input);

CREATE TABLE provenance (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,              -- SHA-256 of json
    json   TEXT NOT NULL
) STRICT;

-- One row a lease.
CREATE TABLE attempt (
    job        INTEGER NOT NULL REFERENCES job (id),
    epoch      INTEGER NOT NULL,
    rank       INTEGER NOT NULL,
    host       TEXT,
    pid        INTEGER,
    granted_ms INTEGER NOT NULL,
    timeout_s  REAL,                          -- the limit it ran under; 0 is none
    started_ms INTEGER,
    ended_ms   INTEGER,
    outcome    TEXT NOT NULL,                 -- running, or the event that ended it
    class      TEXT,
    exit_code  INTEGER,
    signal     INTEGER,
    wall_s     REAL,
    cpu_s      REAL,
    maxrss_kib INTEGER,
    message    TEXT,
    log        TEXT,                          -- relative to the results folder
    command    TEXT,
    provenance INTEGER REFERENCES provenance (id),
    PRIMARY KEY (job, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_name (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    long_name   TEXT NOT NULL,
    unit        TEXT NOT NULL,
    better      TEXT NOT NULL,
    is_volatile INTEGER NOT NULL,
    help        TEXT NOT NULL
) STRICT;

CREATE TABLE metric (
    job   INTEGER NOT NULL REFERENCES job (id),
    name  INTEGER NOT NULL REFERENCES metric_name (id),
    value REAL NOT NULL,
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

-- Why a declared metric has no value.
CREATE TABLE metric_absent (
    job    INTEGER NOT NULL REFERENCES job (id),
    name   TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE series_name (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Of n logged points of a name, n > 2000, those with number floor(i (n - 1) / 1999), i = 0 .. 1999.
CREATE TABLE series_point (
    job   INTEGER NOT NULL REFERENCES job (id),
    name  INTEGER NOT NULL REFERENCES series_name (id),
    step  INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (job, name, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE pair (
    job           INTEGER NOT NULL REFERENCES job (id),
    seed_a        INTEGER NOT NULL,
    seed_b        INTEGER NOT NULL,
    pwmcc         REAL,
    mmcs          REAL,
    hungarian     REAL,
    hungarian_abs REAL,
    subspace      REAL,
    grassmann     REAL,
    PRIMARY KEY (job, seed_a, seed_b)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob (
    job   INTEGER NOT NULL REFERENCES job (id),
    name  TEXT NOT NULL,
    type  TEXT NOT NULL,
    data  BLOB NOT NULL,
    PRIMARY KEY (job, name)
) STRICT;

CREATE TABLE artifact (
    job    INTEGER NOT NULL REFERENCES job (id),
    path   TEXT NOT NULL,                     -- relative to the job's folder
    bytes  INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (job, path)
) STRICT, WITHOUT ROWID;

-- Append-only: applied in order to freshly recorded jobs, the events give every state.
CREATE TABLE event (
    id            INTEGER PRIMARY KEY,
    wall_ms       INTEGER NOT NULL,
    type          TEXT NOT NULL,
    job           INTEGER,
    epoch         INTEGER NOT NULL,
    rank          INTEGER NOT NULL,
    cause         INTEGER,
    class         TEXT,
    exit_code     INTEGER NOT NULL,
    signal        INTEGER NOT NULL,
    wall_s        REAL,
    cpu_s         REAL,
    maxrss_kib    INTEGER NOT NULL,
    started_ms    INTEGER NOT NULL,
    not_before_ms INTEGER NOT NULL,
    n_infra       INTEGER NOT NULL,
    n_lost        INTEGER NOT NULL,
    n_oom         INTEGER NOT NULL,
    pid           INTEGER NOT NULL,
    host          TEXT,
    message       TEXT,
    metrics       TEXT
) STRICT;
CREATE INDEX event_by_job ON event (job) WHERE type <> 'ready' AND type <> 'grant' AND type <> 'done';
CREATE TRIGGER event_is_kept BEFORE DELETE ON event
BEGIN SELECT raise(ABORT, 'events are append-only'); END;
CREATE TRIGGER event_is_final BEFORE UPDATE ON event
BEGIN SELECT raise(ABORT, 'events are append-only'); END;

-- The commit that mends a failure, recorded when the job is put back.
CREATE TABLE fix (
    id        INTEGER PRIMARY KEY,
    job       INTEGER NOT NULL REFERENCES job (id),
    wall_ms   INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    who       TEXT NOT NULL,
    note      TEXT
) STRICT;

-- 97.5 % quantiles of Student's t for n observations, for the intervals of `summary`.
CREATE TABLE student_t (
    n INTEGER PRIMARY KEY,
    q REAL NOT NULL
) STRICT;

-- What results/EXPERIMENT_LOG.md tells; is_written once it is in the file.
CREATE TABLE log_entry (
    id         INTEGER PRIMARY KEY,
    job        INTEGER NOT NULL REFERENCES job (id),
    epoch      INTEGER NOT NULL,
    tag        TEXT NOT NULL,                 -- failed, quarantined or negative
    wall_ms    INTEGER NOT NULL,
    is_written INTEGER NOT NULL DEFAULT 0,
    UNIQUE (job, epoch, tag)
) STRICT;
CREATE INDEX log_entry_pending ON log_entry (id) WHERE NOT is_written;
