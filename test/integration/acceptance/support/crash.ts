/** Killing processes at their failpoints, and what must be true afterwards. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

import type { RestorePointInfo } from '../../../../server/protocol/model.ts';
import { tidemark } from './command.ts';
import { sameBytes } from './files.ts';
import { checkNothingLeft } from './leftovers.ts';
import { Site } from './site.ts';

/** The daemon's failpoints, by what it is at. Those of the agent are `agent.` and the name of a step in server/agent/simulated. */
export const daemonSteps = {
  backup: [
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
  ],
  cancelledBackup: ['backup.taking-back'],
  start: ['recovery.run-interrupted', 'clean-up.removed'],
  restoreDisk: ['restore.1-partial-created', 'restore.2-writing', 'restore.3-written', 'restore.4-complete'],
  restoreVm: ['restore-vm.1-begun', 'restore-vm.2-written'],
  prune: ['prune.deleted'],
} as const;

/** A restore point, and a raw file of the disk as it was then. */
export interface Moment {
  readonly point: RestorePointInfo;
  readonly image: string;
}

/** A backup of the disk as it is now. */
export async function moment(site: Site, image?: string): Promise<Moment> {
  return { image: image ?? (await site.guestDisk()), point: await site.backUp() };
}

/** A site whose VM is backed up once. */
export async function siteWithBackup(t: TestContext): Promise<{ readonly site: Site; readonly first: Moment }> {
  const site = await Site.withVm(t, '8MiB');
  await site.guestWrites(30);
  return { site, first: await moment(site) };
}

/** Waits for the end of a process that kills itself. */
export async function death(child: ChildProcess): Promise<void> {
  if (child.signalCode === null && child.exitCode === null) {
    await once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
  }
  assert.equal(child.signalCode, 'SIGKILL', 'it was killed there');
}

export const backupArguments = ['backup', 'run', '--vm', 'hv01/web', '--repo', 'main', '--wait'] as const;

/** Starts a daemon that dies at `step`, runs a command into it, and starts the daemon anew. */
export async function killDaemonAt(site: Site, step: string, args: readonly string[]): Promise<void> {
  await site.stopDaemon();
  const daemon = await site.startDaemon({ failpoint: step });
  const result = await tidemark([...args, '--json', '--data', site.data]);
  await death(daemon);
  assert.notEqual(result.code, 0, 'the command saw its daemon die');
  await site.startDaemon();
}

/** All that must be true after a crash: the repository verifies, the restore point from before restores, the next run succeeds, and nothing is left over. */
export async function checkSurvived(site: Site, earlier: Moment, now?: string): Promise<Moment> {
  await site.run(['repo', 'verify', 'main']);
  assert.ok(await sameBytes(await site.restore(earlier.point.id, 'raw'), earlier.image), 'the earlier one restores');
  const next = await moment(site, now);
  assert.ok(await sameBytes(await site.restore(next.point.id, 'raw'), next.image), 'the next one restores');
  await checkNothingLeft(site, next.point.referencePointId);
  return next;
}

/** Does `work` for each step; an error says at which. */
export async function atEach(
  steps: readonly string[],
  work: (step: string, at: number) => Promise<void>,
): Promise<void> {
  for (const [at, step] of steps.entries()) {
    try {
      await work(step, at);
    } catch (error) {
      throw new Error(`at ${step}`, { cause: error });
    }
  }
}
