/** What the steps of a self-test work with: the scratch VM, and the ways to it. */
import { ulid } from '../../../base/ulid.ts';
import type { Logger } from '../../../base/log.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import { runId } from '../../../protocol/ids.ts';
import type { CheckpointId, DiskId, OwnerId, TrackingId, VmId } from '../../../protocol/ids.ts';
import type { Checkpoint, ReferencePoint } from '../../../protocol/model.ts';
import type { HostProvider, JobContext } from '../../provider.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getCheckpoint, getScratchChange, getVm } from '../commands/index.ts';
import type { AttachedDisk, HypervHost, ScratchChange } from '../commands/index.ts';
import type { Question } from './report.ts';

/** The scratch VM and the host. */
export interface Lab {
  readonly calls: HypervCalls;
  readonly provider: HostProvider;
  readonly host: HypervHost;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly vmId: VmId;
  readonly name: string;
  readonly folder: string;
  readonly owner: OwnerId;
  /** The disk that the self-test made: where it is attached, its id and size in bytes. */
  readonly disk: { readonly location: number; readonly id: DiskId; readonly sizeBytes: number };
  /** Whether a guest starts in the VM that writes by itself, and how long it gets for that, milliseconds. */
  readonly guest: boolean;
  readonly guestMs: number;
  /** Restarts the service of Hyper-V; undefined when the user did not allow that. */
  readonly restartVmms: (() => Promise<void>) | undefined;
  /** Tells the user what is done. */
  readonly say: (text: string) => void;
}

/** An answer to a topic of the catalogue. */
export interface Answer {
  readonly topic: number;
  readonly question: Question;
}

/** A part of the self-test. Whatever it throws, the others go on. */
export interface Step {
  readonly name: string;
  /** The topics that are not settled when it fails. */
  readonly topics: readonly number[];
  readonly run: (lab: Lab) => Promise<readonly Answer[]>;
}

/** A job that tells nobody its progress. */
export const quietJob = ({ signal }: Lab): JobContext => ({ signal, progress: () => undefined });

/** A crash-consistent checkpoint by the provider. */
export async function takeCheckpoint(lab: Lab): Promise<Checkpoint> {
  const request = { vmId: lab.vmId, owner: lab.owner, runId: runId(ulid(), 'runId'), consistency: 'crash' } as const;
  return lab.provider.createCheckpoint(request, quietJob(lab));
}

/** A reference point by the provider, with the tracking id that it gives the self-test's own disk. */
export async function track(lab: Lab): Promise<{ readonly point: ReferencePoint; readonly trackingId: TrackingId }> {
  const { id } = await takeCheckpoint(lab);
  const point = await lab.provider.convertCheckpoint(id, quietJob(lab));
  return { point, trackingId: trackingIdOf(lab, point) };
}

/** The tracking id of the self-test's own disk. Throws `TM2110` when the reference point has none. */
export function trackingIdOf({ disk }: Lab, point: ReferencePoint): TrackingId {
  const found = point.disks.find(({ diskId }) => diskId === disk.id);
  if (found !== undefined) return found.trackingId;
  throw new TidemarkError(errorCodes.trackingUnknown, 'The reference point has no tracking id of the disk.');
}

/** Removes a reference point of the self-test. */
export async function untrack(lab: Lab, point: ReferencePoint): Promise<void> {
  const ids = point.disks.map(({ trackingId }) => trackingId);
  await lab.provider.removeReferencePoint(point.id, ids, quietJob(lab));
}

/** Where the self-test's own disk is: of the VM now, or frozen in a checkpoint. */
export async function ownDisk(lab: Lab, checkpoint?: CheckpointId): Promise<AttachedDisk> {
  const { calls, signal, vmId } = lab;
  const owners =
    checkpoint === undefined
      ? (await calls.invoke(getVm, { VmId: vmId }, signal)).vms
      : (await calls.invoke(getCheckpoint, { CheckpointId: checkpoint }, signal)).checkpoints;
  const found = owners.flatMap(({ disks }) => disks).find(({ location }) => location === lab.disk.location);
  if (found !== undefined) return found;
  throw new TidemarkError(errorCodes.diskNotFound, 'The scratch VM does not have its disk.');
}

/** What Hyper-V answers about the changes of the own disk since `since`, asked once with the whole disk at a new checkpoint, which is removed again. */
export async function changesSince(lab: Lab, since: string, lengthBytes?: number): Promise<ScratchChange> {
  const { calls, signal, vmId, disk } = lab;
  const { id } = await takeCheckpoint(lab);
  try {
    const { path } = await ownDisk(lab, id);
    const args = { VmId: vmId, Path: path, Since: since, Offset: 0, Length: lengthBytes ?? disk.sizeBytes };
    return await calls.invoke(getScratchChange, args, signal);
  } finally {
    await lab.provider.removeCheckpoint(id, { ...quietJob(lab), signal: new AbortController().signal });
  }
}

/** The ranges of an answer. */
export function rangesOf({ extents }: ScratchChange): readonly { readonly offset: number; readonly length: number }[] {
  const ranges: { readonly offset: number; readonly length: number }[] = [];
  for (let at = 0; at + 1 < extents.length; at += 2) {
    ranges.push({ offset: extents[at] ?? 0, length: extents[at + 1] ?? 0 });
  }
  return ranges;
}
