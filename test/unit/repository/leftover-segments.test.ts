import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backup, diskOf, expected, restored, signal, SmallRepository } from './small-repository.ts';

/** Makes deletions of segments fail, as for a program that is killed there; only those `after` something else was deleted. */
function dieAtSegments({ storage }: SmallRepository, after?: string): void {
  let reached = after === undefined;
  storage.onChange = async (what) => {
    if (reached && what.startsWith('delete index/')) throw new Error('killed');
    if (after !== undefined && what.startsWith(`delete ${after}`)) reached = true;
  };
}

test('segments that an interrupted merge left do not come back when the one that supersedes them goes', async () => {
  const small = await SmallRepository.create();
  const disk = diskOf([1, 2, 3]);
  const doomed = await backup(small, { vm: 1, disks: [disk] });
  await backup(small, { vm: 2, disks: [diskOf([4, 5])] });
  dieAtSegments(small);
  await assert.rejects(small.core.rewriteIndex(new Set(), signal), /killed/);

  await small.reopen();
  await small.repository.deleteRestorePoint(doomed.id, signal);
  // The packs are gone, and so is the record that condemned them: from here on nothing may depend on more being tidied up.
  dieAtSegments(small, 'gc/');
  await Promise.allSettled([small.repository.collectGarbage({ dryRun: false, now: true, signal })]);

  await small.reopen();
  const again = await backup(small, { vm: 1, disks: [disk] });
  await small.reopen();
  assert.deepEqual(await restored(small, again), expected(disk));
});
