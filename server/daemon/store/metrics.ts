/** The table of last backups. */
import type { DatabaseSync } from 'node:sqlite';

import * as id from '../../protocol/ids.ts';
import { integer, object, string } from '../../protocol/parse.ts';
import type { MetricStore, VmSuccess } from './metric-store.ts';

const successRow = object({
  vm_id: id.vmId,
  vm: string({ maxLength: 256 }),
  host: string({ maxLength: 64 }),
  policy: string({ maxLength: 64, allowEmpty: true }),
  repository: id.nameText,
  at_ms: integer(),
});

export class SqliteMetricStore implements MetricStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  putSuccess({ vmId, vm, host, policy, repository, atMs }: VmSuccess): void {
    this.#database
      .prepare(
        'INSERT OR REPLACE INTO vm_successes (vm_id, policy, repository, vm, host, at_ms) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(vmId, policy, repository, vm, host, atMs);
  }

  successes(sinceMs: number, limit: number): readonly VmSuccess[] {
    return this.#database
      .prepare('SELECT * FROM vm_successes WHERE at_ms >= ? ORDER BY at_ms DESC LIMIT ?')
      .all(sinceMs, limit)
      .map((row) => {
        const { vm_id: vmId, at_ms: atMs, ...names } = successRow(row, 'vm_successes');
        return { ...names, vmId, atMs };
      });
  }

  trim(sinceMs: number, keep: number): void {
    this.#database.prepare('DELETE FROM vm_successes WHERE at_ms < ?').run(sinceMs);
    this.#database
      .prepare(
        'DELETE FROM vm_successes WHERE at_ms < (SELECT at_ms FROM vm_successes ORDER BY at_ms DESC LIMIT 1 OFFSET ?)',
      )
      .run(keep - 1);
  }
}
