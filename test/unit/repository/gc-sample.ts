/** Repositories for the tests of garbage collection. */
import assert from 'node:assert/strict';

import type { GcOptions } from '../../../server/repository/api.ts';
import type { StoredRestorePoint } from '../../../server/repository/model.ts';
import { backup, diskOf, expected, restored, signal } from './small-repository.ts';
import type { DiskModel, Opened, SmallRepository } from './small-repository.ts';

export const collect = { dryRun: false, now: false, signal } satisfies GcOptions;
export const collectNow = { ...collect, now: true } satisfies GcOptions;
export const dayMs = 24 * 60 * 60 * 1000;

/** A restore point and what its disk held. */
export interface Stored {
  readonly point: StoredRestorePoint;
  readonly disk: DiskModel;
}

/** Three restore points of a chain and one of another VM; packs of two chunks, so that packs are shared, partly needed and dead. */
export async function chain(small: SmallRepository): Promise<readonly Stored[]> {
  const first = diskOf([1, 2, 3, 4, 5, 6]);
  const second = new Map([...first, [1, 20], [2, 21], [9, 22]]);
  const third = new Map([...second, [1, 30], [3, 31]]);
  third.delete(9);
  const other = diskOf([2, 40, 41, 42]);
  const a = await backup(small, { vm: 1, disks: [first], packChunks: 2 });
  const b = await backup(small, { vm: 1, disks: [second], packChunks: 2, base: { point: a, disks: [first] } });
  const c = await backup(small, { vm: 1, disks: [third], packChunks: 2, base: { point: b, disks: [second] } });
  const d = await backup(small, { vm: 2, disks: [other], packChunks: 2 });
  return [a, b, c, d].map((point, index) => ({ point, disk: [first, second, third, other][index] ?? first }));
}

/** Every one of them restores byte for byte. */
export async function assertRestores(opened: Opened, stored: readonly Stored[], message?: string): Promise<void> {
  for (const { point, disk } of stored) assert.deepEqual(await restored(opened, point), expected(disk), message);
}

/** Names of all packs. */
export function packFiles(small: SmallRepository): readonly string[] {
  return [...small.storage.files().keys()].filter((name) => /^[dm]\//.test(name));
}

/** A process that died holds no lease any more; here it is the process of the tests, which lives. */
export function dropLeases({ storage }: SmallRepository): void {
  for (const name of storage.files().keys()) if (name.startsWith('leases/')) storage.set(name, undefined);
}
