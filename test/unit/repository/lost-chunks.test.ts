import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { openRepository } from '../../../server/repository/index.ts';
import type { Repository, StoredRestorePoint } from '../../../server/repository/index.ts';
import { assertDisk, backUp, emptyRepository, password, signal, temporaryFolder } from './support.ts';

async function lostIn(repository: Repository, point: StoredRestorePoint): Promise<number[]> {
  const [disk] = point.disks;
  assert(disk);
  const lost: number[] = [];
  for await (const chunk of repository.openMap(disk).lostChunks(signal)) lost.push(chunk);
  return lost;
}

test('chunks that verification found damaged are named, until a backup has stored them again', async () => {
  using folder = temporaryFolder();
  await emptyRepository(folder.path);
  const repository = await openRepository(folder.path, { password, signal });
  const disk = [1, 3, 0, 5];
  const point = await backUp(repository, disk);
  assert.deepEqual(await lostIn(repository, point), []);

  const packs = join(folder.path, 'd');
  const [pack] = readdirSync(packs, { recursive: true })
    .map(String)
    .filter((name) => name.length > 3);
  assert(pack);
  const bytes = readFileSync(join(packs, pack));
  // Somewhere in the first of three records.
  bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
  writeFileSync(join(packs, pack), bytes);
  const other = await openRepository(folder.path, { password, signal });
  const found = await repository.verify({ readData: true, signal });
  assert(found.problems.length > 0);
  assert.deepEqual(await lostIn(repository, point), [0]);
  await other.refresh(signal);
  assert.deepEqual(await lostIn(other, point), [0], 'another program knows it as well');
  await other.close();

  const again = await backUp(repository, disk);
  assert.deepEqual(await lostIn(repository, point), [], 'the old restore point is whole again too');
  await assertDisk(repository, point, disk);
  await assertDisk(repository, again, disk);
  await repository.close();
});
