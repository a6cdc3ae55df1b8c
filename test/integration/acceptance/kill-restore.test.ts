/** `kill -9` of daemon and agent at each step of a restore. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tidemark } from './support/command.ts';
import { atEach, daemonSteps, death, killDaemonAt, siteWithBackup } from './support/crash.ts';
import { filesBelow, sameBytes } from './support/files.ts';
import { providerKind } from './support/hosts.ts';
import { checkFilesClean, checkHostClean } from './support/leftovers.ts';
import { diskName } from './support/site.ts';

/** The agent's steps of restoring a VM, and after which of them the VM is there. */
const agentSteps: { readonly all: readonly string[]; readonly withVm: readonly string[] } =
  providerKind === 'hyperv'
    ? {
        all: ['created', 'closed', 'planning', 'job', 'planned', 'realizing', 'realized'].map(
          (step) => `agent.hyperv.restore:${step}`,
        ),
        withVm: ['agent.hyperv.restore:realized'],
      }
    : {
        all: ['agent.restore:closed', 'agent.restore:written', 'agent.restore:published'],
        withVm: ['agent.restore:published'],
      };

test(
  'the daemon killed at any step of restoring a disk leaves the whole file or none',
  { timeout: 120_000 },
  async (t) => {
    const { site, first } = await siteWithBackup(t);
    const folder = site.file('target');
    await atEach(daemonSteps.restoreDisk, async (step, at) => {
      const target = join(folder, `disk-${at}.raw`);
      await site.makeFolder(folder);
      const args = ['restore', 'disk', first.point.id, diskName, '--to', target, '--format', 'raw'];
      await killDaemonAt(site, step, args);
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
    await checkFilesClean(site);
  },
);

test(
  'the daemon or the agent killed at any step of restoring a VM leaves the whole VM or none',
  { timeout: 120_000 },
  async (t) => {
    const { site, first } = await siteWithBackup(t);
    const steps = [...daemonSteps.restoreVm, ...agentSteps.all];
    await atEach(steps, async (step, at) => {
      const args = (name: string): string[] => ['restore', 'vm', first.point.id, '--host', 'hv01', '--name', name];
      if (step.startsWith('agent.')) {
        await site.stopAgent('hv01');
        const agent = await site.startAgent('hv01', { failpoint: step });
        await tidemark([...args(`copy-${at}`), '--json', '--data', site.data]);
        await death(agent);
        await site.startAgent('hv01');
      } else {
        await killDaemonAt(site, step, args(`copy-${at}`));
      }
      await eventually(async () => checkHostClean(site));
      const vms = await readdir(join(site.root('hv01'), 'vms'));
      assert.equal(vms.includes(`copy-${at}`), agentSteps.withVm.includes(step));
      await site.run(args(`again-${at}`));
      const raw = site.newFile('raw');
      await site.run(['sim', 'raw', site.root('hv01'), `again-${at}`, diskName, raw]);
      assert.ok(await sameBytes(raw, first.image));
    });
  },
);

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
