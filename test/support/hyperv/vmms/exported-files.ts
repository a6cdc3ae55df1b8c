/** The files of an export: `Virtual Machines` with the configuration, `Virtual Hard Disks` with the disks; a differential one has disks with only what changed. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { importDisk } from '../../../../server/agent/simulated/disk-copy.ts';
import { withVm } from '../../../../server/agent/simulated/store.ts';
import type { LockedVm } from '../../../../server/agent/simulated/store.ts';
import type { ReferencePoint } from '../../../../server/protocol/model.ts';
import { createDifferencingVhdx, openVhdxWriter, openVirtualDisk } from '../../../../server/vhdx/index.ts';
import type { Extent } from '../../../../server/vhdx/index.ts';
import { writeDefinition } from './definition.ts';
import { hresults, MethodFailure, returnCodes } from './failures.ts';
import type { WorkContext } from './jobs.ts';
import { openCheckpoint } from './model/machine.ts';
import type { Machine } from './model/machine.ts';
import type { Vm, World } from './world.ts';

/** Bytes that are copied at a time. */
const bufferBytes = 1024 * 1024;

/** What an export is made of. */
export interface ExportPlan {
  readonly vm: Vm;
  readonly machine: Machine;
  /** Where `Virtual Machines` and `Virtual Hard Disks` are made. */
  readonly directory: string;
  readonly copiesStorage: boolean;
  /** Places of the disks that are left out. */
  readonly excluded: ReadonlySet<number>;
  /** What the disks' changes count from; undefined for a full export. */
  readonly base: ReferencePoint | undefined;
  /** Whether nobody writes to the disks. */
  readonly frozen: boolean;
}

/** Writes an export. On a failure nothing of it is left. */
export async function writeExport(world: World, plan: ExportPlan, context: WorkContext): Promise<void> {
  const { vm, machine, directory } = plan;
  const configuration = join(directory, 'Virtual Machines');
  const storage = join(directory, 'Virtual Hard Disks');
  const targets = machine.disks.map((disk) => join(storage, diskFile(disk.path)));
  const files = [join(configuration, `${vm.id}.vmcx`), ...targets];
  const there = files.find((file) => existsSync(file));
  if (there !== undefined) {
    throw new MethodFailure(returnCodes.failed, hresults.fileExists, [`The file '${there}' exists.`]);
  }
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => {
    await rm(configuration, { recursive: true, force: true });
    await rm(storage, { recursive: true, force: true });
  });
  const copied = plan.copiesStorage ? machine.disks.map((_, at) => at).filter((at) => !plan.excluded.has(at)) : [];
  if (copied.length > 0) await mkdir(storage, { recursive: true });
  for (const [done, at] of copied.entries()) {
    context.progress((99 * done) / copied.length);
    await copyDisk(world, plan, at, targets[at] ?? '', context.signal);
  }
  const disks = machine.disks.map((disk, at) => ({
    path: copied.includes(at) ? (targets[at] ?? disk.path) : disk.path,
  }));
  await writeDefinition(world, configuration, vm.id, vm, { ...machine, disks });
  undo.move();
}

/** `os.vhdx` for `os.vhdx` and `os_GUID.avhdx`. */
const diskFile = (path: string): string => basename(path).replace(/(_[0-9A-F-]{36})?\.avhdx$/i, '.vhdx');

async function copyDisk(
  world: World,
  plan: ExportPlan,
  at: number,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const source = plan.machine.disks[at]?.path ?? '';
  if (plan.base !== undefined) return copyChanges(world, plan, plan.base, at, target, signal);
  if (plan.frozen) return importDisk(source, target, { signal });
  // The guest waits as long as its disk is copied.
  return withVm(world.root, plan.vm.id, signal, () => importDisk(source, target, { signal }));
}

async function copyChanges(
  world: World,
  { vm, machine }: ExportPlan,
  base: ReferencePoint,
  at: number,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const source = machine.disks[at]?.path ?? '';
  const changes = await withVm(world.root, vm.id, signal, (locked) => changesSince(locked, base, at));
  await createDifferencingVhdx(target, source);
  await using from = await openVirtualDisk(source);
  await using to = await openVhdxWriter(target);
  const buffer = new Uint8Array(bufferBytes);
  for (const { offset, length } of changes) {
    const end = Math.min(offset + length, from.sizeBytes);
    for (let place = offset; place < end; place += bufferBytes) {
      signal.throwIfAborted();
      const part = buffer.subarray(0, Math.min(bufferBytes, end - place));
      await from.read(part, place);
      await to.write(part, place);
    }
  }
  await to.flush();
}

async function changesSince(vm: LockedVm, base: ReferencePoint, at: number): Promise<readonly Extent[]> {
  const frozen = openCheckpoint(vm.document)?.disks[at]?.disk;
  const since = base.disks.find((disk) => disk.diskId === frozen?.id)?.trackingId;
  const tracker = frozen === undefined ? undefined : await vm.tracker(vm.disk(frozen.id));
  const until = frozen?.trackingId;
  const changes = since === undefined || until === undefined ? undefined : tracker?.changes(since, until);
  if (changes !== undefined) return [...changes.runs(0)];
  throw new MethodFailure(returnCodes.failed, hresults.unknownTrackingId, [
    'The change tracking identifier is not valid.',
  ]);
}
