/** The tables of schedules. */
import type { DatabaseSync } from 'node:sqlite';

import type { Logger } from '../../base/log.ts';
import * as id from '../../protocol/ids.ts';
import { timestamp } from '../../protocol/model.ts';
import { array, integer, json, object, oneOf, optional, string } from '../../protocol/parse.ts';
import { readable } from './readable.ts';
import type { ScheduleState, ScheduleStore } from './schedule-store.ts';

const waitingFields = {
  scheduledFor: timestamp,
  type: oneOf('full', 'incremental'),
  trigger: oneOf('schedule', 'missed'),
  missed: array(timestamp, 100),
  interruptions: integer(),
};
const scheduleState = object({
  policy: id.policyName,
  version: integer(1),
  handledUntil: timestamp,
  waiting: optional(object(waitingFields)),
  started: optional(object({ ...waitingFields, key: string({ maxLength: 64 }) })),
});
const stateRow = object({ state: string({ maxLength: 64 * 1024 }) });
const weekRow = object({ week: string({ maxLength: 128 }) });

export class SqliteScheduleStore implements ScheduleStore {
  readonly #database: DatabaseSync;
  readonly #log: Logger;

  constructor(database: DatabaseSync, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  all(): readonly ScheduleState[] {
    const rows = this.#database.prepare('SELECT state FROM schedules ORDER BY policy').all();
    return readable(
      rows,
      (row) => json(stateRow(row, 'schedules').state, scheduleState, 'schedule'),
      (error) => this.#log.log('error', 'The state of a schedule cannot be read; it counts from now on', error),
    );
  }

  put(state: ScheduleState): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO schedules (policy, state) VALUES (?, ?)')
      .run(state.policy, JSON.stringify(state));
  }

  delete(policy: string): void {
    this.#database.prepare('DELETE FROM verified_weeks WHERE policy = ?').run(policy);
    this.#database.prepare('DELETE FROM schedules WHERE policy = ?').run(policy);
  }

  verifiedWeek(policy: string): string | undefined {
    const row = this.#database.prepare('SELECT week FROM verified_weeks WHERE policy = ?').get(policy);
    return row === undefined ? undefined : weekRow(row, 'verified_weeks').week;
  }

  setVerifiedWeek(policy: string, week: string): void {
    this.#database.prepare('INSERT OR REPLACE INTO verified_weeks (policy, week) VALUES (?, ?)').run(policy, week);
  }
}
