/** Removes from a host what a crash of this daemon left there: checkpoints and reference points nothing needs any more. */
import type { Logger } from '../../base/log.ts';
import type { OwnerId, ReferencePointId, RunId, VmId } from '../../protocol/ids.ts';
import type { AgentConnection } from '../agent-client/connection.ts';

/** What may be removed, and what tells it from what is needed. */
export interface CleanUpOptions {
  readonly connection: AgentConnection;
  /** Only things that carry this mark are touched. */
  readonly owner: OwnerId;
  /** Restricts the clean-up to one VM. */
  readonly vmId?: VmId | undefined;
  /** Whether that run is going on, so that its checkpoint and reference point are in use. */
  readonly isActive: (run: RunId) => boolean;
  /** The reference points that restore points name; undefined when not all restore points can be read: then none is removed. */
  readonly knownReferencePoints: () => Promise<ReadonlySet<ReferencePointId> | undefined>;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Removes our checkpoints of runs that ended, and our reference points that no restore point names. */
export function cleanUpHost(options: CleanUpOptions): Promise<void> {
  return Promise.reject(new Error(options.owner));
}
