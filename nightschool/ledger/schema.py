"""The ledger's schema as numbered migrations: append, never edit. docs/ledger.md describes the result."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

_IN_RUN_FILES = (
    ("runs", "id", "", "WHEN old.state NOT IN ('queued', 'running') OR new.state NOT IN ('queued', 'running') "
     "OR old.goal != new.goal OR old.timing != new.timing OR old.settings != new.settings"),
    ("stages", "run", "OF state, finished ", "WHEN old.state = 'done' OR new.state IN ('done', 'failed')"),
    ("promotions", "run", "", ""),
    ("prunings", "run", "", ""),
    ("artifacts", "run", "", ""),
    ("test_exposures", "run", "", ""),
    ("forgetting_runs", "run", "", ""),
    ("damaged_models", "run", "", ""),
)  # fmt: skip
"""What migration 10 watches: table, its column of the run, and which updates count."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created REAL NOT NULL,              -- seconds since the epoch, as every time here
        state TEXT NOT NULL,                -- queued, running, waiting, done, failed, cancelled
        goal TEXT NOT NULL,                 -- the last stage to do
        timing TEXT NOT NULL,               -- now, tonight
        reason TEXT NOT NULL DEFAULT '',    -- why it is in this state, for people
        settings TEXT NOT NULL              -- JSON, as they were when the run was queued
    );
    CREATE TABLE stages (
        run INTEGER NOT NULL REFERENCES runs (id),
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,                -- waiting, running, done, failed
        step INTEGER NOT NULL DEFAULT 0,
        total_steps INTEGER NOT NULL DEFAULT 0,
        loss REAL,
        eta_s REAL,
        finished REAL,
        result TEXT,                        -- JSON
        PRIMARY KEY (run, name)
    );
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL,
        stage TEXT NOT NULL,
        worker TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        outcome TEXT,                       -- see outcomes.py; NULL while it holds its lease
        reason TEXT,
        best_before INTEGER NOT NULL,       -- the highest step of the attempts before it
        last_step INTEGER,                  -- NULL: it reached no step
        FOREIGN KEY (run, stage) REFERENCES stages (run, name)
    );
    CREATE TABLE leases (
        run INTEGER NOT NULL PRIMARY KEY,   -- one stage of a run at a time
        stage TEXT NOT NULL,
        attempt INTEGER NOT NULL REFERENCES attempts (id),
        worker TEXT NOT NULL
    );
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run INTEGER NOT NULL,
        stage TEXT,
        kind TEXT NOT NULL,                 -- state, choice, progress, warning, error
        message TEXT NOT NULL
    );
    CREATE INDEX events_by_run ON events (run, id);
    CREATE TABLE control (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        paused INTEGER NOT NULL DEFAULT 0,
        paused_until REAL,                  -- NULL: until `resume`
        run_allowed INTEGER NOT NULL DEFAULT 0,
        decision_reason TEXT NOT NULL DEFAULT 'no_worker',
        decision_run INTEGER                -- the run that the decision is about
    );
    INSERT INTO control (one) VALUES (1);
    CREATE TABLE promotions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL REFERENCES runs (id),
        at REAL NOT NULL,
        by TEXT NOT NULL                    -- comparison, owner
    );
    """,
    """
    CREATE TABLE looks (                    -- test exposures; see migration 4
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        what TEXT NOT NULL,                 -- base, adapter, adapter of seed 1 (2 of 3), ...
        dataset TEXT NOT NULL,
        test TEXT NOT NULL,                 -- fingerprint of the test notes alone
        UNIQUE (run, what)                  -- a repeated stage shows the same result
    );
    """,
    """
    CREATE TABLE decisions (                -- of the policy: a row for each change
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run INTEGER,                        -- NULL: no run is queued, or no worker runs
        allowed INTEGER NOT NULL,
        reason TEXT NOT NULL,               -- see outcomes.Reason
        detail TEXT NOT NULL                -- the reason in words, with its values
    );
    """,
    """
    CREATE TABLE test_exposures (           -- evaluations of test notes whose result could be seen
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        answerer TEXT NOT NULL,             -- base, adapter, arms, champion
        seed INTEGER,                       -- of the adapter, if the run trained several
        model_run INTEGER,                  -- the run that trained the champion
        dataset TEXT NOT NULL,
        test TEXT NOT NULL                  -- fingerprint of the test notes alone
    );
    -- A repeated stage shows the same result.
    CREATE UNIQUE INDEX test_exposures_once
        ON test_exposures (run, answerer, ifnull(seed, ''), ifnull(model_run, ''));
    INSERT OR IGNORE INTO test_exposures (at, run, answerer, seed, model_run, dataset, test)
        SELECT at, run,
            CASE
                WHEN what GLOB 'adapter of run [0-9]*, in use' THEN 'champion'
                WHEN what GLOB 'adapter*' THEN 'adapter'
                WHEN what = 'base' THEN 'base'
                ELSE 'arms'
            END,
            CASE WHEN what GLOB 'adapter of seed [0-9]*'
                THEN CAST(substr(what, length('adapter of seed ') + 1) AS INTEGER) END,
            CASE WHEN what GLOB 'adapter of run [0-9]*, in use'
                THEN CAST(substr(what, length('adapter of run ') + 1) AS INTEGER) END,
            dataset, test
        FROM looks ORDER BY id;
    DROP TABLE looks;

    -- Whether the attempt's worker died; `ended` is then when the worker last wrote to the run's log.
    ALTER TABLE attempts ADD COLUMN worker_died INTEGER NOT NULL DEFAULT 0;
    UPDATE attempts SET
        worker_died = 1,
        ended = coalesce(
            (SELECT max(at) FROM events e
             WHERE e.run = attempts.run AND at >= attempts.started AND at < attempts.ended),
            started)
        WHERE reason = 'the worker ended without a word';

    -- The newest attempt before the last `retry`: losses up to it no longer count.
    ALTER TABLE stages ADD COLUMN retried_after INTEGER NOT NULL DEFAULT 0;

    CREATE INDEX attempts_by_run ON attempts (run, id);
    CREATE INDEX decisions_by_time ON decisions (at);
    """,
    """
    CREATE INDEX runs_by_state ON runs (state, id);
    CREATE INDEX attempts_by_end ON attempts (ended);
    """,
    """
    CREATE TABLE prunings (                 -- what was deleted to save room
        path TEXT PRIMARY KEY,              -- a glob pattern in .nightschool, with /
        run INTEGER NOT NULL REFERENCES runs (id),
        at REAL NOT NULL,
        bytes INTEGER NOT NULL
    );
    """,
    """
    CREATE TABLE artifacts (                -- the files that stages wrote; none for runs of versions before
        run INTEGER NOT NULL REFERENCES runs (id),
        stage TEXT NOT NULL,                -- the last that wrote the file
        path TEXT NOT NULL,                 -- in .nightschool, with /
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,              -- bytes
        PRIMARY KEY (run, path)
    );
    """,
    """
    CREATE TABLE forgettings (              -- notes that the owner had forgotten; no name, no text
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        notes INTEGER NOT NULL,             -- how many
        ids TEXT NOT NULL,                  -- JSON: their content ids until all traces are erased, then []
        retrain INTEGER NOT NULL,           -- whether a run without them is to be queued
        retraining INTEGER REFERENCES runs (id)
    );
    CREATE TABLE forgetting_runs (          -- the runs whose datasets held them
        forgetting INTEGER NOT NULL REFERENCES forgettings (id),
        run INTEGER NOT NULL REFERENCES runs (id),
        learned INTEGER NOT NULL,           -- how many were training or validation notes
        dataset_before TEXT NOT NULL,       -- fingerprint
        dataset_after TEXT,                 -- NULL: not rewritten yet
        PRIMARY KEY (forgetting, run)
    );
    """,
    """
    ALTER TABLE leases ADD COLUMN host TEXT NOT NULL DEFAULT '';  -- the computer of the worker
    ALTER TABLE leases ADD COLUMN boot TEXT NOT NULL DEFAULT '';  -- and its start; '': unknown
    """,
    """
    CREATE TABLE damaged_models (           -- models whose files are damaged and cannot be made again
        run INTEGER PRIMARY KEY REFERENCES runs (id),
        at REAL NOT NULL,
        problem TEXT NOT NULL
    );
    CREATE TABLE changed_runs (             -- runs whose `run.json` lacks what was changed last
        run INTEGER PRIMARY KEY
    );
    INSERT INTO changed_runs (run) SELECT id FROM runs;
    """
    + "".join(
        f"""
    CREATE TRIGGER {table}_added AFTER INSERT ON {table}
        BEGIN INSERT OR IGNORE INTO changed_runs VALUES (new.{run}); END;
    CREATE TRIGGER {table}_changed AFTER UPDATE {of}ON {table} {when}
        BEGIN INSERT OR IGNORE INTO changed_runs VALUES (new.{run}); END;
    CREATE TRIGGER {table}_removed AFTER DELETE ON {table}
        BEGIN INSERT OR IGNORE INTO changed_runs VALUES (old.{run}); END;
    """
        for table, run, of, when in _IN_RUN_FILES
    )
    + """
    CREATE TRIGGER forgettings_changed AFTER UPDATE ON forgettings BEGIN
        INSERT OR IGNORE INTO changed_runs SELECT run FROM forgetting_runs WHERE forgetting = new.id;
    END;
    """,
)


def migrate(connection: sqlite3.Connection) -> bool:
    """Bring the database to the newest schema, in one transaction; returns whether it was older.

    Raises NewerLedger.
    """
    if _version(connection) == len(MIGRATIONS):
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # another process may have migrated before the lock
        if version > len(MIGRATIONS):
            raise NewerLedger(version)
        for migration in MIGRATIONS[version:]:
            for statement in _statements(migration):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _version(connection: sqlite3.Connection) -> int:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script: `executescript` would commit the open transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class NewerLedger(Exception):
    """A newer nightschool wrote the ledger; holds the version of its schema."""
