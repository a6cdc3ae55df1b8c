import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import type { WriteSession } from '../../../server/repository/api.ts';
import { ChunkSealer } from '../../../server/repository/blob-sealer.ts';
import { PackBuilder } from '../../../server/repository/pack-builder.ts';
import { backup, chunkContent, diskOf, expected, restored, signal, SmallRepository } from './small-repository.ts';
import type { Opened } from './small-repository.ts';

const lost = { code: errorCodes.leaseLost };
const seeds = [1, 2, 3];
const disk = diskOf(seeds);

/** What others do after half an hour without a sign of life: the lease goes, and with it what nobody needs. */
async function takeForDead({ storage }: SmallRepository, other: Opened): Promise<void> {
  for (const name of storage.files().keys()) if (name.startsWith('leases/')) storage.set(name, undefined);
  const { deletedPacks } = await other.repository.collectGarbage({ dryRun: false, now: true, signal });
  assert.ok(deletedPacks > 0, 'the packs of the sleeper are gone');
}

/** Stores the chunks of the disk in a durable pack of the session. */
async function storeChunks({ core, repository }: Opened, session: WriteSession): Promise<void> {
  const sealer = new ChunkSealer(repository.exportKeys(), repository.id);
  const pack = new PackBuilder();
  for (const seed of seeds) {
    const id = new Uint8Array(32);
    sealer.id(chunkContent(seed), id, 0);
    assert.deepEqual([...session.claim(id)], [1]);
    pack.add(sealer.seal(id, chunkContent(seed)));
  }
  const { name, parts, ...finished } = pack.finish();
  await core.backend.put(name, parts);
  session.addPack(finished);
}

async function assertNextBackupIsWhole(small: SmallRepository, opened: Opened): Promise<void> {
  const point = await backup(opened, { vm: 1, disks: [disk] });
  await small.reopen();
  assert.deepEqual(await restored(small, point), expected(disk));
}

describe('a program that was taken for dead while its packs were not in the index', () => {
  test('does not rely on them in its next backup', async () => {
    const small = await SmallRepository.create();
    const other = await small.second();
    const session = await small.repository.beginWrite({ signal, note: 'sleeper' });
    await storeChunks(small, session);
    await takeForDead(small, other);
    await assert.rejects(session.flush(signal));
    await session[Symbol.asyncDispose]();
    await assertNextBackupIsWhole(small, small);
  });

  test('does not make others rely on them', async () => {
    const small = await SmallRepository.create();
    const other = await small.second();
    const session = await small.repository.beginWrite({ signal, note: 'sleeper' });
    await storeChunks(small, session);
    await takeForDead(small, other);
    await session[Symbol.asyncDispose]();
    await assertNextBackupIsWhole(small, await small.second());
  });
});

describe('a commit that hangs until its lease is gone', () => {
  test('fails, and leaves no restore point that names what was deleted meanwhile', async () => {
    const small = await SmallRepository.create();
    const other = await small.second();
    small.storage.onChange = async (what) => {
      if (!what.startsWith('put points/')) return;
      small.storage.onChange = undefined;
      await takeForDead(small, other);
    };
    await assert.rejects(backup(small, { vm: 1, disks: [disk] }), lost);
    const { points } = await small.repository.listRestorePoints(signal);
    assert.deepEqual(points, []);
    await assertNextBackupIsWhole(small, small);
  });
});
