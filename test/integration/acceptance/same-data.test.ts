import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { filesBelow, sameBytes } from './support/files.ts';
import { diskName, Site } from './support/site.ts';

async function bytesBelow(directory: string): Promise<number> {
  let sum = 0;
  for (const file of await filesBelow(directory)) sum += (await stat(join(directory, file))).size;
  return sum;
}

test('two VMs with the same guest data store it once, and both restore', async (t) => {
  const site = await Site.withVm(t, '32MiB');
  const root = site.root('hv01');
  await site.run(['sim', 'create-vm', root, 'twin', '--disk', `${diskName}=32MiB`]);
  const data = site.newFile('bin');
  await writeFile(data, randomBytes(12 * 1024 * 1024));
  for (const vm of ['web', 'twin']) {
    await site.run(['sim', 'write', root, vm, diskName, '--offset', '4MiB', '--from', data]);
  }
  const first = await site.backUp();
  const before = await bytesBelow(site.repository);
  const run = await site.tryBackup([], 'hv01/twin');
  assert.ok(run.outcome?.kind === 'backup', JSON.stringify(run.error));
  const after = await bytesBelow(site.repository);
  assert.ok(before > 12 * 1024 * 1024);
  assert.ok(after - before < before * 0.05, `${before} bytes became ${after}`);
  assert.equal(run.outcome.restorePoint.disks[0]?.stats.newBytes, 0);
  const expected = await site.guestDisk();
  for (const point of [first, run.outcome.restorePoint]) {
    assert.ok(await sameBytes(await site.restore(point.id, 'raw'), expected));
  }
});
