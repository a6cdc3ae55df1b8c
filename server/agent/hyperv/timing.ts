/** How long the provider waits for what; milliseconds. */
export interface HyperVTiming {
  /** Between two looks at a VM or a merge, when it takes long. */
  readonly pollMs: number;
  /** For another operation on the VM to end before a new one is refused. */
  readonly busyMs: number;
  /** For a checkpoint or reference point to be seen after its job has ended. */
  readonly visibleMs: number;
  /** For a merge to begin. */
  readonly mergeStartMs: number;
  /** For a merge that moves nothing any more. */
  readonly mergeStuckMs: number;
  /** After which a checkpoint that was asked for and is not there will not come any more. */
  readonly lateCheckpointMs: number;
}

export const defaultTiming: HyperVTiming = {
  pollMs: 1_000,
  busyMs: 60_000,
  visibleMs: 15_000,
  mergeStartMs: 120_000,
  mergeStuckMs: 1_800_000,
  lateCheckpointMs: 900_000,
};
