/** `Msvm_ImageManagementService`: what disk files are, and what changed in them (docs/hyperv.md). */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { withVm } from '../../../../../server/agent/simulated/store.ts';
import type { PagedBitmap } from '../../../../../server/agent/simulated/tracking/paged-bitmap.ts';
import { trackingId as parseTrackingId } from '../../../../../server/protocol/ids.ts';
import { openVirtualDisk, readVhdxInfo } from '../../../../../server/vhdx/index.ts';
import { hresults, invalidParameter, MethodFailure, returnCodes } from '../failures.ts';
import type { Value } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import type { Vm } from '../world.ts';
import { openCheckpoint } from '../model/machine.ts';
import { bigArgument, optionalTextArgument, textArgument } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import type { Out, Prepared } from './prepared.ts';

/** A method of the image service: it works for itself, and its answer is out parameters. */
const imageWork = (title: string, run: () => Promise<Out>): Prepared => {
  let out: Out = {};
  return {
    work: {
      type: 0,
      title,
      className: 'Msvm_StorageJob',
      cancellable: false,
      run: async () => {
        out = await run();
        return [];
      },
    },
    out: () => out,
  };
};

function existingFile(given: Arguments): string {
  const path = resolve(textArgument(given, 'Path'));
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
  throw new MethodFailure(returnCodes.fileNotFound, hresults.fileNotFound, [
    `The system cannot find the file specified: '${path}'.`,
  ]);
}

interface Frozen {
  readonly vm: Vm;
  readonly diskId: string;
  readonly sizeBytes: number;
  readonly until: string | undefined;
}

/** The frozen disk that is this file. */
function frozenDisk(vmms: Vmms, path: string): Frozen {
  for (const vm of vmms.world.vms()) {
    for (const { disk, frozen } of openCheckpoint(vm.document)?.disks ?? []) {
      if (join(vm.directory, frozen) !== path) continue;
      return { vm, diskId: disk.id, sizeBytes: disk.sizeBytes, until: disk.trackingId };
    }
  }
  throw new MethodFailure(returnCodes.failed, hresults.sharingViolation, [
    `'${path}' is in use and not part of a checkpoint.`,
  ]);
}

/** `GetVirtualDiskChanges`: at most so many ranges; `ProcessedByteLength` ends where the next range begins. */
export function getVirtualDiskChanges(vmms: Vmms, given: Arguments): Prepared {
  const path = existingFile(given);
  const since = textArgument(given, 'LimitId');
  if (optionalTextArgument(given, 'TargetSnapshotId') !== undefined) {
    throw invalidParameter('TargetSnapshotId is only for VHD sets.');
  }
  const offset = bigArgument(given, 'ByteOffset');
  const length = bigArgument(given, 'ByteLength');
  return imageWork('Getting Virtual Disk Changes', async () => {
    const { changesFail } = vmms.faults.now;
    if (changesFail !== 0) throw new MethodFailure(returnCodes.failed, changesFail, ['Changes cannot be told.']);
    const disk = frozenDisk(vmms, path);
    if (length === 0n || offset + length > BigInt(disk.sizeBytes))
      throw invalidParameter('The range is not on the disk.');
    const bitmap = await changesOf(vmms, disk, since);
    return changesIn(vmms, bitmap, Number(offset), Number(offset + length));
  });
}

async function changesOf(vmms: Vmms, { vm, diskId, until }: Frozen, since: string): Promise<PagedBitmap> {
  const unknown = new MethodFailure(returnCodes.failed, hresults.unknownTrackingId, [
    'The change tracking identifier is not valid.',
  ]);
  if (!/^[\w:.{}\\/-]{1,256}$/.test(since)) throw unknown;
  return withVm(vmms.world.root, vm.id, undefined, async (locked) => {
    const tracker = await locked.tracker(locked.disk(diskId));
    if (tracker === undefined || until === undefined) {
      throw new MethodFailure(returnCodes.failed, hresults.trackingDisabled, ['Change tracking is not enabled.']);
    }
    const changes = tracker.changes(parseTrackingId(since, 'LimitId'), parseTrackingId(until, 'until'));
    if (changes === undefined) throw unknown;
    return changes;
  });
}

function changesIn(vmms: Vmms, bitmap: PagedBitmap, from: number, to: number): Out {
  const { changedRanges, zeroProgress, changeArraysDiffer, changesPastEnd } = vmms.faults.now;
  const offsets: Value[] = [];
  const lengths: Value[] = [];
  let processed = to - from;
  for (const run of bitmap.runs(from)) {
    if (run.offset >= to) break;
    if (offsets.length === changedRanges) {
      processed = run.offset - from;
      break;
    }
    offsets.push(String(run.offset));
    lengths.push(String(Math.min(run.offset + run.length, to) - run.offset));
  }
  if (changesPastEnd && processed === to - from) {
    offsets.push(String(to - 2 ** 20));
    lengths.push(String(2 ** 40));
    processed += 2 ** 40;
  }
  if (zeroProgress) return { ProcessedByteLength: '0', ChangedByteOffsets: [], ChangedByteLengths: [] };
  return {
    ProcessedByteLength: String(processed),
    ChangedByteOffsets: changeArraysDiffer ? [...offsets, '0'] : offsets,
    ChangedByteLengths: lengths,
  };
}

const types = { fixed: 2, dynamic: 3, differencing: 4 } as const;

/** `GetVirtualHardDiskSettingData`. */
export function getVirtualHardDiskSettingData(_: Vmms, given: Arguments): Prepared {
  const path = existingFile(given);
  return imageWork('Getting Virtual Hard Disk Settings', async () => {
    await using disk = await openVirtualDisk(path);
    const { top, below } = disk;
    const vhdx = top.identity.format === 'vhdx' ? await readVhdxInfo(path) : undefined;
    return {
      SettingData: {
        className: 'Msvm_VirtualHardDiskSettingData',
        properties: {
          InstanceID: `Microsoft:${path}`,
          Path: path,
          ParentPath: below?.file.path ?? '',
          Format: vhdx === undefined ? 2 : 3,
          Type: types[vhdx?.type ?? 'dynamic'],
          MaxInternalSize: String(disk.sizeBytes),
          LogicalSectorSize: top.logicalSectorBytes,
          PhysicalSectorSize: top.physicalSectorBytes,
          VirtualDiskId: vhdx?.diskId ?? '',
          BlockSize: vhdx?.blockBytes ?? 2 ** 21,
        },
      },
    };
  });
}

/** `GetVirtualHardDiskState`. */
export function getVirtualHardDiskState(_: Vmms, given: Arguments): Prepared {
  const path = existingFile(given);
  return imageWork('Getting Virtual Hard Disk State', async () => {
    await using disk = await openVirtualDisk(path);
    const { size, mtime } = await stat(path);
    return {
      State: {
        className: 'Msvm_VirtualHardDiskState',
        properties: {
          FileSize: String(size),
          InUse: false,
          MinInternalSize: String(disk.sizeBytes),
          PhysicalSectorSize: disk.top.physicalSectorBytes,
          Alignment: 1,
          FragmentationPercentage: 0,
          Timestamp: mtime.toISOString(),
        },
      },
    };
  });
}
