/** One whole backup at the provider: checkpoint, export, extents, reads, conversion, and the superseded reference point goes. */
import type { HostProvider, JobContext } from '../../../server/agent/provider.ts';
import { guestWrite } from '../../../server/agent/simulated/index.ts';
import { ownerId, runId } from '../../../server/protocol/ids.ts';
import type { DiskId, TrackingId } from '../../../server/protocol/ids.ts';
import type { ReferencePoint, VmInfo } from '../../../server/protocol/model.ts';

const never = new AbortController().signal;
const quiet: JobContext = { signal: never, progress: () => undefined };
const owner = ownerId('0123456789abcdef0123456789abcdef', 'owner');
const run = runId('01JD0000000000000000000000', 'run');
const writeBytes = 64 * 1024;
const bytes = Buffer.alloc(writeBytes, 'what the guest writes ');
const places = 64;

/** The parts of a backup. */
export type Step = 'checkpoint' | 'export' | 'read' | 'convert' | 'remove the superseded';
/** Runs a part; for measuring. */
export type Around = <T>(step: Step, work: () => Promise<T>) => Promise<T>;

/** The guest writes 64 KiB to the first disk, and all that changed since `previous` is read. Gives the new reference point. */
export async function backUp(
  provider: HostProvider,
  root: string,
  vm: VmInfo,
  cycle: number,
  previous: ReferencePoint | undefined,
  around: Around = async (_, work) => work(),
): Promise<ReferencePoint> {
  const [first] = vm.disks;
  if (first === undefined) throw new Error('The VM has no disk.');
  await guestWrite(root, vm.name, first.name, { offset: (cycle % places) * writeBytes, from: bytes });
  const asked = { vmId: vm.id, runId: run, owner, consistency: 'crash' } as const;
  const checkpoint = await around('checkpoint', async () => provider.createCheckpoint(asked, quiet));
  const opened = await around('export', async () =>
    provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [] }, quiet),
  );
  await around('read', async () => {
    let read = 0;
    for (const { id } of opened.disks) {
      const since = previous?.disks.find(({ diskId }) => diskId === id)?.trackingId;
      read += await readDisk(provider, opened.id, id, since);
    }
    if (read < writeBytes) throw new Error(`Only ${read} bytes were read in cycle ${cycle}.`);
    await provider.closeExport(opened.id);
  });
  const point = await around('convert', async () => provider.convertCheckpoint(checkpoint.id, quiet));
  if (previous !== undefined) {
    await around('remove the superseded', async () => provider.removeReferencePoint(previous.id, undefined, quiet));
  }
  return point;
}

/** Reads all extents; gives their bytes. */
async function readDisk(
  provider: HostProvider,
  exportId: Awaited<ReturnType<HostProvider['openExport']>>['id'],
  diskId: DiskId,
  since: TrackingId | undefined,
): Promise<number> {
  await using reader = await provider.openDisk(exportId, diskId);
  let total = 0;
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const page = await provider.listExtents({ exportId, diskId, since, offset, maxExtents: 256 }, never);
    for (const extent of page.extents) {
      await reader.read(Buffer.allocUnsafe(extent.length), extent.offset);
      total += extent.length;
    }
    offset = page.nextOffset;
  }
  return total;
}
