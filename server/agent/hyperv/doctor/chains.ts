/** Whether the disk files of VMs can be read, each with all its parents, as a backup would read them. */
import { forEachLimited } from '../../../base/concurrency.ts';
import { systemCode } from '../../../base/files.ts';
import { oneLine } from '../../../base/one-line.ts';
import { throwIfAborted, TidemarkError } from '../../../protocol/errors.ts';
import { openVirtualDisk } from '../../../vhdx/index.ts';
import type { VmDisk } from '../inventory/describe.ts';
import { isHostPath, mayBeParent } from '../paths.ts';

/** `used`: another program, as a rule the VM itself, lets nobody read it now; a checkpoint does. */
export type Chain =
  | { readonly state: 'readable' }
  | { readonly state: 'used' }
  | { readonly state: 'broken'; readonly reason: string };

const parallelOpens = 16;
/** What Windows and other systems say of a file that somebody else holds, or this account may not read. */
const held = new Set(['EBUSY', 'EPERM', 'EACCES', 'ETXTBSY']);

/** The state of each virtual disk file, by path. Throws only when aborted. */
export async function chainsOf(disks: readonly VmDisk[], signal: AbortSignal): Promise<ReadonlyMap<string, Chain>> {
  const chains = new Map<string, Chain>();
  const wanted = new Map(
    disks.filter(({ attached }) => attached.kind === 'virtual').map((disk) => [disk.attached.path, disk]),
  );
  await forEachLimited(wanted.values(), parallelOpens, async (disk) => {
    throwIfAborted(signal);
    chains.set(disk.attached.path, await chainOf(disk));
  });
  return chains;
}

async function chainOf({ attached, described }: VmDisk): Promise<Chain> {
  const { path } = attached;
  // VHD Sets and what else the agent does not open: that the VM cannot be backed up is said elsewhere.
  if (described.facts?.format === 'vhdset' || !isHostPath(path, 'disk')) return { state: 'used' };
  if (described.facts === undefined) return { state: 'broken', reason: described.reason };
  try {
    await using disk = await openVirtualDisk(path, { mayBeParent });
    return disk.layers.length > 0 ? { state: 'readable' } : { state: 'broken', reason: 'It has no file.' };
  } catch (error) {
    if (held.has(rootCode(error) ?? '')) return { state: 'used' };
    return { state: 'broken', reason: oneLine(TidemarkError.from(error).message, 512) };
  }
}

/** The system's code of an error or of what caused it. */
function rootCode(error: unknown): string | undefined {
  const own = systemCode(error);
  if (own !== undefined && !own.startsWith('TM')) return own;
  return error instanceof Error && error.cause !== undefined ? rootCode(error.cause) : undefined;
}
