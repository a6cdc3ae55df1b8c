/** The schema of the daemon's database, one step per version. Steps that were released never change; add new ones. */
import type { DatabaseSync } from 'node:sqlite';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { integer, nullable, object } from '../../protocol/parse.ts';

interface Migration {
  readonly description: string;
  readonly sql: string;
}

const migrations: readonly Migration[] = [
  {
    description: 'hosts, repositories, runs, run logs and journals',
    sql: `
      CREATE TABLE hosts (
        name TEXT PRIMARY KEY, url TEXT NOT NULL, threads INTEGER NOT NULL, certificate_sha256 TEXT
      ) STRICT;
      CREATE TABLE repositories (name TEXT PRIMARY KEY, location TEXT NOT NULL, id TEXT NOT NULL) STRICT;
      CREATE TABLE runs (
        id TEXT PRIMARY KEY, key TEXT UNIQUE, finished INTEGER NOT NULL, info TEXT NOT NULL
      ) STRICT;
      CREATE INDEX runs_unfinished ON runs (id) WHERE finished = 0;
      CREATE TABLE run_log (
        run TEXT NOT NULL, line INTEGER NOT NULL, time TEXT NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (run, line)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE journal (number INTEGER PRIMARY KEY, run TEXT NOT NULL, entry TEXT NOT NULL) STRICT;
      CREATE INDEX journal_run ON journal (run, number);
    `,
  },
  {
    description: 'how much runs moved over time',
    sql: 'CREATE TABLE run_samples (run TEXT PRIMARY KEY, samples TEXT NOT NULL) STRICT;',
  },
  {
    description: 'policies, their versions, and which runs are theirs',
    sql: `
      CREATE TABLE policies (
        name TEXT PRIMARY KEY, version INTEGER NOT NULL, repository TEXT NOT NULL, paused TEXT, last_success_at TEXT
      ) STRICT;
      CREATE TABLE policy_versions (
        name TEXT NOT NULL, version INTEGER NOT NULL, info TEXT NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (name, version)
      ) STRICT;
      ALTER TABLE runs ADD COLUMN policy TEXT;
      CREATE INDEX runs_policy ON runs (policy, id) WHERE policy IS NOT NULL;
    `,
  },
  {
    description: 'messages about runs, settings, and which runs are part of which',
    sql: `
      CREATE TABLE notifications (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, run TEXT NOT NULL, channel TEXT NOT NULL, target TEXT NOT NULL,
        body TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_attempt_ms INTEGER NOT NULL,
        delivered_ms INTEGER, error TEXT
      ) STRICT;
      CREATE INDEX notifications_run ON notifications (run, number);
      CREATE INDEX notifications_waiting ON notifications (next_attempt_ms) WHERE state = 'waiting';
      CREATE TABLE runs_told (run TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
      CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
      ALTER TABLE runs ADD COLUMN parent TEXT;
      CREATE INDEX runs_parent ON runs (parent, id) WHERE parent IS NOT NULL;
    `,
  },
  {
    description: 'how far schedules are carried out',
    sql: `
      CREATE TABLE schedules (policy TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT;
      CREATE TABLE verified_weeks (policy TEXT PRIMARY KEY, week TEXT NOT NULL) STRICT;
    `,
  },
  {
    description: 'when VMs were last backed up, for metrics',
    sql: `
      CREATE TABLE vm_successes (
        vm_id TEXT NOT NULL, policy TEXT NOT NULL, repository TEXT NOT NULL, vm TEXT NOT NULL, host TEXT NOT NULL,
        at_ms INTEGER NOT NULL, PRIMARY KEY (vm_id, policy, repository)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX vm_successes_at ON vm_successes (at_ms);
    `,
  },
  {
    description: 'which restore points were read back whole',
    sql: `
      CREATE TABLE verified_points (
        repository TEXT NOT NULL, vm_id TEXT NOT NULL, restore_point TEXT NOT NULL, PRIMARY KEY (repository, vm_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX verified_points_point ON verified_points (repository, restore_point);
    `,
  },
  {
    description: 'since when messages wait',
    sql: `
      ALTER TABLE notifications ADD COLUMN added_ms INTEGER NOT NULL DEFAULT 0;
      UPDATE notifications SET added_ms = next_attempt_ms;
    `,
  },
];

/** The schema version this build writes. */
export const schemaVersion = migrations.length;

const versionRow = object({ version: nullable(integer()) });
const countRow = object({ count: integer() });

/** Brings the database to `schemaVersion`, each step in a transaction. Throws `TM5004`, touching nothing, when it comes from a newer version. */
export function migrate(database: DatabaseSync, path: string): void {
  const current = readVersion(database);
  if (current > schemaVersion) {
    throw new TidemarkError(
      errorCodes.daemonStartFailed,
      `${path} was written by a newer version of Tidemark (schema ${current}; this version knows ${schemaVersion}).`,
      { hint: 'Start the newer version, or choose another data directory with --data.' },
    );
  }
  for (const [index, migration] of migrations.entries()) {
    const version = index + 1;
    if (version <= current) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(
        'CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL, description TEXT NOT NULL) STRICT',
      );
      database.exec(migration.sql);
      database
        .prepare('INSERT INTO schema_migrations (version, applied_at, description) VALUES (?, ?, ?)')
        .run(version, new Date().toISOString(), migration.description);
      database.exec('COMMIT');
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  }
}

function readVersion(database: DatabaseSync): number {
  const table = database
    .prepare("SELECT count(*) AS count FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'")
    .get();
  if (countRow(table, 'schema').count === 0) return 0;
  const row = database.prepare('SELECT max(version) AS version FROM schema_migrations').get();
  return versionRow(row, 'schema_migrations').version ?? 0;
}
