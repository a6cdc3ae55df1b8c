/** Two runs of one VM, and runs that are cancelled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runInfo } from '../../../server/protocol/daemon.ts';
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { json } from '../../../server/protocol/parse.ts';
import { ended, startTidemark } from './support/command.ts';
import { checkHostClean, checkNothingLeft } from './support/leftovers.ts';
import { sameBytes } from './support/files.ts';
import { Site, vmName } from './support/site.ts';
import { startBackup, waitForEnd, waitForPhase } from './support/runs.ts';

const timeout = 120_000;
/** A job of the host takes so long that only a cancelled one ends within a test. */
const endlessMs = 600_000;

test(
  'a VM is in one run at a time; a cancelled run ends long before its job would, and leaves no checkpoint',
  { timeout },
  async (t) => {
    const site = await Site.withVm(t);
    const first = await site.backUp();
    await site.stopAgent('hv01');
    await site.startAgent('hv01', { jobMs: endlessMs });
    const { id } = await startBackup(site);
    await waitForPhase(site, id, 'checkpoint');
    await site.fails(['backup', 'run', '--vm', 'hv01/web', '--repo', 'main', '--wait'], 'vmAlreadyRunning');
    await site.run(['run', 'cancel', id]);
    const cancelled = await waitForEnd(site, id);
    assert.equal(cancelled.state, 'cancelled');
    await checkHostClean(site);
    await site.stopAgent('hv01');
    await site.startAgent('hv01');
    const next = await site.backUp();
    assert.equal(next.type, 'incremental', 'the base stayed usable');
    assert.notEqual(next.id, first.id);
    await checkNothingLeft(site, next.referencePointId);
  },
);

/** Starts a backup, presses Ctrl-C as soon as it reads disks, and gives the states it printed. */
async function interruptedBackup(site: Site): Promise<readonly RunInfo[]> {
  const args = ['backup', 'run', '--vm', `hv01/${vmName}`, '--repo', 'main', '--wait', '--json', '--data', site.data];
  const child = startTidemark(args);
  let text = '';
  let pressed = false;
  child.stdout?.on('data', (data: Buffer) => {
    text += data.toString();
    if (pressed || !text.includes('"phase":"transfer"')) return;
    pressed = child.kill('SIGINT');
  });
  const { code, stdout } = await ended(child);
  assert.equal(code, 1);
  return stdout
    .trim()
    .split('\n')
    .map((line) => json(line, runInfo, 'backup run'));
}

test(
  'a run cancelled while disks are read leaves no checkpoint, and what was there before restores',
  { timeout },
  async (t) => {
    const site = await Site.withVm(t, '256MiB');
    await site.guestWrites(1);
    const image = await site.guestDisk();
    const first = await site.backUp();
    await site.guestWrites(60);
    const states = await interruptedBackup(site);
    assert.ok(states.some(({ state, progress }) => state === 'running' && progress.phase === 'transfer'));
    assert.equal(states.at(-1)?.state, 'cancelled');
    await checkHostClean(site);
    assert.equal((await site.restorePoints()).length, 1);
    assert.ok(await sameBytes(await site.restore(first.id, 'raw'), image));
    await site.run(['repo', 'verify', 'main']);
  },
);
