/** What must be known of a restore after a crash of the agent: written before each step is taken on the host. */
import type { Logger } from '../../../base/log.ts';
import { vmId } from '../../../protocol/ids.ts';
import { array, literal, object, oneOf, optional, string } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';
import { RecordStore } from '../records.ts';

const path = string({ maxLength: 4096 });

/** A restore that has begun. */
export const restoreRecord = object({
  format: literal(1),
  key: string({ maxLength: 32, pattern: /^[0-9a-f]{32}$/, what: 'a key of 32 hex digits' }),
  /** The folder that is made for it, with everything in it. */
  folder: path,
  /** The name of the new VM, and of the one that was backed up: a planned VM has the one or the other. */
  name: string({ maxLength: 256 }),
  sourceName: string({ maxLength: 256 }),
  /** `files`: nothing but files. `planning`: Hyper-V was asked for a planned VM. `planned`: it is there. `realizing`: Hyper-V was asked to make it a VM. */
  phase: oneOf('files', 'planning', 'planned', 'realizing'),
  /** Planned VMs that were there before ours. */
  before: array(vmId, 65_536),
  /** The job that makes it. */
  jobId: optional(string({ maxLength: 256 })),
  plannedId: optional(vmId),
});
export type RestoreRecord = Parsed<typeof restoreRecord>;
export type RestoreRecords = RecordStore<RestoreRecord>;

/** Opens the records of restores in a folder. */
export async function openRestoreRecords(folder: string, log: Logger): Promise<RestoreRecords> {
  return RecordStore.open(folder, restoreRecord, log);
}
