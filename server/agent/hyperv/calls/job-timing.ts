/** How long jobs of Hyper-V are waited for, by what happens and not by the clock on the wall. */

/** Milliseconds. */
export interface JobTiming {
  /** The first pause between two questions; each is twice as long as the one before. Most jobs are over in a moment. */
  readonly firstPollMs: number;
  readonly maxPollMs: number;
  /** After a question that failed; doubled each time. */
  readonly firstRetryMs: number;
  readonly maxRetryMs: number;
  /** Questions that fail for so long, one after the other: nobody knows what became of the job. */
  readonly lostMs: number;
  /** A job that was cancelled may take so long to end. */
  readonly settleMs: number;
  /** A job that made no progress was cancelled, and the caller still waits for so long for its end. */
  readonly graceMs: number;
  /** No progress for so long: the job is stuck. By its type, which it tells. */
  readonly quietMs: (jobType: number) => number;
}

const minute = 60_000;

/** `Msvm_ConcreteJob.JobType`. VSS in a busy guest sits at one percentage for many minutes, and a merge of a large disk for longer. */
const quietMinutes: ReadonlyMap<number, number> = new Map([
  [50, 60], // merge of a virtual disk
  [51, 30], // VSS inside the VM
  [61, 30], // import
  [62, 30], // export
  [70, 30], // create a snapshot
  [71, 30], // apply a snapshot
  [72, 60], // delete a snapshot
  [170, 30], // backup
  [200, 30], // turn a snapshot into a reference point
  [201, 30], // create a reference point
  [203, 30], // export a reference point
]);

/** What is used unless a caller wants otherwise. */
export const jobTiming: JobTiming = {
  firstPollMs: 20,
  maxPollMs: 2_000,
  firstRetryMs: 1_000,
  maxRetryMs: 30_000,
  lostMs: 10 * minute,
  settleMs: 10 * minute,
  graceMs: 30_000,
  quietMs: (jobType) => (quietMinutes.get(jobType) ?? 15) * minute,
};
