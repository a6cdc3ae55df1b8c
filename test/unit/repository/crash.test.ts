import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { createRepository, openRepository } from '../../../server/repository/index.ts';
import type { Repository, StoredRestorePoint } from '../../../server/repository/index.ts';
import { TidemarkError } from '../../../server/protocol/errors.ts';
import {
  assertDisk,
  backUp,
  changed,
  emptyRepository,
  FailingBackend,
  password,
  signal,
  temporaryFolder,
} from './support.ts';
import type { Disk, Fault } from './support.ts';

const first: Disk = [1, 0, 2, 3, 0, 4];
const second = changed(first, { 1: 5, 3: 0 });
const third = changed(second, { 0: 6 });
const modes = ['before', 'after', 'torn'] as const;

/** What a run does, from opening on: an incremental, then the older restore point is deleted. Returns what it was told is durable. */
async function run(
  repository: Repository,
  backend: FailingBackend,
  base: StoredRestorePoint,
): Promise<{ readonly committed: boolean; readonly deleted: boolean }> {
  let committed = false;
  let deleted = false;
  try {
    await backUp(repository, second, { base: { point: base, disk: first }, backend });
    committed = true;
    await repository.deleteRestorePoint(base.id, signal);
    deleted = true;
  } catch (error) {
    assert.ok(error instanceof TidemarkError || error instanceof SuppressedError, String(error));
    assert.ok(backend.dead, String(error));
  }
  return { committed, deleted };
}

describe('a writer that is killed', () => {
  it('leaves every durable restore point readable, and nothing in the way of the next run, whichever write it dies at', async () => {
    using folder = temporaryFolder();
    const template = join(folder.path, 'template');
    const { recoveryKey } = await emptyRepository(template);
    const base = await backUp(await openRepository(template, { password: recoveryKey, signal }), first);

    const attempt = async (name: string, fault: Fault | undefined): Promise<number> => {
      const location = join(folder.path, name);
      cpSync(template, location, { recursive: true });
      const backend = new FailingBackend(location, fault);
      const writer = await openRepository(location, { password: recoveryKey, signal, backend });
      const { committed, deleted } = await run(writer, backend, base);

      const after = await openRepository(location, { password: recoveryKey, signal });
      assert.deepEqual(after.warnings, [], name);
      const { points, damaged } = await after.listRestorePoints(signal);
      assert.deepEqual(damaged, [], name);
      const disks = points.map((point) => (point.id === base.id ? first : second));
      // What was told to be durable is; what was not told may be, but then it is whole.
      assert.ok(points.length >= 1 && (!committed || points.some((point) => point.id !== base.id)), name);
      if (deleted) assert.ok(!points.some((point) => point.id === base.id), name);
      for (const [index, point] of points.entries()) await assertDisk(after, point, disks[index] ?? []);

      const newest = points.at(-1) ?? assert.fail();
      const next = await backUp(after, third, { base: { point: newest, disk: disks.at(-1) ?? [] } });
      await assertDisk(after, next, third);
      return backend.calls;
    };

    const writes = await attempt('whole', undefined);
    assert.ok(writes >= 7, `${writes} writes: lease, data, metadata, index, restore point, lease, restore point`);
    for (let call = 1; call <= writes; call++) {
      for (const mode of modes) await attempt(`${mode}-${call}`, { call, mode });
    }
  });

  it('leaves no repository, or one that opens, when it dies while creating one', async () => {
    using folder = temporaryFolder();
    const faults = [
      { call: 1, mode: 'torn', exists: false },
      { call: 2, mode: 'after', exists: false },
      { call: 3, mode: 'torn', exists: false },
      { call: 3, mode: 'after', exists: true },
      { call: 4, mode: 'torn', exists: true },
    ] as const;
    for (const { call, mode, exists } of faults) {
      const location = join(folder.path, `${mode}-${call}`);
      const backend = new FailingBackend(location, { call, mode });
      await assert.rejects(createRepository(location, { password, signal, backend }));
      const repository = exists
        ? await openRepository(location, { password, signal })
        : (await createRepository(location, { password, signal })).repository;
      await assertDisk(repository, await backUp(repository, first), first);
    }
  });
});
