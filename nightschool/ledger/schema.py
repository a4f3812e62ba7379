"""The ledger's schema as numbered migrations: append, never edit."""

from __future__ import annotations

import sqlite3

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created REAL NOT NULL,              -- seconds since the epoch, as every time here
        state TEXT NOT NULL,                -- queued, running, waiting, done, failed, cancelled
        goal TEXT NOT NULL,                 -- the last stage that is wanted so far
        timing TEXT NOT NULL,               -- now, tonight
        reason TEXT NOT NULL DEFAULT '',    -- why it is in this state, for the owner
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
        outcome TEXT,                       -- see ledger.Outcome; NULL while it has its lease
        reason TEXT,
        best_before INTEGER NOT NULL,       -- the highest step of the attempts before it
        last_step INTEGER,                  -- NULL: it did not get as far as a step
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
        decision_run INTEGER                -- the run that the decision speaks of
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
    CREATE TABLE looks (                    -- at test notes: each result that somebody could see
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        what TEXT NOT NULL,                 -- what answered them: base, adapter, adapter seed 1, ...
        dataset TEXT NOT NULL,
        test TEXT NOT NULL,                 -- fingerprint of the test notes alone
        UNIQUE (run, what)                  -- a stage that is done again shows the same result
    );
    """,
    """
    CREATE TABLE decisions (                -- of the policy: a row whenever one differs from the last
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        run INTEGER,                        -- NULL: none was queued, or no worker is there
        allowed INTEGER NOT NULL,
        reason TEXT NOT NULL,               -- see jobs.reasons.Reason, or no_worker
        detail TEXT NOT NULL                -- the reason in words, with its values
    );
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the newest schema, one transaction a migration."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerLedger(version)
    for number in range(version, len(MIGRATIONS)):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{MIGRATIONS[number]}\nPRAGMA user_version = {number + 1};\nCOMMIT;"
            )
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.rollback()
            # Another process may have migrated between the look and the lock.
            (now,) = connection.execute("PRAGMA user_version").fetchone()
            if now <= number:
                raise


class NewerLedger(Exception):
    """The ledger was written by a newer nightschool; holds its schema's version."""
