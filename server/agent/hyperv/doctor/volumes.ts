/** Room on the volumes that hold disks of VMs. */
import { stat, statfs } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

import { forEachLimited } from '../../../base/concurrency.ts';
import { formatBytes } from '../../../base/format.ts';
import { throwIfAborted } from '../../../protocol/errors.ts';
import type { HypervVm } from '../commands/index.ts';
import { defaultFreeSpace } from '../core.ts';
import type { FreeSpaceLimits } from '../core.ts';
import { ownRules } from '../paths.ts';
import { virtualPaths } from '../checkpoints/preflight.ts';
import { check } from './finding.ts';
import type { Finding } from './finding.ts';

/** The room of one volume, bytes. */
export interface Volume {
  /** One of the folders on it. */
  readonly folder: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

const parallel = 16;

/** The volumes of the VMs' disks, and the folders whose volume does not tell its room. */
export async function volumesOf(
  vms: readonly HypervVm[],
  signal: AbortSignal,
): Promise<{ readonly volumes: readonly Volume[]; readonly unknown: readonly string[] }> {
  const rules = ownRules === 'windows' ? win32 : posix;
  const folders = new Set(vms.flatMap((vm) => virtualPaths(vm).map((path) => rules.dirname(path))));
  const volumes = new Map<number, Volume>();
  const unknown: string[] = [];
  await forEachLimited(folders, parallel, async (folder) => {
    throwIfAborted(signal);
    try {
      const { dev } = await stat(folder);
      if (volumes.has(dev)) return;
      const { bavail, blocks, bsize } = await statfs(folder);
      volumes.set(dev, { folder, freeBytes: bavail * bsize, totalBytes: blocks * bsize });
    } catch {
      // A share that only Hyper-V itself may read, or a folder that is gone, which the check of the disks tells.
      unknown.push(folder);
    }
  });
  return { volumes: [...volumes.values()], unknown };
}

/** What is to be said of them. */
export function volumeFindings(
  { volumes, unknown }: { readonly volumes: readonly Volume[]; readonly unknown: readonly string[] },
  limits: Omit<FreeSpaceLimits, 'lowBytes'> = defaultFreeSpace,
): readonly Finding[] {
  const one = check('host', 'volume-space');
  const found: Finding[] = [];
  for (const { folder, freeBytes, totalBytes } of volumes) {
    const space = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free on the volume of ${folder}`;
    const remedy = `While a backup runs, all that its VM writes needs room there. Free at least ${formatBytes(limits.warnBytes)}, or ${limits.warnPercent} percent.`;
    if (freeBytes < limits.refuseBytes)
      found.push(one.problem(`Only ${space}, so no checkpoint is taken there.`, remedy));
    else if (freeBytes < Math.max(limits.warnBytes, (totalBytes * limits.warnPercent) / 100)) {
      found.push(one.warning(`Only ${space}.`, remedy));
    }
  }
  if (unknown.length > 0) {
    const [first = ''] = unknown;
    found.push(
      one.skipped(
        `The room of ${unknown.length} ${unknown.length === 1 ? 'folder' : 'folders'} cannot be seen by this account, such as ${first}.`,
      ),
    );
  }
  return found.length > 0 ? found : [one.ok('There is room on every volume that holds disks of VMs.')];
}
