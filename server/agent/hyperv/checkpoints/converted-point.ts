/** The reference point that a conversion made: told from those of others, and taken back when nobody wants it. */
import type { ReferencePointId, VmId } from '../../../protocol/ids.ts';
import type { ReferencePoint } from '../../../protocol/model.ts';
import { resolveReferencePoint, startReferencePointRemoval } from '../commands/index.ts';
import type { Started } from '../commands/index.ts';
import type { Core } from '../core.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { findConverted, pointsOf } from './conversions.ts';

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

/** What is found of a conversion whose reference point Hyper-V did not name. Only after a success it can be counted from: else it may be of a later moment. */
export async function convertedUnseen(
  core: Core,
  records: Records,
  begun: CheckpointRecord,
  isDone: boolean,
): Promise<ReferencePoint | undefined> {
  const latest = records.checkpoints.get(begun.key) ?? begun;
  const found = await findConverted(core, records, latest, core.background.ended, isDone);
  if (isDone || found === undefined) return found;
  await dropPoint(core, records, begun.vmId, found.id);
  return undefined;
}

/** The reference point that Hyper-V names for a conversion; undefined while it names none, or when it may be another one. */
export async function findPoint(
  core: Core,
  vmId: VmId,
  asked: ConversionAnswer | undefined,
  isDone: boolean,
): Promise<ReferencePointId | undefined> {
  if (asked === undefined || asked.created !== null) return asked?.created ?? undefined;
  const { outcome, before } = asked;
  if (outcome.state !== 'started') return undefined;
  const args = { VmId: vmId, JobId: outcome.jobId, Before: before };
  const { referencePointId, proven } = await core.calls.invoke(resolveReferencePoint, args, core.background.ended);
  return isDone || proven ? (referencePointId ?? undefined) : undefined;
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
