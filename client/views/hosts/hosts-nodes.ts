/** What the Hosts view is made of. */
import type { HostEntry, VmEntry } from '../../../server/protocol/daemon.ts';
import type { DiskId, VmId } from '../../../server/protocol/ids.ts';
import type { Cached } from '../../stores/cached.ts';
import type { PointList } from '../../stores/restore-point-store.ts';
import type { MessageNode } from '../tree/common-nodes.ts';
import type { PointDiskNode, PointListNode } from '../tree/point-nodes.ts';

export interface HostNode {
  readonly kind: 'host';
  readonly id: string;
  readonly host: string;
}

export interface VmNode {
  readonly kind: 'vm';
  readonly id: string;
  readonly host: string;
  readonly vmId: VmId;
  readonly vmName: string;
}

/** A VM's virtual disks, together. */
export interface DisksNode {
  readonly kind: 'disks';
  readonly id: string;
  readonly host: string;
  readonly vmId: VmId;
}

export interface DiskNode {
  readonly kind: 'disk';
  readonly id: string;
  readonly host: string;
  readonly vmId: VmId;
  readonly diskId: DiskId;
}

/** A VM's restore points, over all repositories. */
export interface PointsNode {
  readonly kind: 'points';
  readonly id: string;
  readonly host: string;
  readonly vmId: VmId;
}

export type HostsNode =
  | HostNode
  | VmNode
  | DisksNode
  | DiskNode
  | PointsNode
  | PointListNode
  | PointDiskNode
  | MessageNode;

/** What the view knows. */
export interface HostsData {
  readonly hosts: Cached<readonly HostEntry[]>;
  vms(host: string): Cached<readonly VmEntry[]>;
  /** Restore points of a VM, over all repositories. */
  points(vmId: VmId): Cached<PointList>;
  /** Whether a run works on the VM now. */
  isBusy(host: string, vmId: VmId, vmName: string): boolean;
  isSimulated(host: string): boolean;
  readonly connected: boolean;
  /** Ms since 1970. */
  readonly now: number;
  /** From this age on a last backup is overdue, ms; 0 for never. */
  readonly overdueAfterMs: number;
}

export const hostNode = (host: string): HostNode => ({ kind: 'host', id: `host/${host}`, host });

export const vmNode = ({ host, vm }: VmEntry): VmNode => ({
  kind: 'vm',
  id: `host/${host}/vm/${vm.id}`,
  host,
  vmId: vm.id,
  vmName: vm.name,
});
