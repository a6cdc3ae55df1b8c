import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { createRepository, openRepository } from '../../../server/repository/index.ts';
import { assertDisk, backUp, emptyRepository, password, signal, temporaryFolder } from './support.ts';

test('an open repository refuses another one that is mounted in its place, and leaves it alone', async () => {
  using folder = temporaryFolder();
  const [here, away] = [join(folder.path, 'here'), join(folder.path, 'away')];
  await emptyRepository(here);
  const repository = await openRepository(here, { password, signal });
  const disk = [1, 2, 0, 3];
  const point = await backUp(repository, disk);

  const { repository: other, recoveryKey } = await createRepository(away, { password: 'another', signal });
  const otherPoint = await backUp(other, disk);
  renameSync(here, join(folder.path, 'unplugged'));
  renameSync(away, here);
  const refused = { code: errorCodes.repositoryUnavailable };
  await assert.rejects(backUp(repository, disk), refused);
  await assert.rejects(repository.listRestorePoints(signal), refused);
  await assert.rejects(repository.deleteRestorePoint(otherPoint.id, signal), refused);
  await assert.rejects(repository.collectGarbage({ dryRun: false, now: true, signal }), refused);
  await assert.rejects(repository.verify({ readData: true, signal }), refused);
  const untouched = await openRepository(here, { password: recoveryKey, signal });
  assert.deepEqual((await untouched.listRestorePoints(signal)).points, [otherPoint]);
  assert.deepEqual(untouched.warnings, []);
  await assertDisk(untouched, otherPoint, disk);

  renameSync(here, away);
  renameSync(join(folder.path, 'unplugged'), here);
  await backUp(repository, disk, { base: { point, disk } });
});
