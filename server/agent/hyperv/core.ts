/** What the operations of one provider share. */
import type { Logger } from '../../base/log.ts';
import type { TidemarkError } from '../../protocol/errors.ts';
import type { CheckpointId } from '../../protocol/ids.ts';
import type { Background } from './background.ts';
import type { HypervCalls } from './calls/calls.ts';
import type { HostFacts } from './inventory/host-facts.ts';
import type { DiskInventory } from './inventory/inventory.ts';
import type { Merges } from './checkpoints/merges.ts';
import type { Records } from './records.ts';
import type { StepHook } from './steps.ts';
import type { HyperVTiming } from './timing.ts';
import type { VmLocks } from './checkpoints/vm-locks.ts';

/** The parts. */
export interface Core {
  readonly calls: HypervCalls;
  /** Read from the state folder when they are first needed. */
  records(): Promise<Records>;
  readonly inventory: DiskInventory;
  readonly host: HostFacts;
  readonly merges: Merges;
  readonly locks: VmLocks;
  readonly background: Background;
  readonly log: Logger;
  readonly step: StepHook;
  readonly timing: HyperVTiming;
  readonly freeSpace: FreeSpaceLimits;
  /** What VSS writers in the guest are told: a full backup lets some of them cut their logs, which only their own backup may do. */
  readonly guestBackupType: 'full' | 'copy';
  /** Whether this provider has an export of a checkpoint open. */
  isExported(checkpoint: CheckpointId): boolean;
  /** Closes this provider's exports of a checkpoint that is about to be merged; `reason` is what readers get. */
  closeExports(checkpoint: CheckpointId, reason?: TidemarkError): Promise<void>;
}

/** How much must be free on each volume that holds a disk of the VM: the differencing disks grow there. */
export interface FreeSpaceLimits {
  /** Below the larger of these two the log warns. */
  readonly warnBytes: number;
  readonly warnPercent: number;
  /** Below this no checkpoint is taken. */
  readonly refuseBytes: number;
  /** Below this checkpoints of ours are removed, whoever reads them: a VM whose volume is full is paused. */
  readonly lowBytes: number;
}

export const defaultFreeSpace: FreeSpaceLimits = {
  warnBytes: 20 * 1024 ** 3,
  warnPercent: 10,
  refuseBytes: 2 * 1024 ** 3,
  lowBytes: 1024 ** 3,
};
