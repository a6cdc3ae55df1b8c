/** What the Runs view is made of. */
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import type { RunId } from '../../../server/protocol/ids.ts';
import type { Cached } from '../../stores/cached.ts';
import type { MessageNode, MoreNode } from '../tree/common-nodes.ts';

/** Groups in the order in which they are shown. */
export const runGroups = ['active', 'queued', 'failed', 'today', 'earlier'] as const;
export type RunGroup = (typeof runGroups)[number];

export interface RunGroupNode {
  readonly kind: 'runGroup';
  readonly id: string;
  readonly group: RunGroup;
}

export interface RunNode {
  readonly kind: 'run';
  readonly id: string;
  readonly runId: RunId;
}

/** A disk that a run reads or writes. */
export interface RunDiskNode {
  readonly kind: 'runDisk';
  readonly id: string;
  readonly runId: RunId;
  /** Its place among the run's disks: names need not differ. */
  readonly index: number;
}

/** What became of a VM in the run of a policy whose own run is not known here: it was left out, or the list of runs is shorter. */
export interface RunVmNode {
  readonly kind: 'runVm';
  readonly id: string;
  /** Of the policy's run. */
  readonly runId: RunId;
  /** Its place in the outcome. */
  readonly index: number;
}

export type RunsNode = RunGroupNode | RunNode | RunDiskNode | RunVmNode | MessageNode | MoreNode;

/** What the view knows. */
export interface RunsData {
  /** Newest first. */
  readonly runs: Cached<readonly RunInfo[]>;
  run(id: RunId): RunInfo | undefined;
  readonly connected: boolean;
  /** Ms since 1970. */
  readonly now: number;
}
