/** What `tidemark agent self-test` does to its own VM. The functions refuse every other VM (error id `NotScratchVm`), and tell return values instead of judging them. */
import type { CheckpointId, ReferencePointId, VmId } from '../../../protocol/ids.ts';
import { maxDiskBytes } from '../../../protocol/model.ts';
import { array, boolean, integer, nullable, object, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { moduleError } from './answer.ts';
import { command } from './command.ts';
import { jobError } from './jobs.ts';
import { jobId, started } from './started.ts';
import type { Started } from './started.ts';

/** What a method returned, or the exception that it threw. */
export const rawAnswer = object({
  returnValue: nullable(integer(0, 4_294_967_295)),
  jobId: nullable(jobId),
  error: nullable(moduleError),
  details: array(jobError, 64),
});
export type RawAnswer = Parsed<typeof rawAnswer>;

/** `RequestStateChange`: 2 on, 3 off, 6 saved, 9 paused. */
export const startScratchState = command<{ readonly VmId: VmId; readonly State: number }, RawAnswer>(
  'Start-TidemarkScratchState',
  rawAnswer,
);

/** `CreateSnapshot` of type 32768. */
export const startScratchSnapshot = command<{ readonly VmId: VmId; readonly Level: number }, RawAnswer>(
  'Start-TidemarkScratchSnapshot',
  rawAnswer,
);

/** `CreateReferencePoint`. */
export const startScratchReferencePoint = command<{ readonly VmId: VmId; readonly Type: number }, RawAnswer>(
  'Start-TidemarkScratchReferencePoint',
  rawAnswer,
);

/** `DestroySnapshot` or `DestroyReferencePoint`, twice. */
export const removeScratchPart = command<
  { readonly VmId: VmId; readonly Kind: 'snapshot' | 'referencePoint'; readonly Id: string },
  { readonly first: RawAnswer; readonly second: RawAnswer }
>('Remove-TidemarkScratchPart', object({ first: rawAnswer, second: rawAnswer }));

/** One `GetVirtualDiskChanges`, as it came; `extents` alternates offset and length, and has the first 4,096 ranges. */
export const scratchChange = object({
  answer: rawAnswer,
  processedBytes: nullable(integer(0)),
  ranges: integer(0, 100_000_000),
  extents: array(integer(0, maxDiskBytes), 8_192),
});
export type ScratchChange = Parsed<typeof scratchChange>;
export const getScratchChange = command<
  {
    readonly VmId: VmId;
    readonly Path: string;
    readonly Since: string;
    readonly Offset: number;
    readonly Length: number;
  },
  ScratchChange
>('Get-TidemarkScratchChange', scratchChange);

/** `ResizeVirtualHardDisk` or `CompactVirtualHardDisk`. */
export const startScratchDiskChange = command<
  { readonly VmId: VmId; readonly Path: string; readonly Action: 'resize' | 'compact'; readonly SizeBytes: number },
  RawAnswer
>('Start-TidemarkScratchDiskChange', rawAnswer);

/** `ExportSystemDefinition` with `CopySnapshotConfiguration` 3. */
export const startScratchExport = command<
  {
    readonly VmId: VmId;
    readonly CheckpointId: CheckpointId;
    readonly Directory: string;
    readonly BaseReferencePointId?: ReferencePointId;
    readonly BackupIntent: number;
  },
  RawAnswer
>('Start-TidemarkScratchExport', rawAnswer);

const name = string({ maxLength: 1024, allowEmpty: true });

/** What the host says of itself where the documentation does not. */
export const scratchFact = object({
  mergeInstanceId: nullable(name),
  /** Merge settings that `Msvm_SettingsDefineState` leads to from the VM. */
  mergeOfVm: integer(0, 65_536),
  guestBackupType: boolean,
  excludedDisks: boolean,
  guestStateFile: boolean,
  guestStateFileName: name,
  /** Null where there is no `Get-VHD`. */
  getVhdProperties: nullable(array(name, 256)),
});
export const getScratchFact = command<{ readonly VmId: VmId; readonly Path: string }, Parsed<typeof scratchFact>>(
  'Get-TidemarkScratchFact',
  scratchFact,
);

/** `DestroySystem`. */
export const startScratchRemoval = command<{ readonly VmId: VmId }, Started>('Start-TidemarkScratchRemoval', started);
