//! The tables, and how older ones become them. A version is never changed once it was released: the next one is added.

/// One step for each version; the file says in `user_version` how many it has taken.
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE requests (
        time INTEGER NOT NULL,
        id TEXT NOT NULL,
        key TEXT,
        team TEXT,
        session TEXT,
        agent TEXT,
        dialect TEXT NOT NULL,
        model_asked TEXT NOT NULL,
        model_sent TEXT,
        provider TEXT,
        endpoint_key TEXT,
        input INTEGER,
        cache_read INTEGER,
        cache_write INTEGER,
        output INTEGER,
        reasoning INTEGER,
        estimated INTEGER NOT NULL,
        cost INTEGER,
        price_guessed INTEGER NOT NULL,
        ttft_ms INTEGER,
        duration_ms INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        fault TEXT,
        status INTEGER,
        attempts INTEGER NOT NULL,
        source TEXT NOT NULL
    ) STRICT;
    CREATE INDEX requests_by_time ON requests (time);
    CREATE TABLE spending (
        key TEXT NOT NULL,
        day TEXT NOT NULL,
        cost INTEGER NOT NULL,
        PRIMARY KEY (key, day)
    ) STRICT, WITHOUT ROWID;
"];

/// A row of `requests`.
pub(super) const INSERT: &str = "
    INSERT INTO requests (
        time, id, key, team, session, agent, dialect, model_asked, model_sent, provider, endpoint_key,
        input, cache_read, cache_write, output, reasoning, estimated, cost, price_guessed,
        ttft_ms, duration_ms, stream, outcome, fault, status, attempts, source
    ) VALUES (
        :time, :id, :key, :team, :session, :agent, :dialect, :model_asked, :model_sent, :provider, :endpoint_key,
        :input, :cache_read, :cache_write, :output, :reasoning, :estimated, :cost, :price_guessed,
        :ttft_ms, :duration_ms, :stream, :outcome, :fault, :status, :attempts, :source
    )";

/// What a key has spent on a day. Kept beside the rows: budgets are read from it at once, however many rows there are.
pub(super) const SPEND: &str = "
    INSERT INTO spending (key, day, cost) VALUES (?1, ?2, ?3)
    ON CONFLICT (key, day) DO UPDATE SET cost = cost + excluded.cost";

/// What keys have spent on a day, and since a day before it.
pub(super) const SPENT: &str = "
    SELECT key, SUM(CASE WHEN day = ?2 THEN cost ELSE 0 END), SUM(cost)
    FROM spending WHERE ?1 <= day AND day <= ?2 GROUP BY key";

/// Old rows, some at a time.
pub(super) const PRUNE: &str = "
    DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE time < ?1 LIMIT ?2)";

/// Old days.
pub(super) const PRUNE_DAYS: &str = "DELETE FROM spending WHERE day < ?1";
