/** What messages are made of. */
import type { PolicyRunVm, RunInfo } from '../../protocol/daemon.ts';

/** Who sends. */
export interface Sender {
  /** Name of the daemon's machine. */
  readonly machine: string;
  /** Version of this build. */
  readonly version: string;
}

/** The end of a run, as messages tell it. */
export interface RunEnded {
  readonly run: RunInfo;
  /** Name of the policy. */
  readonly policy: string;
  /** The version that was carried out; undefined when the run did not come so far. */
  readonly version: number | undefined;
  readonly repository: string;
  readonly sender: Sender;
}

/** An error as the history of runs has it. */
export type ToldError = NonNullable<PolicyRunVm['error']>;
