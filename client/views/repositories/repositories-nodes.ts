/** What the Repositories view is made of. */
import type { RepositoryEntry, RepositoryStatus } from '../../../server/protocol/daemon.ts';
import type { VmId } from '../../../server/protocol/ids.ts';
import type { Cached } from '../../stores/cached.ts';
import type { PointQuery } from '../../stores/point-query.ts';
import type { PointList, PointSummary } from '../../stores/restore-point-store.ts';
import type { MessageNode, MoreNode } from '../tree/common-nodes.ts';
import type { PointDiskNode, PointListNode } from '../tree/point-nodes.ts';

export type GroupBy = 'vm' | 'day';

export interface RepositoryNode {
  readonly kind: 'repository';
  readonly id: string;
  readonly repository: string;
}

/** A VM's restore points in a repository. */
export interface RepositoryVmNode {
  readonly kind: 'repositoryVm';
  readonly id: string;
  readonly repository: string;
  readonly vmId: VmId;
}

/** The restore points of a day in a repository. */
export interface RepositoryDayNode {
  readonly kind: 'repositoryDay';
  readonly id: string;
  readonly repository: string;
  /** `2026-01-31`. */
  readonly day: string;
}

/** Everything in a repository that cannot be read. */
export interface DamageNode {
  readonly kind: 'damage';
  readonly id: string;
  readonly repository: string;
}

export type RepositoriesNode =
  | RepositoryNode
  | RepositoryVmNode
  | RepositoryDayNode
  | DamageNode
  | PointListNode
  | PointDiskNode
  | MessageNode
  | MoreNode;

/** What the view knows. */
export interface RepositoriesData {
  readonly repositories: Cached<readonly RepositoryEntry[]>;
  status(repository: string): Cached<RepositoryStatus | undefined>;
  summary(repository: string): Cached<PointSummary | undefined>;
  points(query: PointQuery): Cached<PointList>;
  readonly connected: boolean;
  /** Ms since 1970. */
  readonly now: number;
}

export const repositoryNode = (repository: string): RepositoryNode => ({
  kind: 'repository',
  id: `repository/${repository}`,
  repository,
});

/** Which restore points are below a group. */
export function queryOf(node: RepositoryVmNode | RepositoryDayNode): PointQuery {
  const { repository } = node;
  return node.kind === 'repositoryVm' ? { repository, vmId: node.vmId } : { repository, day: node.day };
}
