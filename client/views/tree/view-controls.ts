/** What commands do with the views. */
import type { VmId } from '../../../server/protocol/ids.ts';
import type { MoreTarget } from '../../targets.ts';

/** A view that can be filtered. */
export interface FilteredView {
  /** What it is filtered by; empty when it shows everything. */
  readonly filter: string;
  /** Shows only what has every word of `text`; `*` and `?` are wildcards. Empty shows everything. */
  setFilter(text: string): void;
}

export interface HostsControls extends FilteredView {
  /** Opens the view at a VM, and the VM in it. False when its host does not have it. */
  reveal(host: string, vmId: VmId): Promise<boolean>;
}

export interface RunsControls extends FilteredView {
  /** The user has seen the failures: the badge goes. */
  markSeen(): void;
}

export interface RepositoriesControls extends FilteredView {
  readonly groupBy: 'vm' | 'day';
  /** Shows restore points by VM or by day, in this window. */
  setGroupBy(groupBy: 'vm' | 'day'): void;
}

export interface PoliciesControls {
  /** Looks for policy files again. */
  refresh(): Promise<void>;
}

/** The views of this window. */
export interface ViewControls {
  readonly hosts: HostsControls;
  readonly runs: RunsControls;
  readonly repositories: RepositoriesControls;
  readonly policies: PoliciesControls;
  /** Shows one more page of a list: what a "Load more" node asks for. */
  loadMore(target: MoreTarget): void;
}
