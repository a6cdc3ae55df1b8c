/** Making hosts and VMs. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { syncDirectory, writeFileDurably } from '../../base/files.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { vmId as parseVmId } from '../../protocol/ids.ts';
import { maxDiskBytes } from '../../protocol/model.ts';
import type { VmInfo } from '../../protocol/model.ts';
import { simulatedBuilds } from './api.ts';
import type { CreateVmOptions, InitHostOptions } from './api.ts';
import { toVmInfo } from './describe.ts';
import { importDisk } from './disk-copy.ts';
import { createDisk, diskFacts } from './disk-files.ts';
import { checkName, hostPath, sameName } from './layout.ts';
import { vmState } from './state.ts';
import type { DiskState, HostState, VmDocument } from './state.ts';
import { checkFree, openStaging, publishVm } from './staging.ts';
import { listVmDocuments, makeFolders, readHost, writeVm } from './store.ts';

/** Disks of one VM: what four SCSI controllers of Hyper-V take. */
const maxDisks = 256;

/** Makes `root` a host directory. Throws `TM2112` when it is one already or holds other files, `TM1001` for an unknown build. */
export async function initHost(root: string, options: InitHostOptions = {}): Promise<void> {
  const { name = hostname(), build = 20_348 } = options;
  if (!simulatedBuilds.includes(build)) {
    throw new TidemarkError(errorCodes.invalidInput, `There is no Windows build ${String(build)} to simulate.`, {
      hint: `Use one of ${simulatedBuilds.join(', ')}.`,
    });
  }
  if (name === '' || name.length > 256) {
    throw new TidemarkError(errorCodes.invalidInput, 'A host name must have 1 to 256 characters.');
  }
  await mkdir(root, { recursive: true });
  const existing = await readdir(root);
  if (existing.length > 0) {
    const isHost = existing.includes('host.json');
    throw new TidemarkError(
      errorCodes.hostStateInvalid,
      isHost ? `${root} is a simulated host already.` : `${root} is not empty.`,
      { hint: 'Choose a new or empty directory.' },
    );
  }
  await makeFolders(root);
  const state: HostState = {
    format: 1,
    name,
    build,
    id: randomUUID().toUpperCase(),
    createdAt: new Date().toISOString(),
  };
  await writeFileDurably(hostPath(root), `${JSON.stringify(state, undefined, 2)}\n`);
}

/** Makes a VM, running. Throws `TM2114` when the name is taken, `TM1001` for bad names and sizes, `TM3xxx` for unusable disk files. */
export async function createVm(root: string, options: CreateVmOptions): Promise<VmInfo> {
  const { name, signal } = options;
  await readHost(root);
  const imports = options.importDisks ?? [];
  checkDisks(name, options);
  await checkFree(root, name);
  await using cleanup = new AsyncDisposableStack();
  const staging = await openStaging(root, 'creating', signal);
  cleanup.defer(() => staging.remove());
  const directory = join(staging.path, 'vm');
  await mkdir(directory);
  const disks: DiskState[] = [];
  for (const disk of options.disks) {
    await createDisk(join(directory, `${disk.name}.vhdx`), { sizeBytes: disk.sizeBytes });
    disks.push(await describeDisk(directory, disk.name));
  }
  const takenIds = new Set((await listVmDocuments(root)).flatMap((vm) => vm.disks.map((disk) => disk.id)));
  for (const disk of imports) {
    await importDisk(disk.path, join(directory, `${disk.name}.vhdx`), { takenIds, signal });
    const state = await describeDisk(directory, disk.name);
    takenIds.add(state.id);
    disks.push(state);
  }
  const document = newVm(name, disks, options);
  await writeVm(directory, document);
  await syncDirectory(directory);
  await publishVm(root, directory, name, signal);
  return toVmInfo(root, document);
}

function checkDisks(name: string, options: CreateVmOptions): void {
  checkName(name, 'VM');
  const imports = options.importDisks ?? [];
  const names = [...options.disks, ...imports].map((disk) => disk.name);
  if (names.length === 0 || names.length > maxDisks) {
    throw new TidemarkError(errorCodes.invalidInput, `A VM needs 1 to ${maxDisks} disks.`, {
      hint: 'Add one with `--disk NAME=SIZE` or `--import-disk NAME=FILE`.',
    });
  }
  for (const [at, disk] of names.entries()) {
    checkName(disk, 'disk');
    if (names.slice(0, at).some((other) => sameName(other, disk))) {
      throw new TidemarkError(errorCodes.invalidInput, `Two disks are named ${disk}.`, {
        hint: 'Give each its own name.',
      });
    }
  }
  for (const { name: disk, sizeBytes } of options.disks) {
    if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes <= maxDiskBytes && sizeBytes % 4096 === 0)
      continue;
    throw new TidemarkError(errorCodes.invalidInput, `The disk ${disk} cannot be ${sizeBytes} bytes large.`, {
      hint: 'Use a multiple of 4 KiB, at most 64 TiB.',
    });
  }
}

/** What the state says of a disk file `NAME.vhdx` in `directory`. */
export async function describeDisk(directory: string, name: string): Promise<DiskState> {
  const file = `${name}.vhdx`;
  const { id, sizeBytes, logicalSectorBytes, physicalSectorBytes } = await diskFacts(join(directory, file));
  return { id, name, file, leaf: file, sizeBytes, logicalSectorBytes, physicalSectorBytes };
}

function newVm(name: string, disks: readonly DiskState[], options: CreateVmOptions): VmDocument {
  const document: VmDocument = {
    format: 1,
    id: parseVmId(randomUUID().toUpperCase(), 'vmId'),
    name,
    state: 'running',
    lastShutdown: 'clean',
    generation: options.generation ?? 2,
    configVersion: options.configVersion ?? '9.0',
    vss: 'ok',
    processorCount: 2,
    memoryBytes: 2 * 1024 ** 3,
    networkAdapters: [{ name: 'Network Adapter', switchName: 'Default Switch' }],
    disks,
    referencePoints: [],
  };
  // What was given as options must be readable from the state file again.
  return vmState(document, 'The VM');
}
