/** The reference point that a conversion made: told from those of others, written down, and taken back when nobody wants it. */
import type { ReferencePointId, VmId } from '../../../protocol/ids.ts';
import type { ReferencePoint } from '../../../protocol/model.ts';
import { getReferencePoint, resolveReferencePoint, startReferencePointRemoval } from '../commands/index.ts';
import type { HypervReferencePoint, Started } from '../commands/index.ts';
import type { Core } from '../core.ts';
import { nameOf } from '../paths.ts';
import { newRecordKey } from '../records.ts';
import type { CheckpointRecord, Records } from '../records.ts';
import { untilSeen } from './seen.ts';
import { pairDisks } from './tracked-disks.ts';

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

/** What a conversion made: a reference point that is written down as ours, or one whose tracking ids are of no use. */
type Converted = { readonly state: 'kept'; readonly point: ReferencePoint } | { readonly state: 'useless' };

/**
 * The reference point that a conversion made, also one of an earlier agent, written down as ours: the one that Hyper-V ties to its job. Undefined when
 * there is none. One that only is new can be of another product, which may have made its first one, and of a later moment: it is left alone.
 */
export async function findConverted(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  signal: AbortSignal,
): Promise<ReferencePoint | undefined> {
  return kept(core, records, record, await look(core, records, record, false, signal));
}

/** As `findConverted`, just after the conversion. When Hyper-V said that it is done (`isDone`), the only one that is new is taken, too. */
export async function awaitConverted(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  isDone: boolean,
): Promise<ReferencePoint | undefined> {
  const made = await untilSeen(core, () => look(core, records, record, isDone, core.background.ended));
  return kept(core, records, record, made);
}

async function look(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  isDone: boolean,
  signal: AbortSignal,
): Promise<Converted | undefined> {
  const id = await provenPoint(core, record, signal);
  const known = records.referencePoints.list().find(({ point }) => point.id === id);
  if (known !== undefined) return { state: 'kept', point: known.point };
  const points = await pointsOf(core, record.vmId, signal);
  const proven = points.find((point) => point.id === id);
  const found = proven ?? (isDone ? onlyNew(points, record, records) : undefined);
  if (found === undefined) return undefined;
  const point = await keepPoint(core, records, record, found);
  if (point !== undefined) return { state: 'kept', point };
  if (proven !== undefined) await destroyPoint(core, record.vmId, proven.id, proven.trackingIds);
  return { state: 'useless' };
}

async function kept(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  made: Converted | undefined,
): Promise<ReferencePoint | undefined> {
  if (made !== undefined) return made.state === 'kept' ? made.point : undefined;
  const other = onlyNew(await pointsOf(core, record.vmId, core.background.ended), record, records);
  if (other !== undefined) {
    core.log.log(
      'warning',
      `VM ${record.vmId} has a reference point that a conversion of Tidemark or another product made: ${other.id}. It is left alone.`,
    );
  }
  return undefined;
}

/** What Hyper-V itself says that the conversion made; its jobs are known for some minutes. */
async function provenPoint(
  core: Core,
  { vmId, conversion }: CheckpointRecord,
  signal: AbortSignal,
): Promise<ReferencePointId | undefined> {
  const { before = [], jobId, pointId } = conversion ?? {};
  if (pointId !== undefined || jobId === undefined) return pointId;
  const args = { VmId: vmId, JobId: jobId, Before: before };
  const { referencePointId, proven } = await core.calls.invoke(resolveReferencePoint, args, signal);
  return proven ? (referencePointId ?? undefined) : undefined;
}

function onlyNew(
  points: readonly HypervReferencePoint[],
  record: CheckpointRecord,
  records: Records,
): HypervReferencePoint | undefined {
  const { before = [], disks = [] } = record.conversion ?? {};
  const known = new Set<ReferencePointId>([...before, ...records.referencePoints.list().map(({ point }) => point.id)]);
  const fresh = points.filter((point) => !known.has(point.id) && (pairDisks(point, disks) ?? []).length > 0);
  return fresh.length === 1 ? fresh[0] : undefined;
}

/** The reference points of a VM as Hyper-V has them. */
export async function pointsOf(
  core: Core,
  vmId: CheckpointRecord['vmId'],
  signal: AbortSignal,
): Promise<readonly HypervReferencePoint[]> {
  const { referencePoints } = await core.calls.invoke(getReferencePoint, { VmId: vmId }, signal);
  return referencePoints.filter((point) => point.vmId === vmId);
}

/** Writes down that a reference point is ours; undefined when its tracking ids cannot be told apart. */
async function keepPoint(
  core: Core,
  records: Records,
  record: CheckpointRecord,
  found: HypervReferencePoint,
): Promise<ReferencePoint | undefined> {
  const disks = pairDisks(found, record.conversion?.disks ?? []);
  if (disks === undefined || disks.length === 0) return undefined;
  const { vmId, owner, runId } = record;
  const createdAt = record.checkpoint?.createdAt ?? record.startedAt;
  const point: ReferencePoint = { id: found.id, vmId, owner, runId, createdAt, disks };
  const files = (record.conversion?.disks ?? []).flatMap(({ diskId, file }) =>
    file === undefined ? [] : [{ diskId, name: nameOf(file) }],
  );
  await records.referencePoints.put({ format: 1, key: newRecordKey(), point, files });
  core.step('convert:point-recorded');
  return point;
}

/** Removes a reference point of ours whose caller does not wait for it any more. */
export async function dropPoint(core: Core, records: Records, vmId: VmId, id: ReferencePointId): Promise<void> {
  const found = (await pointsOf(core, vmId, core.background.ended)).find((point) => point.id === id);
  if (found !== undefined) await destroyPoint(core, vmId, id, found.trackingIds);
  const record = records.referencePoints.list().find(({ point }) => point.id === id);
  if (record !== undefined) await records.referencePoints.delete(record.key);
}

/** Asks Hyper-V to destroy a reference point, and waits for it. */
async function destroyPoint(
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
