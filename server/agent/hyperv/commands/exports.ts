/** Exports to a directory: the fallback where a frozen disk cannot be read directly (hyperv-rct.md 1.10). */
import type { CheckpointId, ReferencePointId } from '../../../protocol/ids.ts';
import { command } from './command.ts';
import { started } from './started.ts';
import type { Started } from './started.ts';

/** `ExportSystemDefinition` with `CopySnapshotConfiguration` 3 into an empty directory of our own. */
export const startExport = command<
  {
    readonly CheckpointId: CheckpointId;
    readonly Directory: string;
    /** Base of a differential export; absent for a full one. */
    readonly BaseReferencePointId?: ReferencePointId;
    /** InstanceIDs of SASDs to leave out; only where the build has `ExcludedVirtualHardDisks`. */
    readonly ExcludedDisk?: readonly string[];
    /** False exports the configuration alone, and locks merging: `Enable-TidemarkMerge` must follow (hyperv-rct.md 1.11). */
    readonly CopyStorage: boolean;
  },
  Started
>('Start-TidemarkExport', started);
