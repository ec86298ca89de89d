//! The file. One connection writes; whoever asks opens one of their own that can only read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, named_params};
use thiserror::Error;

use crate::ledger::question::Question;
use crate::ledger::report::{Line, Report};
use crate::ledger::row::Row;
use crate::ledger::schema;
use crate::types::calendar::unix_millis;
use crate::types::{Day, MicroUsd};

/// Longest wait for another process that writes the same file.
const BUSY: Duration = Duration::from_secs(2);
/// Rows deleted at a time, so that a purge holds nobody up.
const PRUNED_AT_ONCE: i64 = 5_000;

/// Why the ledger cannot be written or read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file or its folder.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// SQLite.
    #[error("{path}: {error}")]
    Sql {
        /// The file.
        path: String,
        /// Why.
        error: rusqlite::Error,
    },
    /// A later version has written the file.
    #[error(
        "{path} was written by a later version of pointsman; use that, or name another ledger.path"
    )]
    Later {
        /// The file.
        path: String,
    },
    /// There is no such file.
    #[error(
        "there is no ledger at {path}: is `ledger` in the configuration, and has a request been served?"
    )]
    Missing {
        /// Where.
        path: String,
    },
}

/// What a key has spent, by the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// The key's name.
    pub key: String,
    /// On the day asked for.
    pub today: MicroUsd,
    /// In its month, up to that day.
    pub this_month: MicroUsd,
}

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the file, makes it where there is none, and brings it up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path).map_err(|error| StoreError::File {
            path: path.display().to_string(),
            error,
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            // Rows that were committed survive the end of the process; those of the last moment may not survive that
            // of the machine.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(connection)
        };
        let mut connection = open().map_err(|error| sql(path, error))?;
        bring_up_to_date(&mut connection, path)?;
        Ok(Store {
            connection,
            path: path.to_owned(),
        })
    }

    /// Whether this is the store of `path`, and the file is still there.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == path && path.exists()
    }

    /// Writes rows, all or none.
    pub fn write(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let path = self.path.clone();
        self.write_all(rows).map_err(|error| sql(&path, error))
    }

    fn write_all(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare(schema::INSERT)?;
            let mut spend = transaction.prepare(schema::SPEND)?;
            for row in rows {
                insert_row(&mut insert, row)?;
                if let (Some(key), Some(cost)) = (&row.key, row.cost) {
                    let day = Day::of(row.time).to_string();
                    spend.execute((key, day, whole(cost.0)))?;
                }
            }
        }
        transaction.commit()
    }

    /// Deletes some of the rows of before `day`. Whether there may be more.
    pub fn prune(&mut self, day: Day) -> Result<bool, StoreError> {
        let delete = || {
            let before = unix_millis(day.start());
            let rows = self
                .connection
                .execute(schema::PRUNE, (before, PRUNED_AT_ONCE))?;
            self.connection
                .execute(schema::PRUNE_DAYS, [day.to_string()])?;
            Ok(rows)
        };
        let rows = delete().map_err(|error| sql(&self.path, error))?;
        Ok(i64::try_from(rows) == Ok(PRUNED_AT_ONCE))
    }

    /// What keys have spent by `day`.
    pub fn spending(&self, day: Day) -> Result<Vec<Spending>, StoreError> {
        read_spending(&self.connection, day).map_err(|error| sql(&self.path, error))
    }
}

/// What keys have spent by `day`.
pub fn spending(path: &Path, day: Day) -> Result<Vec<Spending>, StoreError> {
    let connection = open_to_read(path)?;
    read_spending(&connection, day).map_err(|error| sql(path, error))
}

/// Answers a question. Takes as long as there are rows in its time.
pub fn ask(path: &Path, question: &Question) -> Result<Report, StoreError> {
    let connection = open_to_read(path)?;
    let lines = read_lines(&connection, question).map_err(|error| sql(path, error))?;
    Ok(Report::new(question, lines))
}

fn sql(path: &Path, error: rusqlite::Error) -> StoreError {
    StoreError::Sql {
        path: path.display().to_string(),
        error,
    }
}

/// Who used how much is for the operator's eyes.
fn make_private(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|it| !it.exists()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options.open(path).map(drop)
}

fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |it| it.get::<_, i64>(0))
    };
    let newest = i64::try_from(schema::STEPS.len()).unwrap_or(i64::MAX);
    let taken = version(connection).map_err(|error| sql(path, error))?;
    if newest < taken {
        return Err(StoreError::Later {
            path: path.display().to_string(),
        });
    }
    let mut step = || {
        // Another process may be at it, too: who comes second finds it done.
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let taken = usize::try_from(version(&transaction)?).unwrap_or(0);
        for step in schema::STEPS.iter().skip(taken) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", newest)?;
        transaction.commit()
    };
    if taken == newest {
        Ok(())
    } else {
        step().map_err(|error| sql(path, error))
    }
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if fs::metadata(path).is_err() {
        return Err(StoreError::Missing {
            path: path.display().to_string(),
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    };
    open().map_err(|error| sql(path, error))
}

/// SQLite counts with a sign.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn insert_row(insert: &mut rusqlite::Statement<'_>, row: &Row) -> rusqlite::Result<usize> {
    let tokens = row.tokens.as_ref();
    insert.execute(named_params! {
        ":time": unix_millis(row.time),
        ":id": row.id,
        ":key": row.key,
        ":team": row.team,
        ":session": row.session,
        ":agent": row.agent,
        ":dialect": row.dialect,
        ":model_asked": row.model_asked,
        ":model_sent": row.model_sent,
        ":provider": row.provider,
        ":endpoint_key": row.endpoint_key,
        ":input": tokens.map(|it| whole(it.input)),
        ":cache_read": tokens.map(|it| whole(it.cache_read)),
        ":cache_write": tokens.map(|it| whole(it.cache_write)),
        ":output": tokens.map(|it| whole(it.output)),
        ":reasoning": tokens.map(|it| whole(it.reasoning)),
        ":estimated": row.estimated,
        ":cost": row.cost.map(|it| whole(it.0)),
        ":price_guessed": row.price_guessed,
        ":ttft_ms": row.ttft.map(millis),
        ":duration_ms": millis(row.duration),
        ":stream": row.stream,
        ":outcome": row.outcome,
        ":fault": row.fault,
        ":status": row.status,
        ":attempts": row.attempts,
        ":source": row.source.word(),
    })
}

fn read_spending(connection: &Connection, day: Day) -> rusqlite::Result<Vec<Spending>> {
    let mut statement = connection.prepare(schema::SPENT)?;
    let first = day.first_of_month().to_string();
    let rows = statement.query_map((first, day.to_string()), |it| {
        Ok(Spending {
            key: it.get(0)?,
            today: MicroUsd(it.get::<_, i64>(1)?.unsigned_abs()),
            this_month: MicroUsd(it.get::<_, i64>(2)?.unsigned_abs()),
        })
    })?;
    rows.collect()
}

fn read_lines(connection: &Connection, question: &Question) -> rusqlite::Result<Vec<Line>> {
    let mut statement = connection.prepare(&question.sql())?;
    let time = |at: SystemTime| unix_millis(at);
    let span = (time(question.since), time(question.until));
    let rows = statement.query_map(span, |it| {
        let number = |at: usize| -> rusqlite::Result<u64> {
            Ok(it.get::<_, Option<i64>>(at)?.unwrap_or(0).unsigned_abs())
        };
        Ok(Line {
            name: it.get::<_, Option<String>>(0)?,
            requests: number(1)?,
            failed: number(2)?,
            shared: number(3)?,
            input: number(4)?,
            cache_read: number(5)?,
            cache_write: number(6)?,
            output: number(7)?,
            reasoning: number(8)?,
            cost: MicroUsd(number(9)?),
            unpriced: number(10)?,
            guessed: number(11)?,
        })
    })?;
    rows.collect()
}
