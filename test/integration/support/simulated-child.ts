/** A process that changes a simulated host and, by its failpoint, dies in the middle: `node simulated-child.ts ACTION ROOT [OTHER_ROOT]`. */
import { createSimulatedProvider, guestWrite, migrate, power } from '../../../server/agent/simulated/index.ts';
import type { HostExport, JobContext } from '../../../server/agent/provider.ts';
import { ownerId, runId } from '../../../server/protocol/ids.ts';

const owner = ownerId('0123456789abcdef0123456789abcdef', 'owner');
const run = runId('01JD0000000000000000000000', 'run');
const job: JobContext = { signal: new AbortController().signal, progress: () => undefined };
const [action = '', root = '', otherRoot = ''] = process.argv.slice(2);
const provider = createSimulatedProvider(root, { jobMs: 0 });
const vm = (await provider.listVms(job.signal))[0];
if (vm === undefined) throw new Error('The host has no VM.');
const vmId = vm.id;

const write = (seed: number): Promise<void> =>
  guestWrite(root, 'web', 'os', { offset: 100_000 * seed + 777, from: Buffer.alloc(300_001, seed) });

/** Backs the VM up, as far as the host sees it, while the guest writes. */
async function backUp(how: 'convert' | 'remove'): Promise<HostExport> {
  const request = { vmId, runId: run, owner, consistency: 'crash' as const };
  const checkpoint = await provider.createCheckpoint(request, job);
  await write(7);
  const opened = await provider.openExport({ checkpointId: checkpoint.id, excludeDisks: [] }, job);
  for (const disk of opened.disks) {
    const reader = await provider.openDisk(opened.id, disk.id);
    await reader.read(new Uint8Array(4096), 0);
    await write(9);
  }
  await provider.closeExport(opened.id);
  if (how === 'convert') await provider.convertCheckpoint(checkpoint.id, job);
  else await provider.removeCheckpoint(checkpoint.id, job);
  return opened;
}

switch (action) {
  case 'convert':
  case 'remove':
    await backUp(action);
    break;
  case 'forget': {
    const { configuration } = await backUp('convert');
    const point = (await provider.listReferencePoints(vmId, job.signal)).at(-1);
    if (point === undefined) throw new Error(`No reference point of ${configuration.name}.`);
    await provider.removeReferencePoint(point.id, undefined, job);
    break;
  }
  case 'restore': {
    const { configuration, disks } = await backUp('remove');
    const session = await provider.beginRestore(
      { name: 'copy', configuration, connectNetwork: false, disks },
      job.signal,
    );
    const disk = disks[0];
    if (disk === undefined) throw new Error('The VM has no disk.');
    const writer = await provider.openRestoreDisk(session, disk.id);
    await writer.write(Buffer.alloc(500_000, 1), 12_345);
    await writer.close();
    await provider.commitRestore(session, job);
    break;
  }
  case 'write':
    await write(11);
    break;
  case 'off':
  case 'fail':
    await power(root, 'web', action);
    break;
  case 'on':
    await power(root, 'web', 'off');
    await power(root, 'web', 'on');
    break;
  case 'migrate':
    await migrate(root, 'web', otherRoot);
    break;
  case 'storm':
    // Everything a guest and a backup do, over and over, until the process is killed from outside.
    for (let turn = 0; ; turn++) {
      await write(turn % 40);
      await backUp(turn % 3 === 0 ? 'remove' : 'convert');
      await power(root, 'web', turn % 4 === 0 ? 'fail' : 'off');
      await power(root, 'web', 'on');
      await write((turn * 7) % 40);
    }
  default:
    throw new Error(`There is no action ${action}.`);
}
