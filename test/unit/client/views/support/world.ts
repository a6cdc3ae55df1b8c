/** A world of any size for the views: hosts, VMs with disks, repositories, restore points. */
import { errorCodes, TidemarkError } from '../../../../../server/protocol/errors.ts';
import { diskId, repositoryId, vmId } from '../../../../../server/protocol/ids.ts';
import type { VmId } from '../../../../../server/protocol/ids.ts';
import type { HostEntry, RepositoryStatus, VmEntry } from '../../../../../server/protocol/daemon.ts';
import type { DiskInfo, RestorePointDisk, RestorePointInfo } from '../../../../../server/protocol/model.ts';
import { failed, ready, unread } from '../../../../../client/stores/cached.ts';
import type { Cached } from '../../../../../client/stores/cached.ts';
import type { PointList, PointSummary } from '../../../../../client/stores/restore-point-store.ts';
import type { TreeNode } from '../../../../../client/views/tree/row.ts';
import type { TreeModel } from '../../../../../client/views/tree/shown-tree.ts';
import { sampleHost, samplePoint, sampleVm } from '../../support/samples.ts';

/** The moment of all tests: noon of a day, in the time zone of the machine. */
export const noon = new Date(2026, 0, 31, 12).getTime();
/** A time of the protocol, so many hours before. */
export const hoursAgo = (hours: number): string => new Date(noon - hours * 3_600_000).toISOString();

export const gib = 1024 ** 3;

export function reachableHost(name: string, provider: 'hyperv' | 'simulated' = 'hyperv'): HostEntry {
  const info = { name, provider, build: 20348, osName: 'Windows Server 2022' } as const;
  return { ...sampleHost(name), status: { state: 'reachable', info, agentVersion: '0.1.0' } };
}

export function unreachableHost(name: string, hours: number): HostEntry {
  const error = { code: 'TM2001', message: `Host ${name} did not answer.`, hint: 'Check the agent.' };
  return { ...sampleHost(name), status: { state: 'unreachable', since: hoursAgo(hours), error } };
}

const guid = (n: number): string => `00000000-0000-0000-0000-${n.toString(16).toUpperCase().padStart(12, '0')}`;
export const vmIdOf = (n: number): VmId => vmId(guid(n), '');

export function sampleDisk(n: number, name: string, trackable = true): DiskInfo {
  return {
    id: diskId(guid(n), ''),
    name,
    sizeBytes: 64 * gib,
    fileBytes: 20 * gib,
    format: 'vhdx',
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    path: String.raw`D:\vms\${name}.vhdx`,
    trackable,
  };
}

/** VM `n` of a host, with two disks and a backup two hours ago. */
export function backedUpVm(host: string, name: string, n: number): VmEntry {
  const entry = sampleVm(host, name, n);
  const last = { id: samplePoint(n).id, createdAt: hoursAgo(2), repository: 'main' };
  return {
    ...entry,
    vm: { ...entry.vm, id: vmIdOf(n), disks: [sampleDisk(2 * n, 'os'), sampleDisk(2 * n + 1, 'data')] },
    lastRestorePoint: last,
    backups: {
      restorePoints: 4,
      last: { ...last, type: 'incremental' },
      oldestAt: hoursAgo(80),
      lastFull: { id: last.id, createdAt: hoursAgo(80) },
      incrementalsSinceFull: 3,
    },
  };
}

/** Restore point `n` of a VM, `hours` ago. */
export function pointOf(n: number, vm: number, hours: number, repository = 'main'): RestorePointInfo {
  const stats = { readBytes: gib, newBytes: gib / 2, storedBytes: gib / 4, dataBytes: 20 * gib };
  const disk = (index: number, name: string): RestorePointDisk => ({
    id: diskId(guid(2 * vm + index), ''),
    name,
    sizeBytes: 64 * gib,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    chunkBytes: 1_048_576,
    kind: n % 4 === 0 ? { type: 'full', reason: 'requested' } : { type: 'incremental' },
    stats,
  });
  return {
    ...samplePoint(n, repository),
    vmId: vmIdOf(vm),
    vmName: `vm${vm}`,
    createdAt: hoursAgo(hours),
    finishedAt: hoursAgo(hours),
    type: n % 4 === 0 ? 'full' : 'incremental',
    consistency: 'application',
    disks: [disk(0, 'os'), disk(1, 'data')],
  };
}

/** The first page of a list that has `total`. */
export function pageOf(points: readonly RestorePointInfo[], total = points.length): Cached<PointList> {
  return ready({ points, damaged: [], total, hasMore: total > points.length }, noon);
}

export function summaryOf(points: readonly RestorePointInfo[], damaged: PointSummary['damaged'] = []): PointSummary {
  const byVm = Map.groupBy(points, (point) => point.vmId);
  const byDay = Map.groupBy(points, ({ createdAt }) => createdAt.slice(0, 10));
  const vms = [...byVm.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { vmId: id, vmName, createdAt } = first;
    return [{ vmId: id, vmName, count: group.length, newestAt: createdAt, oldestAt: createdAt, newest: first.id }];
  });
  const days = [...byDay].map(([day, group]) => ({ day, count: group.length }));
  return { restorePoints: points.length, vms, days, damaged };
}

export function statusOf(name: string, location: string): RepositoryStatus {
  return {
    entry: sampleRepository(name, location),
    restorePoints: 4,
    vms: 1,
    storedBytes: 30 * gib,
    logicalBytes: 400 * gib,
    uniqueBytes: 100 * gib,
    unusedBytes: 5 * gib,
    freeBytes: null,
    warnings: [],
  };
}

export function sampleRepository(name: string, location: string): RepositoryStatus['entry'] {
  return { name, location, id: repositoryId('0'.repeat(32), '') };
}

export const notRead = <T>(value: T): Cached<T> => unread(value);
/** A read that failed after `value` was read an hour ago. */
export const failedAfter = <T>(value: T, message: string): Cached<T> =>
  failed(ready(value, noon - 3_600_000), new TidemarkError(errorCodes.hostUnreachable, message));

/** Every node of a tree, from the top. */
export function allNodes<N extends TreeNode>(model: TreeModel<N>, parent?: N): readonly N[] {
  return model.children(parent).flatMap((node) => [node, ...allNodes(model, node)]);
}

/** Labels of a node's children. */
export function labels<N extends TreeNode>(model: TreeModel<N>, parent?: N): readonly string[] {
  return model.children(parent).map((node) => model.row(node).label);
}
