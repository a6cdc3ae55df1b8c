/** Restore points and what is in them, as nodes: the same below a VM of a host and in a repository. */
import type { RestorePointId } from '../../../server/protocol/ids.ts';
import type { RestorePointDisk, RestorePointInfo } from '../../../server/protocol/model.ts';
import { l10n } from '../../base/l10n.ts';
import type { ViewId } from '../../contributions.ts';
import type { Cached } from '../../stores/cached.ts';
import type { DamagedPoint, PointList } from '../../stores/restore-point-store.ts';
import { errorNode, messageNode, moreNode } from './common-nodes.ts';
import type { MessageNode, MoreNode } from './common-nodes.ts';

/** A restore point. It never changes, so the node holds what is known of it. */
export interface PointNode {
  readonly kind: 'point';
  readonly id: string;
  readonly restorePointId: RestorePointId;
  readonly repository: string;
  /** What the label is: below a VM all have the VM's name, on a day all have the day. */
  readonly label: 'time' | 'vm';
  readonly point: RestorePointInfo;
}

/** A disk of a restore point. */
export interface PointDiskNode {
  readonly kind: 'pointDisk';
  readonly id: string;
  readonly restorePointId: RestorePointId;
  readonly repository: string;
  readonly disk: string;
  readonly content: RestorePointDisk;
}

/** A restore point, or a whole repository, that cannot be read. */
export interface DamagedNode {
  readonly kind: 'damaged';
  readonly id: string;
  readonly repository: string;
  readonly file: string;
  readonly reason: string;
  readonly hint?: string | undefined;
}

/** What can be below a list of restore points. */
export type PointListNode = PointNode | DamagedNode | MessageNode | MoreNode;

/** The children of a list of restore points: what is damaged first, then the newest, then "Load more". */
export function pointListNodes(
  view: ViewId,
  parent: string,
  list: Cached<PointList>,
  label: PointNode['label'],
): readonly PointListNode[] {
  const { points, damaged, total, hasMore } = list.value;
  const nodes: PointListNode[] = [...damagedNodes(parent, damaged)];
  for (const point of points) {
    const { id: restorePointId, repository } = point;
    const id = `${parent}/point/${repository}/${restorePointId}`;
    nodes.push({ kind: 'point', id, restorePointId, repository, label, point });
  }
  const isLoading = list.state === 'loading';
  if (hasMore) nodes.push(moreNode(view, parent, { shown: points.length, total, loading: isLoading }));
  if (list.state === 'failed' && list.error !== undefined) return [errorNode(parent, list.error), ...nodes];
  if (nodes.length > 0) return nodes;
  return [emptyNode(parent, list)];
}

function emptyNode(parent: string, { state }: Cached<unknown>): MessageNode {
  return state === 'ready'
    ? messageNode(parent, 'info', l10n.t('No restore points'))
    : messageNode(parent, 'loading', l10n.t('Reading restore points…'));
}

export function damagedNodes(parent: string, damaged: readonly DamagedPoint[]): readonly DamagedNode[] {
  return damaged.map(({ repository, file, error }) => ({
    kind: 'damaged',
    id: `${parent}/damaged/${repository}/${file}`,
    repository,
    file,
    reason: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  }));
}

/** The disks of a restore point. */
export function pointDiskNodes({ id, restorePointId, repository, point }: PointNode): readonly PointDiskNode[] {
  return point.disks.map((content) => ({
    kind: 'pointDisk',
    id: `${id}/disk/${content.id}`,
    restorePointId,
    repository,
    disk: content.name,
    content,
  }));
}
