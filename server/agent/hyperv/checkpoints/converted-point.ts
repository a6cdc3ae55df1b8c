/** The reference point that a conversion made: told from those of others, and taken back when nobody wants it. */
import type { ReferencePointId, VmId } from '../../../protocol/ids.ts';
import { resolveReferencePoint, startReferencePointRemoval } from '../commands/index.ts';
import type { Started } from '../commands/index.ts';
import type { Core } from '../core.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { pointsOf } from './conversions.ts';

/** What `Start-TidemarkConversion` answers. */
export interface ConversionAnswer {
  readonly before: readonly ReferencePointId[];
  readonly outcome: Started;
  readonly created: ReferencePointId | null;
}

/** The record with what tells the reference point of this conversion from all others. */
export function withProof(begun: CheckpointRecord, { outcome, created }: ConversionAnswer): CheckpointRecord {
  if (begun.conversion === undefined) return begun;
  const jobId = outcome.state === 'started' ? outcome.jobId : undefined;
  return { ...begun, conversion: { ...begun.conversion, jobId, pointId: created ?? undefined } };
}

/** A reference point that can be that of a conversion. */
export interface FoundPoint {
  readonly id: ReferencePointId;
  /** Hyper-V names it; else it is the only new one after a conversion that is done, which is left alone when its tracking ids are of no use. */
  readonly proven: boolean;
}

/** The reference point of a conversion; undefined while there is none, or when it may be another one. */
export async function findPoint(
  core: Core,
  vmId: VmId,
  asked: ConversionAnswer | undefined,
  isDone: boolean,
): Promise<FoundPoint | undefined> {
  if (asked === undefined) return undefined;
  if (asked.created !== null) return { id: asked.created, proven: true };
  const { outcome, before } = asked;
  if (outcome.state !== 'started') return undefined;
  const args = { VmId: vmId, JobId: outcome.jobId, Before: before };
  const { referencePointId, proven } = await core.calls.invoke(resolveReferencePoint, args, core.background.ended);
  return referencePointId !== null && (isDone || proven) ? { id: referencePointId, proven } : undefined;
}

/** Removes a reference point of ours whose caller does not wait for it any more. */
export async function dropPoint(core: Core, records: Records, vmId: VmId, id: ReferencePointId): Promise<void> {
  const found = (await pointsOf(core, vmId, core.background.ended)).find((point) => point.id === id);
  if (found !== undefined) await destroyPoint(core, vmId, id, found.trackingIds);
  const record = records.referencePoints.list().find(({ point }) => point.id === id);
  if (record !== undefined) await records.referencePoints.delete(record.key);
}

/** Asks Hyper-V to destroy a reference point, and waits for it. */
export async function destroyPoint(
  core: Core,
  vmId: VmId,
  id: ReferencePointId,
  trackingIds: readonly string[],
): Promise<void> {
  const { calls, background } = core;
  const args = { ReferencePointId: id, VmId: vmId, TrackingId: trackingIds };
  await calls.finish(await calls.invoke(startReferencePointRemoval, args, background.ended), {
    signal: background.ended,
  });
}
