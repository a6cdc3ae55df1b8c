/** The store on `node:sqlite`: one file, write-ahead log, a disk flush for every commit. */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import type { Logger } from '../../base/log.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { LogLine, RunInfo, RunSample } from '../../protocol/daemon.ts';
import type { RunId } from '../../protocol/ids.ts';
import type { JournalEntry } from '../runs/context.ts';
import { isFinished } from '../../protocol/daemon.ts';
import { readable } from './readable.ts';
import { migrate } from './migrations.ts';
import {
  parseHost,
  parseJournalEntry,
  parseLogLine,
  parseRepository,
  parseRun,
  parseRunIdRow,
  parseSamples,
} from './rows.ts';
import type { MetricStore } from './metric-store.ts';
import { SqliteMetricStore } from './metrics.ts';
import type { NotificationStore } from './notification-store.ts';
import { SqliteNotificationStore } from './notifications.ts';
import { SqlitePolicyStore } from './policies.ts';
import type { PolicyStore } from './policy-store.ts';
import type { ScheduleStore } from './schedule-store.ts';
import { SqliteScheduleStore } from './schedules.ts';
import { SqliteVerifiedPoints } from './verified-points.ts';
import type { VerifiedPoints } from './verified-points.ts';
import type { HostRecord, RepositoryRecord, Store } from './store.ts';

/** Opens the database at `path`, creating or upgrading it. Throws `TM5004` when it comes from a newer version or is damaged. */
export function openSqliteStore(path: string, log: Logger): Store {
  // Created here so that nobody else can read it; SQLite gives its companion files the same mode.
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path);
  try {
    migrate(database, path);
    // FULL: a journal entry that was acknowledged survives a power failure (https://sqlite.org/pragma.html#pragma_synchronous).
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    return new SqliteStore(database, log);
  } catch (error) {
    database.close();
    if (TidemarkError.is(error)) throw error;
    throw new TidemarkError(errorCodes.daemonStartFailed, `${path} cannot be used as the daemon's database.`, {
      hint: 'If the file is damaged, move it away: hosts and repositories must then be added again, restore points are not affected.',
      cause: error,
    });
  }
}

class SqliteStore implements Store {
  readonly policies: PolicyStore;
  readonly schedules: ScheduleStore;
  readonly verified: VerifiedPoints;
  readonly notifications: NotificationStore;
  readonly metrics: MetricStore;
  readonly #database: DatabaseSync;
  readonly #log: Logger;

  constructor(database: DatabaseSync, log: Logger) {
    this.#database = database;
    this.#log = log;
    this.schedules = new SqliteScheduleStore(database, log);
    this.verified = new SqliteVerifiedPoints(database, (work) => this.#transaction(work));
    this.policies = new SqlitePolicyStore(database, log, (work) => this.#transaction(work));
    this.metrics = new SqliteMetricStore(database);
    this.notifications = new SqliteNotificationStore(database, log, (work) => this.#transaction(work));
  }

  hosts(): readonly HostRecord[] {
    return this.#database.prepare('SELECT * FROM hosts ORDER BY name').all().map(parseHost);
  }

  putHost(host: HostRecord): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO hosts (name, url, threads, certificate_sha256) VALUES (?, ?, ?, ?)')
      .run(host.name, host.url, host.threads, host.certificateSha256 ?? null);
  }

  deleteHost(name: string): void {
    this.#database.prepare('DELETE FROM hosts WHERE name = ?').run(name);
  }

  repositories(): readonly RepositoryRecord[] {
    return this.#database.prepare('SELECT * FROM repositories ORDER BY name').all().map(parseRepository);
  }

  putRepository(repository: RepositoryRecord): void {
    this.#database
      .prepare('INSERT INTO repositories (name, location, id) VALUES (?, ?, ?)')
      .run(repository.name, repository.location, repository.id);
  }

  deleteRepository(name: string): void {
    this.#transaction(() => {
      // What is attached under that name later may be another copy, which nobody has read.
      this.#database.prepare('DELETE FROM verified_points WHERE repository = ?').run(name);
      this.#database.prepare('DELETE FROM repositories WHERE name = ?').run(name);
    });
  }

  insertRun(run: RunInfo, key: string | undefined): void {
    this.#database
      .prepare('INSERT INTO runs (id, key, finished, info, policy, parent) VALUES (?, ?, ?, ?, ?, ?)')
      .run(
        run.id,
        key ?? null,
        isFinished(run.state) ? 1 : 0,
        JSON.stringify(run),
        run.request.kind === 'policy' ? run.request.policy : null,
        run.parent ?? null,
      );
  }

  updateRun(run: RunInfo): void {
    this.#database
      .prepare('UPDATE runs SET finished = ?, info = ? WHERE id = ?')
      .run(isFinished(run.state) ? 1 : 0, JSON.stringify(run), run.id);
  }

  run(id: RunId): RunInfo | undefined {
    const row = this.#database.prepare('SELECT info FROM runs WHERE id = ?').get(id);
    return row === undefined ? undefined : parseRun(row);
  }

  runByKey(key: string): RunInfo | undefined {
    const row = this.#database.prepare('SELECT info FROM runs WHERE key = ?').get(key);
    return row === undefined ? undefined : parseRun(row);
  }

  runs(limit: number): readonly RunInfo[] {
    return this.#readable(this.#database.prepare('SELECT info FROM runs ORDER BY id DESC LIMIT ?').all(limit));
  }

  lastRunOf(policy: string): RunInfo | undefined {
    const rows = this.#database.prepare('SELECT info FROM runs WHERE policy = ? ORDER BY id DESC LIMIT 1').all(policy);
    return this.#readable(rows)[0];
  }

  lastEndedRunOf(policy: string): RunInfo | undefined {
    const rows = this.#database
      .prepare('SELECT info FROM runs WHERE policy = ? AND finished = 1 ORDER BY id DESC LIMIT 1')
      .all(policy);
    return this.#readable(rows)[0];
  }

  childrenOf(parent: RunId, limit: number): readonly RunInfo[] {
    return this.#readable(
      this.#database.prepare('SELECT info FROM runs WHERE parent = ? ORDER BY id LIMIT ?').all(parent, limit),
    );
  }

  unfinishedRuns(): readonly RunInfo[] {
    return this.#readable(this.#database.prepare('SELECT info FROM runs WHERE finished = 0 ORDER BY id').all());
  }

  trimRuns(keep: number): void {
    const old = 'SELECT id FROM runs WHERE finished = 1 ORDER BY id DESC LIMIT -1 OFFSET ?';
    // A journal that is still there names leftovers on a host or a disk; the last run of a policy is what lists show of it.
    const kept = 'SELECT run FROM journal UNION SELECT max(id) FROM runs WHERE policy IS NOT NULL GROUP BY policy';
    this.#transaction(() => {
      this.#database.prepare(`DELETE FROM run_log WHERE run IN (${old})`).run(keep);
      this.#database.prepare(`DELETE FROM run_samples WHERE run IN (${old})`).run(keep);
      this.#database.prepare(`DELETE FROM runs WHERE id IN (${old}) AND id NOT IN (${kept})`).run(keep);
    });
  }

  appendLog(run: RunId, firstLine: number, lines: readonly LogLine[]): void {
    const insert = this.#database.prepare(
      'INSERT OR REPLACE INTO run_log (run, line, time, level, text) VALUES (?, ?, ?, ?, ?)',
    );
    this.#transaction(() => {
      for (const [index, line] of lines.entries()) insert.run(run, firstLine + index, line.time, line.level, line.text);
    });
  }

  log(run: RunId, from: number, limit: number): readonly LogLine[] {
    return this.#database
      .prepare('SELECT time, level, text FROM run_log WHERE run = ? AND line >= ? ORDER BY line LIMIT ?')
      .all(run, from, limit)
      .map(parseLogLine);
  }

  putSamples(run: RunId, samples: readonly RunSample[]): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO run_samples (run, samples) VALUES (?, ?)')
      .run(run, JSON.stringify(samples));
  }

  samples(run: RunId): readonly RunSample[] {
    const row = this.#database.prepare('SELECT samples FROM run_samples WHERE run = ?').get(run);
    if (row === undefined) return [];
    try {
      return parseSamples(row);
    } catch (error) {
      this.#log.log('warning', `The chart of run ${run} cannot be read by this version`, error);
      return [];
    }
  }

  appendJournal(run: RunId, entry: JournalEntry): void {
    this.#database.prepare('INSERT INTO journal (run, entry) VALUES (?, ?)').run(run, JSON.stringify(entry));
  }

  journal(run: RunId): readonly JournalEntry[] {
    return this.#database
      .prepare('SELECT entry FROM journal WHERE run = ? ORDER BY number')
      .all(run)
      .map(parseJournalEntry);
  }

  journalledRuns(): readonly RunId[] {
    return this.#database.prepare('SELECT DISTINCT run FROM journal ORDER BY run').all().map(parseRunIdRow);
  }

  clearJournal(run: RunId): void {
    this.#database.prepare('DELETE FROM journal WHERE run = ?').run(run);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #readable(rows: readonly unknown[]): readonly RunInfo[] {
    return readable(rows, parseRun, (error) =>
      this.#log.log('warning', 'A run of the history cannot be read by this version and is left out', error),
    );
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
