/** What this window knows of the daemon's world. */
import type { DaemonLink } from '../daemon/link.ts';
import { HostStore } from './host-store.ts';
import { PolicyDetails } from './policy-details.ts';
import { PolicyStore } from './policy-store.ts';
import { RepositoryStore } from './repository-store.ts';
import { RestorePointStore } from './restore-point-store.ts';
import { RunStore } from './run-store.ts';
import { VmStore } from './vm-store.ts';

export type { Cached, LoadOptions } from './cached.ts';
export type { HostChange, HostStore } from './host-store.ts';
export type { PointQuery } from './point-query.ts';
export type { PolicyDetails, PolicySource } from './policy-details.ts';
export type { PolicyStore } from './policy-store.ts';
export { queryKey } from './point-query.ts';
export type { RepositoryChange, RepositoryStore } from './repository-store.ts';
export type { DamagedPoint, PointChange, PointList, PointSummary, RestorePointStore } from './restore-point-store.ts';
export { hasEnded, topLevel } from './run-order.ts';
export type { RunChange, RunStore } from './run-store.ts';
export type { VmStore } from './vm-store.ts';

/** All stores of a window. */
export interface Stores {
  readonly hosts: HostStore;
  readonly vms: VmStore;
  readonly runs: RunStore;
  readonly repositories: RepositoryStore;
  readonly restorePoints: RestorePointStore;
  readonly policies: PolicyStore;
  readonly policyDetails: PolicyDetails;
}

/** What of the settings the stores go by; read at each use, so that a change needs no restart. */
export interface StoreOptions {
  readonly hostTimeoutMs: () => number;
  readonly freshMs: () => number;
  readonly recentRuns: () => number;
}

/** The stores; nothing is read yet. */
export function createStores(link: DaemonLink, options: StoreOptions): Stores {
  return {
    hosts: new HostStore(link),
    vms: new VmStore(link, { hostTimeoutMs: options.hostTimeoutMs, freshMs: options.freshMs }),
    runs: new RunStore(link, { recentCount: options.recentRuns }),
    repositories: new RepositoryStore(link),
    restorePoints: new RestorePointStore(link),
    policies: new PolicyStore(link),
    policyDetails: new PolicyDetails(link),
  };
}
