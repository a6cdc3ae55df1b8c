/** `kill -9` of the daemon and of the agent at each step: nothing that was backed up is lost, and nothing is left over. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { runsOf } from './support/runs.ts';
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { tidemark } from './support/command.ts';
import { checkFilesClean, checkHostClean, checkNothingLeft } from './support/leftovers.ts';
import { filesBelow, sameBytes } from './support/files.ts';
import { diskName, Site } from './support/site.ts';

const backupSteps = [
  'backup.1-located',
  'backup.2-base-chosen',
  'backup.3-checkpoint',
  'backup.4-export-open',
  'backup.4-extents',
  'backup.5-streaming',
  'backup.6-pack-stored',
  'backup.6-streamed',
  'backup.7-durable',
  'backup.7-reference-point',
  'backup.8-committed',
  'backup.8-superseded-removed',
];
const restoreSteps = ['restore.1-partial-created', 'restore.2-writing', 'restore.3-written', 'restore.4-complete'];
const restoreVmSteps = ['restore-vm.1-begun', 'restore-vm.2-written'];
/** Reached only by a daemon that starts, cancels or prunes; each has a test of its own below. */
const otherSteps = ['clean-up.removed', 'recovery.run-interrupted', 'backup.taking-back', 'prune.deleted'];

const agentSteps = [
  ['checkpoint:leaf', 'checkpoint:tracking', 'checkpoint:disk', 'checkpoint:saved'],
  ['export:staged', 'export:opened', 'export:read'],
  ['convert:before', 'convert:decided', 'merge:before', 'merge:merged', 'merge:saved', 'merge:removed'],
  ['reference-point:removed'],
];

interface Moment {
  readonly point: RestorePointInfo;
  readonly image: string;
}

/** A backup of the disk as it is now. */
async function moment(site: Site): Promise<Moment> {
  return { image: await site.guestDisk(), point: await site.backUp() };
}

async function newSite(t: Parameters<typeof Site.withVm>[0]): Promise<{ site: Site; first: Moment }> {
  const site = await Site.withVm(t, '8MiB');
  await site.stopDaemon();
  await site.startDaemon();
  await site.guestWrites(30);
  return { site, first: await moment(site) };
}

/** Waits for the end of a process that kills itself. */
async function death(child: ChildProcess, step: string): Promise<void> {
  if (child.signalCode === null && child.exitCode === null) {
    await once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
  }
  assert.equal(child.signalCode, 'SIGKILL', step);
}

/** Starts the daemon with a failpoint, runs a command into it, and starts the daemon anew. */
async function killDaemonAt(site: Site, step: string, args: readonly string[]): Promise<void> {
  await site.stopDaemon();
  const daemon = await site.startDaemon({ failpoint: step });
  const result = await tidemark([...args, '--json', '--data', site.data]);
  await death(daemon, step);
  assert.notEqual(result.code, 0, `${step}: the command saw its daemon die`);
}

const backupArguments = ['backup', 'run', '--vm', 'hv01/web', '--repo', 'main', '--wait'];

/** All that must be true after a crash: verifies, restores, goes on, is clean. */
async function checkSurvived(site: Site, earlier: Moment, step: string): Promise<Moment> {
  await site.run(['repo', 'verify', 'main']);
  const restored = await site.restore(earlier.point.id, 'raw');
  assert.ok(await sameBytes(restored, earlier.image), `${step}: the earlier restore point restores`);
  const next = await moment(site);
  assert.ok(await sameBytes(await site.restore(next.point.id, 'raw'), next.image), `${step}: the next run's too`);
  await checkNothingLeft(site, next.point.referencePointId);
  return next;
}

async function explained(step: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`at ${step}`, { cause: error });
  }
}

test('the daemon killed at any step of a backup', { timeout: 300_000 }, async (t) => {
  const { site, first } = await newSite(t);
  const moments = [first];
  for (const step of backupSteps) {
    await explained(step, async () => {
      await site.guestWrites(4);
      const image = await site.guestDisk();
      const known = moments.length + (step.startsWith('backup.8') ? 1 : 0);
      await killDaemonAt(site, step, backupArguments);
      await site.startDaemon();
      const points = await site.restorePoints();
      assert.equal(points.length, known, 'a restore point exists when it was committed, and only then');
      const committed = points.find(({ id }) => moments.every((each) => each.point.id !== id));
      if (committed !== undefined) moments.push({ point: committed, image });
      const [last] = (await runsOf(site)).filter(({ request }) => request.kind === 'backup');
      assert.equal(last?.state, 'interrupted', 'the run is in the history as what it is');
      await site.guestWrites(4);
      moments.push(await checkSurvived(site, moments.at(-1) ?? first, step));
    });
  }
  await site.run(['repo', 'verify', 'main', '--read-data']);
  for (const { point, image } of moments) {
    assert.ok(await sameBytes(await site.restore(point.id, 'raw'), image), point.id);
  }
});

for (const steps of agentSteps) {
  test(`the agent killed at a step of a backup: ${steps.join(', ')}`, { timeout: 200_000 }, async (t) => {
    const { site, first } = await newSite(t);
    let last = first;
    for (const step of steps) {
      await explained(step, async () => {
        await site.guestWrites(4);
        await site.stopAgent('hv01');
        const agent = await site.startAgent('hv01', { failpoint: `agent.${step}` });
        const run = await site.tryBackup();
        await death(agent, step);
        if (run.state !== 'succeeded') assert.ok(run.error?.hint !== undefined, 'the failure says what to do');
        await site.startAgent('hv01');
        last = await checkSurvived(site, last, step);
      });
    }
  });
}

test('the daemon killed while it clears up after it was killed', { timeout: 120_000 }, async (t) => {
  const { site, first } = await newSite(t);
  let last = first;
  for (const step of ['recovery.run-interrupted', 'clean-up.removed']) {
    await explained(step, async () => {
      await killDaemonAt(site, 'backup.4-export-open', backupArguments);
      const second = site.startDaemon({ failpoint: step });
      // It dies while it starts, or soon after.
      await second.then(async (daemon) => death(daemon, step)).catch(() => undefined);
      await site.startDaemon();
      last = await checkSurvived(site, last, step);
    });
  }
});

test(
  'the daemon killed at any step of restoring a disk leaves the whole file or none',
  { timeout: 120_000 },
  async (t) => {
    const { site, first } = await newSite(t);
    const folder = site.file('target');
    for (const [at, step] of restoreSteps.entries()) {
      await explained(step, async () => {
        const target = join(folder, `disk-${at}.raw`);
        await site.makeFolder(folder);
        const args = ['restore', 'disk', first.point.id, diskName, '--to', target, '--format', 'raw'];
        await killDaemonAt(site, step, args);
        await site.startDaemon();
        const left = await filesBelow(folder);
        if (left.includes(`disk-${at}.raw`))
          assert.ok(await sameBytes(target, first.image), 'a file is there when it is whole');
        assert.deepEqual(
          left.filter((file) => !/^disk-\d\.raw$/.test(file)),
          [],
          'no partial file',
        );
        await site.run([...args, '--force']);
        assert.ok(await sameBytes(target, first.image));
      });
    }
    await checkFilesClean(site);
  },
);

test(
  'the daemon or the agent killed at any step of restoring a VM leaves the whole VM or none',
  { timeout: 120_000 },
  async (t) => {
    const { site, first } = await newSite(t);
    const steps = [...restoreVmSteps, 'agent.restore:closed', 'agent.restore:written', 'agent.restore:published'];
    for (const [at, step] of steps.entries()) {
      await explained(step, async () => {
        const args = (name: string): string[] => ['restore', 'vm', first.point.id, '--host', 'hv01', '--name', name];
        if (step.startsWith('agent.')) {
          await site.stopAgent('hv01');
          const agent = await site.startAgent('hv01', { failpoint: step });
          await tidemark([...args(`copy-${at}`), '--json', '--data', site.data]);
          await death(agent, step);
          await site.startAgent('hv01');
        } else {
          await killDaemonAt(site, step, args(`copy-${at}`));
          await site.startDaemon();
        }
        await eventually(async () => checkHostClean(site));
        const vms = await readdir(join(site.root('hv01'), 'vms'));
        assert.equal(vms.includes(`copy-${at}`), step === 'agent.restore:published');
        await site.run(args(`again-${at}`));
        const raw = site.newFile('raw');
        await site.run(['sim', 'raw', site.root('hv01'), `again-${at}`, diskName, raw]);
        assert.ok(await sameBytes(raw, first.image));
      });
    }
  },
);

test(
  'the daemon killed while it prunes keeps every restore point whole or has it gone',
  { timeout: 120_000 },
  async (t) => {
    const { site, first } = await newSite(t);
    const moments = [first];
    for (let turn = 0; turn < 3; turn++) {
      await site.guestWrites(5);
      moments.push(await moment(site));
    }
    await killDaemonAt(site, 'prune.deleted', ['repo', 'prune', 'main', '--keep-last', '1']);
    await site.startDaemon();
    const left = new Set((await site.restorePoints()).map(({ id }) => id));
    assert.ok(left.size < moments.length);
    const newest = moments.at(-1) ?? first;
    assert.ok(left.has(newest.point.id), 'the newest stays');
    await site.run(['repo', 'gc', 'main', '--now']);
    for (const { point, image } of moments.filter((each) => left.has(each.point.id))) {
      assert.ok(await sameBytes(await site.restore(point.id, 'raw'), image));
    }
    await checkSurvived(site, newest, 'prune.deleted');
  },
);

test('every failpoint of the daemon is one that these tests stop at', async () => {
  const server = fileURLToPath(new URL('../../../server', import.meta.url));
  const named = new Set<string>();
  for (const file of await filesBelow(server)) {
    if (!file.endsWith('.ts')) continue;
    for (const [, name] of (await readFile(join(server, file), 'utf8')).matchAll(/failpoint\('([^']+)'\)/g)) {
      if (name !== undefined) named.add(name);
    }
  }
  const tested = [...backupSteps, ...restoreSteps, ...restoreVmSteps, ...otherSteps].sort();
  assert.deepEqual([...named].sort(), tested);
});

/** Tries until it does not throw, for a few seconds. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
