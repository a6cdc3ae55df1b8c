/** Makes a planned VM one of the simulated host: its disk files move into the VM's folder there. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, isAbsolute, join, relative } from 'node:path';

import { syncDirectory, systemCode, writeFileDurably } from '../../../../server/base/files.ts';
import { stampedDisks } from '../../../../server/agent/simulated/disk-check.ts';
import { copySparse, importDisk } from '../../../../server/agent/simulated/disk-copy.ts';
import { describeDisk } from '../../../../server/agent/simulated/host.ts';
import { checkName, sameName } from '../../../../server/agent/simulated/layout.ts';
import { openStaging, publishVm } from '../../../../server/agent/simulated/staging.ts';
import { vmState } from '../../../../server/agent/simulated/state.ts';
import type { DiskState, VmDocument } from '../../../../server/agent/simulated/state.ts';
import { LockedVm, vmNames, writeVm } from '../../../../server/agent/simulated/store.ts';
import { vmId } from '../../../../server/protocol/ids.ts';
import { referencePoint } from '../../../../server/protocol/model.ts';
import { array, json } from '../../../../server/protocol/parse.ts';
import { readVhdxInfo } from '../../../../server/vhdx/index.ts';
import { parentId, subTypes, switchOf } from './model/resources.ts';
import { noNotes, notesFile } from './notes.ts';
import type { VmNotes } from './notes.ts';
import type { PlannedVm } from './planned.ts';
import { plainText, textOf, textsOf } from './wire.ts';
import type { Instance } from './wire.ts';
import type { World } from './world.ts';

/** Whether a path lies in a folder. */
export function isWithin(folder: string, path: string): boolean {
  const below = relative(folder, path);
  return below !== '' && !below.startsWith('..') && !isAbsolute(below);
}

/** A name like `wanted` that the simulated host takes and that none of `taken` is. */
function freeName(wanted: string, what: 'VM' | 'disk', taken: readonly string[]): string {
  const isFree = (name: string): boolean => {
    try {
      checkName(name, what);
    } catch {
      return false;
    }
    return !taken.some((other) => sameName(other, name));
  };
  const safe = wanted
    .replaceAll(/[^\p{L}\p{N} _.-]/gu, '')
    .slice(0, 30)
    .trim();
  for (let count = 1; ; count++) {
    const suffix = count === 1 ? '' : `-${count}`;
    const found = [wanted, safe, what].map((name) => `${name}${suffix}`).find(isFree);
    if (found !== undefined) return found;
  }
}

/** The disks of a planned VM, in the order of their controllers and places. */
function disksOf(world: World, plan: PlannedVm): readonly Instance[] {
  const at = (id: string): number => plan.resources.findIndex((resource) => textOf(resource, 'InstanceID') === id);
  const place = (disk: Instance): number => {
    const drive = plan.resources[at(parentId(world, disk))];
    if (drive === undefined) return 0;
    return at(parentId(world, drive)) * 64 + Number(textOf(drive, 'AddressOnParent'));
  };
  return resourcesOfType(plan, subTypes.virtualDisk).toSorted((a, b) => place(a) - place(b));
}

const resourcesOfType = (plan: PlannedVm, subType: string): readonly Instance[] =>
  plan.resources.filter((resource) => textOf(resource, 'ResourceSubType') === subType);

const quantity = (plan: PlannedVm, subType: string): number =>
  Number(plainText(resourcesOfType(plan, subType)[0]?.properties['VirtualQuantity'])) || 1;

function adaptersOf(world: World, plan: PlannedVm): VmDocument['networkAdapters'] {
  const connections = resourcesOfType(plan, subTypes.connection);
  return resourcesOfType(plan, subTypes.ethernetPort).map((port) => {
    const connection = connections.find((entry) => parentId(world, entry) === textOf(port, 'InstanceID'));
    const connected = connection !== undefined && connection.properties['EnabledState'] === 2;
    return {
      name: textOf(port, 'ElementName').slice(0, 128) || 'Network Adapter',
      switchName: (connected ? switchOf(world, connection) : undefined) ?? null,
    };
  });
}

/** Moves a disk file, or what a chain of files holds, to its place. Returns how to undo it. */
async function takeDisk(from: string, to: string, signal: AbortSignal): Promise<() => Promise<void>> {
  const isVhdx = from.toLowerCase().endsWith('.vhdx');
  const type = isVhdx ? (await readVhdxInfo(from)).type : 'differencing';
  if (type === 'differencing') {
    await importDisk(from, to, { signal });
    return async () => undefined;
  }
  try {
    await rename(from, to);
    return () => rename(to, from);
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error;
    await copySparse(from, to, signal);
    await rm(from);
    return async () => {
      await copySparse(to, from);
    };
  }
}

/** Makes the VM, off. Either it is there afterwards, or everything is where it was. */
export async function realVm(world: World, plan: PlannedVm, signal: AbortSignal): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const staging = await openStaging(world.root, 'restoring', signal);
  undo.defer(() => staging.remove());
  const directory = join(staging.path, 'vm');
  await mkdir(directory);
  const disks: DiskState[] = [];
  for (const resource of disksOf(world, plan)) {
    const from = textsOf(resource, 'HostResource')[0] ?? '';
    const name = freeName(
      basename(from).replace(/\.a?vhdx?$/i, ''),
      'disk',
      disks.map((disk) => disk.name),
    );
    undo.defer(await takeDisk(from, join(directory, `${name}.vhdx`), signal));
    disks.push(await describeDisk(directory, name));
  }
  const label = textOf(plan.settings, 'ElementName');
  const name = freeName(label, 'VM', await vmNames(world.root));
  const document = documentOf(world, plan, name, disks);
  const vm = new LockedVm(world.root, directory, document);
  await writeVm(directory, { ...document, disks: await stampedDisks(vm) });
  await writeFileDurably(join(directory, notesFile), JSON.stringify(notesOf(plan, label === name ? undefined : label)));
  await syncDirectory(directory);
  await publishVm(world.root, directory, name, signal);
  undo.move();
  await staging.remove();
}

/** What a planned VM is beside what the simulated host has words for. */
function notesOf(plan: PlannedVm, name: string | undefined): VmNotes {
  const hardware = [
    ['fibre-channel', subTypes.fibreChannel],
    ['dvd', subTypes.dvdDrive],
    ['physical-disk', subTypes.physicalDrive],
  ] as const;
  const extras = hardware.flatMap(([extra, subType]) => (resourcesOfType(plan, subType).length > 0 ? [extra] : []));
  const startup = plan.settings.properties['AutomaticStartupAction'];
  return { ...noNotes, name, extras, startup: typeof startup === 'number' ? startup : undefined };
}

function documentOf(world: World, plan: PlannedVm, name: string, disks: readonly DiskState[]): VmDocument {
  const document: VmDocument = {
    format: 1,
    id: vmId(plan.id, 'id'),
    name,
    state: 'off',
    lastShutdown: 'clean',
    vss: 'ok',
    generation: textOf(plan.settings, 'VirtualSystemSubType').endsWith('2') ? 2 : 1,
    configVersion: textOf(plan.settings, 'Version'),
    processorCount: quantity(plan, subTypes.processor),
    memoryBytes: quantity(plan, subTypes.memory) * 2 ** 20,
    networkAdapters: adaptersOf(world, plan),
    disks,
    referencePoints: json(plan.referencePoints ?? '[]', array(referencePoint), 'reference points'),
  };
  return vmState(document, 'The VM');
}
