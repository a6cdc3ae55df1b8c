/** The table of restore points that were read back whole: what a verification of new data need not read again. */
import type { DatabaseSync } from 'node:sqlite';

import * as id from '../../protocol/ids.ts';
import type { RestorePointId, VmId } from '../../protocol/ids.ts';
import { object } from '../../protocol/parse.ts';

/** What a verification came to. */
export interface Verified {
  /** Every byte that these need was read back, now or by an earlier verification, and found whole. */
  readonly whole: readonly { readonly vmId: VmId; readonly restorePoint: RestorePointId }[];
  /** These need what is damaged. */
  readonly damaged: readonly RestorePointId[];
}

/** For each repository and VM the newest restore point that is known to have been read back whole. */
export interface VerifiedPoints {
  /** Those of a repository. Some may be deleted by now. */
  of(repository: string): readonly RestorePointId[];
  /** Durable when it returns. */
  record(repository: string, verified: Verified): void;
}

const pointRow = object({ restore_point: id.restorePointId });

/** `transaction` runs its argument in one, as the store does. */
export class SqliteVerifiedPoints implements VerifiedPoints {
  readonly #database: DatabaseSync;
  readonly #transaction: (work: () => void) => void;

  constructor(database: DatabaseSync, transaction: (work: () => void) => void) {
    this.#database = database;
    this.#transaction = transaction;
  }

  of(repository: string): readonly RestorePointId[] {
    return this.#database
      .prepare('SELECT restore_point FROM verified_points WHERE repository = ?')
      .all(repository)
      .map((row) => pointRow(row, 'verified_points').restore_point);
  }

  record(repository: string, { whole, damaged }: Verified): void {
    this.#transaction(() => {
      const forget = this.#database.prepare('DELETE FROM verified_points WHERE repository = ? AND restore_point = ?');
      for (const restorePoint of damaged) forget.run(repository, restorePoint);
      const put = this.#database.prepare(
        `INSERT INTO verified_points (repository, vm_id, restore_point) VALUES (?, ?, ?)
          ON CONFLICT (repository, vm_id) DO UPDATE SET restore_point = max(restore_point, excluded.restore_point)`,
      );
      for (const { vmId, restorePoint } of whole) put.run(repository, vmId, restorePoint);
    });
  }
}
