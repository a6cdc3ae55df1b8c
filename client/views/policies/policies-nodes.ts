/** What the Policies view is made of. */
import type { PlannedVm, PolicyVersion, VmEntry } from '../../../server/protocol/daemon.ts';
import type { VmId } from '../../../server/protocol/ids.ts';
import type { PolicyEntry } from '../../policy/policy-entries.ts';
import type { Cached } from '../../stores/cached.ts';
import type { MessageNode, MoreNode } from '../tree/common-nodes.ts';

export interface PolicyFolderNode {
  readonly kind: 'policyFolder';
  readonly id: string;
  readonly folderUri: string;
  readonly folderName: string;
}

/** A policy; its fields are what commands take. */
export interface PolicyNode {
  readonly kind: 'policy';
  readonly id: string;
  readonly policyUri: string | undefined;
  readonly policyName: string | undefined;
}

/** The VMs that a policy takes in, together. */
export interface PolicyVmsNode {
  readonly kind: 'policyVms';
  readonly id: string;
  /** Id of its policy. */
  readonly policy: string;
}

/** A VM that a policy takes in: the same to commands as in the Hosts view. */
export interface PolicyVmNode {
  readonly kind: 'vm';
  readonly id: string;
  readonly host: string;
  readonly vmId: VmId;
  readonly vmName: string;
  readonly change: PlannedVm['change'];
}

/** The versions of a policy, together. */
export interface PolicyVersionsNode {
  readonly kind: 'policyVersions';
  readonly id: string;
  readonly policy: string;
  readonly policyName: string;
}

export interface PolicyVersionNode {
  readonly kind: 'policyVersion';
  readonly id: string;
  readonly policyName: string;
  readonly version: number;
  /** Whether it is the one that is carried out. */
  readonly current: boolean;
  readonly entry: PolicyVersion;
}

export type PoliciesNode =
  | PolicyFolderNode
  | PolicyNode
  | PolicyVmsNode
  | PolicyVmNode
  | PolicyVersionsNode
  | PolicyVersionNode
  | MessageNode
  | MoreNode;

/** What the view knows. */
export interface PoliciesData {
  readonly entries: readonly PolicyEntry[];
  /** Workspace folders that hold policies, by URI, with their names. */
  readonly folders: ReadonlyMap<string, string>;
  /** Why the workspace could not be searched. */
  readonly failure: string | undefined;
  /** Why the applied policies could not be read. */
  readonly appliedFailure: string | undefined;
  /** When the applied policies were read, ms since 1970. */
  readonly readAt: number | undefined;
  /** Whether policies of this workspace may be applied and run. */
  readonly trusted: boolean;
  readonly connected: boolean;
  /** Errors that the language server found in a file that is open. */
  errors(uri: string): number;
  vms(entry: PolicyEntry): Cached<readonly PlannedVm[]>;
  versions(name: string): Cached<readonly PolicyVersion[]>;
  vm(host: string, id: VmId): VmEntry | undefined;
  /** Ms since 1970. */
  readonly now: number;
}
