/** `kill -9` of the daemon at each step of a backup: nothing that was backed up is lost, and nothing is left over. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import {
  atEach,
  backupArguments,
  checkSurvived,
  daemonSteps,
  death,
  killDaemonAt,
  moment,
  siteWithBackup,
} from './support/crash.ts';
import { filesBelow, sameBytes } from './support/files.ts';
import { runsOf, startBackup, waitForPhase } from './support/runs.ts';
import { vmName } from './support/site.ts';

const timeout = 300_000;

test('the daemon killed at any step of a backup', { timeout }, async (t) => {
  const { site, first } = await siteWithBackup(t);
  const moments = [first];
  await atEach(daemonSteps.backup, async (step) => {
    await site.guestWrites(4);
    const image = await site.guestDisk();
    await killDaemonAt(site, step, backupArguments);
    const points = await site.restorePoints();
    const committed = points.find(({ id }) => moments.every((each) => each.point.id !== id));
    assert.equal(
      committed !== undefined,
      step.startsWith('backup.8'),
      'it exists when it was committed, and only then',
    );
    assert.equal(points.length, moments.length + (committed === undefined ? 0 : 1));
    if (committed !== undefined) moments.push({ point: committed, image });
    const last = (await runsOf(site)).find(({ request }) => request.kind === 'backup');
    assert.equal(last?.state, 'interrupted', 'the run is in the history as what it is');
    moments.push(await checkSurvived(site, moments.at(-1) ?? first, image));
  });
  await site.run(['repo', 'verify', 'main', '--read-data']);
  for (const { point, image } of moments) {
    assert.ok(await sameBytes(await site.restore(point.id, 'raw'), image), point.id);
  }
});

test('daemon and agent killed at once, and the power of the VM with them', { timeout }, async (t) => {
  const { site, first } = await siteWithBackup(t);
  let last = first;
  await atEach(['backup.5-streaming', 'backup.7-durable', 'backup.7-reference-point'], async (step) => {
    await site.guestWrites(4);
    await site.stopDaemon();
    const daemon = await site.startDaemon({ failpoint: step });
    await site.tryRun(backupArguments);
    await death(daemon);
    await site.stopAgent('hv01', 'SIGKILL');
    await site.run(['sim', 'power', site.root('hv01'), vmName, 'fail']);
    await site.run(['sim', 'power', site.root('hv01'), vmName, 'on']);
    await site.startAgent('hv01');
    await site.startDaemon();
    last = await checkSurvived(site, last);
  });
});

test('the daemon killed while it takes back what a cancelled backup made', { timeout }, async (t) => {
  const { site, first } = await siteWithBackup(t);
  await atEach(daemonSteps.cancelledBackup, async (step) => {
    await site.stopDaemon();
    await site.stopAgent('hv01');
    await site.startAgent('hv01', { jobMs: 4000 });
    const daemon = await site.startDaemon({ failpoint: step });
    const { id } = await startBackup(site);
    await waitForPhase(site, id, 'extents');
    await site.tryRun(['run', 'cancel', id]);
    await death(daemon);
    await site.stopAgent('hv01');
    await site.startAgent('hv01');
    await site.startDaemon();
    await checkSurvived(site, first);
  });
});

test('the daemon killed while it clears up after it was killed', { timeout }, async (t) => {
  const { site, first } = await siteWithBackup(t);
  let last = first;
  await atEach(daemonSteps.start, async (step) => {
    await site.stopDaemon();
    const running = await site.startDaemon({ failpoint: 'backup.4-export-open' });
    await site.tryRun(backupArguments);
    await death(running);
    await death(site.launchDaemon({ failpoint: step }));
    await site.startDaemon();
    last = await checkSurvived(site, last);
  });
});

test('the daemon killed while it prunes keeps every restore point whole or has it gone', { timeout }, async (t) => {
  const { site, first } = await siteWithBackup(t);
  const moments = [first];
  for (let turn = 0; turn < 3; turn++) {
    await site.guestWrites(5);
    moments.push(await moment(site));
  }
  await atEach(daemonSteps.prune, (step) => killDaemonAt(site, step, ['repo', 'prune', 'main', '--keep-last', '1']));
  const left = new Set((await site.restorePoints()).map(({ id }) => id));
  assert.ok(left.size < moments.length);
  const newest = moments.at(-1) ?? first;
  assert.ok(left.has(newest.point.id), 'the newest stays');
  await site.run(['repo', 'gc', 'main', '--now']);
  for (const { point, image } of moments.filter((each) => left.has(each.point.id))) {
    assert.ok(await sameBytes(await site.restore(point.id, 'raw'), image));
  }
  await checkSurvived(site, newest);
});

test('every failpoint of the daemon is one that these tests stop at', async () => {
  const server = fileURLToPath(new URL('../../../server', import.meta.url));
  const named = new Set<string>();
  for (const file of await filesBelow(server)) {
    if (!file.endsWith('.ts')) continue;
    for (const [, name] of (await readFile(join(server, file), 'utf8')).matchAll(/failpoint\('([^']+)'\)/g)) {
      if (name !== undefined) named.add(name);
    }
  }
  assert.deepEqual([...named].sort(), Object.values(daemonSteps).flat().sort());
});
