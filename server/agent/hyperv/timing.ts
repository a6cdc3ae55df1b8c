/** How long the provider waits for what; milliseconds. */
export interface HyperVTiming {
  /** Between two looks at a VM or a merge, when it takes long. */
  readonly pollMs: number;
  /** Between two looks at the free space of the volumes on which VMs write above a checkpoint of ours. */
  readonly spaceMs: number;
  /** Before the first look for old checkpoints of ours: daemons that come back after the agent was away have removed theirs by then. */
  readonly oldFirstMs: number;
  /** Between two such looks. */
  readonly oldEveryMs: number;
  /** The age from which a checkpoint of ours counts as old. */
  readonly oldMs: number;
  /** For another operation on the VM to end before a new one is refused. */
  readonly busyMs: number;
  /** For a checkpoint or reference point to be seen after its job has ended. */
  readonly visibleMs: number;
  /** Before a guest whose VSS failed is asked once more. */
  readonly guestRetryMs: number;
  /** For a merge to begin. */
  readonly mergeStartMs: number;
  /** For a merge that moves nothing any more. */
  readonly mergeStuckMs: number;
  /** Within which a checkpoint comes that an interrupted call asked for, while Hyper-V is at it. */
  readonly lateCheckpointMs: number;
  /** After which an interrupted call, of which Hyper-V shows nothing, has made no checkpoint. */
  readonly unansweredMs: number;
}

export const defaultTiming: HyperVTiming = {
  pollMs: 1_000,
  spaceMs: 5_000,
  oldFirstMs: 900_000,
  oldEveryMs: 21_600_000,
  oldMs: 86_400_000,
  busyMs: 60_000,
  visibleMs: 15_000,
  guestRetryMs: 60_000,
  mergeStartMs: 120_000,
  mergeStuckMs: 1_800_000,
  lateCheckpointMs: 900_000,
  unansweredMs: 120_000,
};
