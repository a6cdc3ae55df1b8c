/** Reference points and the changes since them (hyperv-rct.md 1.8, 1.9). */
import { referencePointId, vmId } from '../../../protocol/ids.ts';
import type { CheckpointId, ReferencePointId, VmId } from '../../../protocol/ids.ts';
import { array, boolean, integer, nullable, object, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { maxDiskBytes } from '../../../protocol/model.ts';
import { command } from './command.ts';
import { started } from './started.ts';
import type { Started } from './started.ts';

/** A reference point, whoever made it (`Msvm_VirtualSystemReferencePoint`). */
export const hypervReferencePoint = object({
  id: referencePointId,
  vmId,
  /** 1 log based (Replica), 2 RCT based by the class page; the numbers are in doubt (hyperv-rct.md 1.9). */
  type: integer(0, 65_535),
  /** `VirtualDiskIdentifiers`: InstanceIDs of SASDs at its creation. */
  diskInstanceIds: array(string({ maxLength: 1024, allowEmpty: true }), 512),
  /** `ResilientChangeTrackingIdentifiers`, parallel to it; when the lengths differ no position means anything. */
  trackingIds: array(string({ maxLength: 1024, allowEmpty: true }), 512),
});
export type HypervReferencePoint = Parsed<typeof hypervReferencePoint>;

export const getReferencePoint = command<
  { readonly VmId?: VmId },
  { readonly referencePoints: readonly HypervReferencePoint[] }
>('Get-TidemarkReferencePoint', object({ referencePoints: array(hypervReferencePoint, 65_536) }));

/** `ConvertToReferencePoint`. Refuses a checkpoint that is not ours, as its removal does. */
export const startConversion = command<
  { readonly CheckpointId: CheckpointId; readonly Consistency: 'application' | 'crash' },
  { readonly before: readonly ReferencePointId[]; readonly outcome: Started; readonly created: ReferencePointId | null }
>(
  'Start-TidemarkConversion',
  object({ before: array(referencePointId, 65_536), outcome: started, created: nullable(referencePointId) }),
);

/** The reference point that a job made; as `Resolve-TidemarkCheckpoint`. */
export const resolveReferencePoint = command<
  { readonly VmId: VmId; readonly JobId: string; readonly Before: readonly ReferencePointId[] },
  { readonly referencePointId: ReferencePointId | null; readonly proven: boolean }
>('Resolve-TidemarkReferencePoint', object({ referencePointId: nullable(referencePointId), proven: boolean }));

/** `DestroyReferencePoint`. Refuses (error id `NotThisReferencePoint`) one whose tracking ids are not exactly these: who asks must know what goes. */
export const startReferencePointRemoval = command<
  { readonly ReferencePointId: ReferencePointId; readonly VmId: VmId; readonly TrackingId: readonly string[] },
  Started
>('Start-TidemarkReferencePointRemoval', started);

/**
 * `GetVirtualDiskChanges` in a loop over `ProcessedByteLength`, from `Offset` until `Length` bytes are covered, `MaxExtents` extents were found or some calls were made.
 * `extents` alternates offset and length; `processedBytes` is how much of the range is covered, above 0.
 */
export const getChangedExtent = command<
  {
    readonly Path: string;
    readonly Since: string;
    readonly Offset: number;
    readonly Length: number;
    readonly MaxExtents: number;
  },
  { readonly extents: readonly number[]; readonly processedBytes: number }
>(
  'Get-TidemarkChangedExtent',
  object({ extents: array(integer(0, maxDiskBytes), 1_048_576), processedBytes: integer(1, maxDiskBytes) }),
);
