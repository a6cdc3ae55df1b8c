import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { runOutcome } from '../../../server/protocol/daemon.ts';
import type { VerifyProblem } from '../../../server/protocol/daemon.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { json } from '../../../server/protocol/parse.ts';
import { reportedError, tidemark } from './support/command.ts';
import { filesBelow, sameBytes } from './support/files.ts';
import { Site } from './support/site.ts';

interface Moment {
  readonly point: RestorePointInfo;
  readonly image: string;
}

/** A site with some restore points, and the disk at the moment of each. */
async function history(site: Site, length: number): Promise<Moment[]> {
  const moments: Moment[] = [];
  for (let at = 0; at < length; at++) {
    await site.guestWrites(at === 0 ? 60 : 10);
    moments.push({ image: await site.guestDisk(), point: await site.backUp() });
  }
  return moments;
}

async function checkRestores(site: Site, moments: readonly Moment[]): Promise<void> {
  for (const { point, image } of moments) {
    assert.ok(await sameBytes(await site.restore(point.id, 'raw'), image), `restore point ${point.id}`);
  }
}

test('deleting any restore point and collecting garbage leaves every other restorable, and gives space back', async (t) => {
  const site = await Site.withVm(t, '16MiB');
  let moments = await history(site, 5);
  // One of the middle, the full everything began with, the newest, whose reference point the next run would count from.
  for (const victim of [2, 0, 2]) {
    const [deleted] = moments.splice(victim, 1);
    assert.ok(deleted);
    await site.run(['restore-point', 'delete', deleted.point.id, '--yes']);
    await site.run(['repo', 'gc', 'main', '--now']);
    await site.fails(['restore-point', 'show', deleted.point.id], 'restorePointNotFound');
    await site.run(['repo', 'verify', 'main', '--read-data']);
    await checkRestores(site, moments);
  }
  await site.guestWrites(10);
  moments = [...moments, { image: await site.guestDisk(), point: await site.backUp() }];
  await checkRestores(site, moments);
  assert.equal((await site.restorePoints()).length, 3);
});

/** What `repo verify --read-data` finds; it must fail when it finds anything. */
async function problemsFound(site: Site): Promise<readonly VerifyProblem[]> {
  const result = await tidemark(['repo', 'verify', 'main', '--read-data', '--json', '--data', site.data]);
  const outcome = json(result.stdout, runOutcome, 'verify');
  assert.ok(outcome.kind === 'verify');
  assert.equal(result.code === 0, outcome.problems.length === 0);
  if (result.code !== 0) assert.equal(reportedError(result).code, errorCodes.repositoryDamaged);
  return outcome.problems;
}

test('one flipped bit in any file of the repository is found, and names restore points it hits', async (t) => {
  const site = await Site.withVm(t, '8MiB');
  const points = (await history(site, 2)).map(({ point }) => point.id);
  assert.deepEqual(await problemsFound(site), []);
  const files = await filesBelow(site.repository);
  assert.ok(files.length > 8);
  for (const [at, file] of files.entries()) {
    const path = join(site.repository, file);
    const whole = await readFile(path);
    // Another place in each file; the unit tests of the repository try all of them.
    const damaged = Buffer.from(whole);
    const place = (at * 7919) % whole.length;
    damaged[place] = (damaged[place] ?? 0) ^ (1 << (at % 8));
    await writeFile(path, damaged);
    const problems = await problemsFound(site);
    assert.ok(problems.length > 0, `${file}: byte ${place}`);
    const hit = new Set(problems.flatMap((problem) => problem.restorePoints));
    for (const id of hit) assert.ok(points.includes(id));
    // A pack's table of contents is in the index as well (docs/repository-format.md, "Packs"): no restore point needs it.
    const records = /^[dm]\//.test(file) ? Number(whole.readBigUInt64LE(whole.length - 48)) : 0;
    if (place < records || file.startsWith('points/')) assert.ok(hit.size > 0, `${file}: byte ${place} hits one`);
    await writeFile(path, whole);
  }
  assert.deepEqual(await problemsFound(site), []);
});
