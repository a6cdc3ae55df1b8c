/** The tables of messages. */
import type { DatabaseSync } from 'node:sqlite';

import type { Logger } from '../../base/log.ts';
import { notificationState, smtpServer } from '../../protocol/daemon.ts';
import type { SmtpServer } from '../../protocol/daemon.ts';
import { errorFromReport } from '../../protocol/errors.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import * as id from '../../protocol/ids.ts';
import type { RunId } from '../../protocol/ids.ts';
import { errorReport } from '../../protocol/model.ts';
import { integer, json, nullable, object, oneOf, string } from '../../protocol/parse.ts';
import type {
  NewNotification,
  NotificationStore,
  PassedOver,
  StoredNotification,
  WaitingNotification,
} from './notification-store.ts';

const channel = oneOf('webhook', 'email');
const target = string({ maxLength: 2048 });
const waitingRow = object({
  id: string({ maxLength: 64 }),
  run: id.runId,
  channel,
  target,
  body: string({ maxLength: 64 * 1024 * 1024 }),
  attempts: integer(),
  next_attempt_ms: integer(),
  added_ms: integer(),
});
const storedRow = object({
  channel,
  target,
  state: notificationState,
  attempts: integer(),
  next_attempt_ms: integer(),
  delivered_ms: nullable(integer()),
  error: nullable(string()),
});
const runRow = object({ id: id.runId });
const countRow = object({ count: integer() });
const dueRow = object({ due: nullable(integer()) });
const settingRow = object({ value: string() });

const smtpSetting = 'smtp-server';

/** `transaction` runs its argument in one, as the store does. */
export class SqliteNotificationStore implements NotificationStore {
  readonly #database: DatabaseSync;
  readonly #log: Logger;
  readonly #transaction: (work: () => void) => void;

  constructor(database: DatabaseSync, log: Logger, transaction: (work: () => void) => void) {
    this.#database = database;
    this.#log = log;
    this.#transaction = transaction;
  }

  add(run: RunId, messages: readonly NewNotification[], nowMs: number): void {
    this.#transaction(() => {
      const marked = this.#database.prepare('INSERT OR IGNORE INTO runs_told (run) VALUES (?)').run(run);
      if (Number(marked.changes) === 0) return;
      const insert = this.#database.prepare(
        "INSERT INTO notifications (id, run, channel, target, body, state, attempts, next_attempt_ms, added_ms) VALUES (?, ?, ?, ?, ?, 'waiting', 0, ?, ?)",
      );
      for (const { id: number, channel: by, target: to, body } of messages)
        insert.run(number, run, by, to, body, nowMs, nowMs);
    });
  }

  untold(): readonly RunId[] {
    return this.#database
      .prepare(
        'SELECT id FROM runs WHERE policy IS NOT NULL AND finished = 1 AND id NOT IN (SELECT run FROM runs_told) ORDER BY id',
      )
      .all()
      .map((row) => runRow(row, 'runs').id);
  }

  due(nowMs: number, latestMs: number, { ids, webhooks, mails }: PassedOver): WaitingNotification | undefined {
    const row = this.#database
      .prepare(
        `SELECT * FROM notifications
          WHERE state = 'waiting' AND (next_attempt_ms <= ? OR next_attempt_ms > ?)
            AND id NOT IN (SELECT value FROM json_each(?))
            AND CASE channel WHEN 'email' THEN ? ELSE target NOT IN (SELECT value FROM json_each(?)) END
          ORDER BY next_attempt_ms, number LIMIT 1`,
      )
      .get(nowMs, latestMs, JSON.stringify(ids), mails ? 0 : 1, JSON.stringify(webhooks));
    if (row === undefined) return undefined;
    const { next_attempt_ms: nextAttemptMs, added_ms: addedMs, ...rest } = waitingRow(row, 'notifications');
    return { ...rest, nextAttemptMs, addedMs };
  }

  waiting(): number {
    const row = this.#database.prepare("SELECT count(*) AS count FROM notifications WHERE state = 'waiting'").get();
    return countRow(row, 'notifications').count;
  }

  nextDueMs(nowMs: number): number | undefined {
    const row = this.#database
      .prepare("SELECT min(next_attempt_ms) AS due FROM notifications WHERE state = 'waiting' AND next_attempt_ms > ?")
      .get(nowMs);
    return dueRow(row, 'notifications').due ?? undefined;
  }

  delivered(notification: string, attempts: number, atMs: number): void {
    this.#database
      .prepare(
        "UPDATE notifications SET state = 'delivered', attempts = ?, delivered_ms = ?, error = NULL, body = '' WHERE id = ?",
      )
      .run(attempts, atMs, notification);
  }

  failed(notification: string, attempts: number, error: ErrorReport, nextAttemptMs: number | undefined): void {
    const report = JSON.stringify(error);
    if (nextAttemptMs === undefined) {
      this.#database
        .prepare(
          "UPDATE notifications SET state = 'failed', attempts = ?, error = ?, body = '' WHERE id = ? AND state = 'waiting'",
        )
        .run(attempts, report, notification);
      return;
    }
    this.#database
      .prepare(
        "UPDATE notifications SET attempts = ?, error = ?, next_attempt_ms = ? WHERE id = ? AND state = 'waiting'",
      )
      .run(attempts, report, nextAttemptMs, notification);
  }

  giveUpOldest(address: Pick<NewNotification, 'channel' | 'target'>, keep: number, error: ErrorReport): number {
    const waiting = "state = 'waiting' AND channel = ?1 AND target = ?2";
    const { changes } = this.#database
      .prepare(
        `UPDATE notifications SET state = 'failed', error = ?4, body = ''
          WHERE ${waiting} AND number NOT IN (SELECT number FROM notifications WHERE ${waiting} ORDER BY number DESC LIMIT ?3)`,
      )
      .run(address.channel, address.target, keep, JSON.stringify(error));
    return Number(changes);
  }

  ofRun(run: RunId, limit: number): readonly StoredNotification[] {
    return this.#database
      .prepare('SELECT * FROM notifications WHERE run = ? ORDER BY number LIMIT ?')
      .all(run, limit)
      .map(parseStored);
  }

  trim(): void {
    const gone = 'run NOT IN (SELECT id FROM runs)';
    this.#database.exec(
      `DELETE FROM notifications WHERE state <> 'waiting' AND ${gone}; DELETE FROM runs_told WHERE ${gone};`,
    );
  }

  smtpServer(): SmtpServer | undefined {
    const row = this.#database.prepare('SELECT value FROM settings WHERE name = ?').get(smtpSetting);
    if (row === undefined) return undefined;
    try {
      return json(settingRow(row, 'settings').value, smtpServer, 'mail server');
    } catch (error) {
      this.#log.log('error', 'The mail server in the database cannot be read; set it again', error);
      return undefined;
    }
  }

  setSmtpServer(server: SmtpServer | undefined): void {
    if (server === undefined) {
      this.#database.prepare('DELETE FROM settings WHERE name = ?').run(smtpSetting);
      return;
    }
    this.#database
      .prepare('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)')
      .run(smtpSetting, JSON.stringify(server));
  }
}

function parseStored(row: unknown): StoredNotification {
  const { next_attempt_ms: next, delivered_ms: delivered, error, ...rest } = storedRow(row, 'notifications');
  return {
    ...rest,
    ...(rest.state === 'waiting' ? { nextAttemptAt: new Date(next).toISOString() } : {}),
    ...(delivered === null ? {} : { deliveredAt: new Date(delivered).toISOString() }),
    ...(error === null ? {} : { error: errorFromReport(json(error, errorReport, 'error')).report() }),
  };
}
